/* An accelerator for tests: it has memory of its own that the CPU cannot see, counts the calls, and fails
 * where it is told to. It interprets no graph: what it computes is the test's function. */
#pragma once
#include "device.h"

enum fake_call {
  FAKE_NONE, /* fail nowhere */
  FAKE_COMPILE,
  FAKE_RELEASE,
  FAKE_ALLOC,
  FAKE_FREE,
  FAKE_UPLOAD,
  FAKE_DOWNLOAD,
  FAKE_SUBMIT,
  FAKE_WAIT,
  FAKE_CALLS
};

/* Computes outputs y from inputs x, in device memory. Types as given to compile. */
typedef void (*fake_compute_fn)(const struct lr_type *in, void *const *x, const struct lr_type *out,
                                void *const *y);

struct fake_device {
  struct lr_device
      device; /* name "fake", vendor "": takes any subgraph. Its user is the fake_device: do not move it */
  fake_compute_fn compute;
  enum fake_call fail;
  int32_t after;             /* that many calls of `fail` succeed first */
  int32_t calls[FAKE_CALLS]; /* failed ones count too */
  int32_t live;              /* programs and buffers that were not given back */
  int32_t misuse;            /* calls that break the contract of core/device.h; each fails too */
};

void fake_device_init(struct fake_device *d, fake_compute_fn compute);
/* From now on this call fails with LR_ERR_DEVICE. */
void fake_device_fail(struct fake_device *d, enum fake_call call);

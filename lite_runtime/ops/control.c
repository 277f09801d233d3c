/* if, loop: their subgraphs run in sessions of their own (core/control.c); the file declares the types of their results. */
#include "op.h"

lr_status lr_infer_if(struct lr_infer *c) { return LR_OK; }
lr_status lr_infer_loop(struct lr_infer *c) { return LR_OK; }

static lr_status run(struct lr_run *r) {
  return lr_run_fail(r, LR_ERR_UNSUPPORTED, "the session did not run its subgraph; report this as a bug");
}

const struct lr_impl lr_cpu_if = {.run = run};
const struct lr_impl lr_cpu_loop = {.run = run};

#pragma once

#define HUGE_VAL __builtin_huge_val()
#define HUGE_VALF __builtin_huge_valf()
#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define M_E 2.7182818284590452354
#define M_PI 3.14159265358979323846
#define M_PI_2 1.57079632679489661923
#define M_SQRT2 1.41421356237309504880

#define isnan(x) __builtin_isnan(x)
#define isinf(x) __builtin_isinf_sign(x)
#define isfinite(x) __builtin_isfinite(x)
#define isnormal(x) __builtin_isnormal(x)
#define signbit(x) __builtin_signbit(x)

typedef float float_t;
typedef double double_t;

/* of double and of float; long double is left out: on 64-bit ABIs it has 128 bits and needs library code */
#define LR_MATH_1(name) \
  double name(double);  \
  float name##f(float);
#define LR_MATH_2(name)        \
  double name(double, double); \
  float name##f(float, float);

LR_MATH_1(acos)
LR_MATH_1(acosh)
LR_MATH_1(asin)
LR_MATH_1(asinh)
LR_MATH_1(atan)
LR_MATH_1(atanh)
LR_MATH_1(cbrt)
LR_MATH_1(ceil)
LR_MATH_1(cos)
LR_MATH_1(cosh)
LR_MATH_1(erf)
LR_MATH_1(erfc)
LR_MATH_1(exp)
LR_MATH_1(exp2)
LR_MATH_1(expm1)
LR_MATH_1(fabs)
LR_MATH_1(floor)
LR_MATH_1(lgamma)
LR_MATH_1(log)
LR_MATH_1(log10)
LR_MATH_1(log1p)
LR_MATH_1(log2)
LR_MATH_1(nearbyint)
LR_MATH_1(rint)
LR_MATH_1(round)
LR_MATH_1(sin)
LR_MATH_1(sinh)
LR_MATH_1(sqrt)
LR_MATH_1(tan)
LR_MATH_1(tanh)
LR_MATH_1(tgamma)
LR_MATH_1(trunc)
LR_MATH_2(atan2)
LR_MATH_2(copysign)
LR_MATH_2(fdim)
LR_MATH_2(fmax)
LR_MATH_2(fmin)
LR_MATH_2(fmod)
LR_MATH_2(hypot)
LR_MATH_2(nextafter)
LR_MATH_2(pow)
LR_MATH_2(remainder)
double fma(double, double, double);
float fmaf(float, float, float);
double frexp(double, int *);
float frexpf(float, int *);
double ldexp(double, int);
float ldexpf(float, int);
double modf(double, double *);
float modff(float, float *);
long lrint(double);
long lrintf(float);
long long llrint(double);
long long llrintf(float);
long lround(double);
long lroundf(float);
long long llround(double);
long long llroundf(float);

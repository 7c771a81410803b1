/* Functions that rendered kernels use. float32 functions are branch-free so that the compiler turns
   them into vector code; the bounds (in units in the last place) are measured by the tests. */
#if defined(NEO_KERNEL) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 9
/* A stride that is an argument of a rendered kernel is never 1; the loops for that case take GCC long. */
#pragma GCC optimize("no-version-loops-for-strides")
#endif
typedef unsigned long long neo_word;
typedef long long neo_i64;
typedef int neo_i32;
typedef unsigned neo_u32;
#define NEO_INF __builtin_inf()
#define NEO_STR(x) #x
#define NEO_SIMD(...) _Pragma(NEO_STR(omp simd __VA_ARGS__))
#define NEO_FN static inline __attribute__((always_inline))

#define NEO_ALIGNED __attribute__((aligned(64)))
#ifndef __has_builtin
#define __has_builtin(x) 0
#endif

/* the C library's; expressions of ops from outside may call them too */
double exp(double), exp2(double), log(double), log2(double), tanh(double), pow(double, double);
double sin(double), cos(double), tan(double), asin(double), acos(double), atan(double);
double sinh(double), cosh(double), erf(double), log1p(double), expm1(double);
double fmod(double, double), atan2(double, double);
float sinf(float), cosf(float), tanf(float), asinf(float), acosf(float), atanf(float);
float sinhf(float), coshf(float), erff(float), log1pf(float), expm1f(float);
float fmodf(float, float), atan2f(float, float);

NEO_FN neo_i64 neo_lesser(neo_i64 a, neo_i64 b) { return a < b ? a : b; }
NEO_FN double neo_double(neo_word w) { double d; __builtin_memcpy(&d, &w, 8); return d; }
NEO_FN neo_i32 neo_bits(float x) { neo_i32 i; __builtin_memcpy(&i, &x, 4); return i; }
NEO_FN float neo_float(neo_i32 i) { float x; __builtin_memcpy(&x, &i, 4); return x; }
NEO_FN neo_i64 neo_bits64(double x) { neo_i64 i; __builtin_memcpy(&i, &x, 8); return i; }
NEO_FN double neo_float64(neo_i64 i) { double x; __builtin_memcpy(&x, &i, 8); return x; }

/* ---- simple functions, both types ---- */
#define NEO_BOTH(T, S, F) \
NEO_FN T neo_max_##S(T a, T b) { const T r = a > b ? a : b; return a != a ? a : r; } \
NEO_FN T neo_min_##S(T a, T b) { const T r = a < b ? a : b; return a != a ? a : r; } \
NEO_FN T neo_abs_##S(T a) { return __builtin_fabs##F(a); } \
NEO_FN T neo_sgn_##S(T a) { return a != a ? a : (T)((a > 0) - (a < 0)); } \
NEO_FN T neo_sqrt_##S(T a) { return __builtin_sqrt##F(a); } \
NEO_FN T neo_rint_##S(T a) { return __builtin_rint##F(a); } \
NEO_FN T neo_finite_##S(T a) { return (T)(a - a == 0); } \
NEO_FN T neo_isnan_##S(T a) { return (T)(a != a); } \
NEO_FN T neo_floor_##S(T a) { return __builtin_floor##F(a); } \
NEO_FN T neo_ceil_##S(T a) { return __builtin_ceil##F(a); } \
NEO_FN T neo_trunc_##S(T a) { return __builtin_trunc##F(a); } \
NEO_FN T neo_rsqrt_##S(T a) { return (T)1 / __builtin_sqrt##F(a); } \
NEO_FN T neo_logical_not_##S(T a) { return (T)(a == 0); } \
NEO_FN T neo_logical_and_##S(T a, T b) { return (T)((a != 0) & (b != 0)); } \
NEO_FN T neo_logical_or_##S(T a, T b) { return (T)((a != 0) | (b != 0)); } \
NEO_FN T neo_logical_xor_##S(T a, T b) { return (T)((a != 0) ^ (b != 0)); }
NEO_BOTH(float, f32, f)
NEO_BOTH(double, f64, )

/* ---- integers, which wrap around; what is divided by 0 is 0 ---- */
NEO_FN neo_i64 neo_plus_i64(neo_i64 a, neo_i64 b) { return (neo_i64)((neo_word)a + (neo_word)b); }
NEO_FN neo_i64 neo_minus_i64(neo_i64 a, neo_i64 b) { return (neo_i64)((neo_word)a - (neo_word)b); }
NEO_FN neo_i64 neo_times_i64(neo_i64 a, neo_i64 b) { return (neo_i64)((neo_word)a * (neo_word)b); }
NEO_FN neo_i64 neo_max_i64(neo_i64 a, neo_i64 b) { return a > b ? a : b; }
NEO_FN neo_i64 neo_min_i64(neo_i64 a, neo_i64 b) { return a < b ? a : b; }
NEO_FN neo_i64 neo_abs_i64(neo_i64 a) { return a < 0 ? neo_minus_i64(0, a) : a; }
NEO_FN neo_i64 neo_sgn_i64(neo_i64 a) { return (a > 0) - (a < 0); }
NEO_FN neo_i64 neo_logical_not_i64(neo_i64 a) { return a == 0; }
NEO_FN neo_i64 neo_logical_and_i64(neo_i64 a, neo_i64 b) { return (a != 0) & (b != 0); }
NEO_FN neo_i64 neo_logical_or_i64(neo_i64 a, neo_i64 b) { return (a != 0) | (b != 0); }
NEO_FN neo_i64 neo_logical_xor_i64(neo_i64 a, neo_i64 b) { return (a != 0) ^ (b != 0); }
/* processors trap on a division by 0, and on that of the smallest integer by -1 */
NEO_FN neo_i64 neo_divisor_i64(neo_i64 b) { return (b == 0) | (b == -1) ? 1 : b; }
NEO_FN neo_i64 neo_mod_i64(neo_i64 a, neo_i64 b) {
  const neo_i64 d = neo_divisor_i64(b), r = a % d;
  return (r != 0) & ((r < 0) != (d < 0)) ? r + d : r; }
NEO_FN neo_i64 neo_floordiv_i64(neo_i64 a, neo_i64 b) {
  const neo_i64 d = neo_divisor_i64(b), r = a % d, q = a / d - ((r != 0) & ((r < 0) != (d < 0)));
  return b == 0 ? 0 : b == -1 ? neo_minus_i64(0, a) : q; }
NEO_FN int neo_above_i64(neo_i64 x, neo_i64 best) { return x > best; }
NEO_FN int neo_below_i64(neo_i64 x, neo_i64 best) { return x < best; }

/* ---- float16 as bits: any compiler vectorises the integer arithmetic ---- */
typedef unsigned short neo_half;
NEO_FN float neo_from_half(neo_half h) {
  const neo_i32 body = (neo_i32)(h & 0x7fff) << 13, sign = (neo_i32)(h & 0x8000) << 16;
  const float scaled = neo_float(body) * 5.192296858534828e33f; /* 2^112, exact also for subnormals */
  const neo_i32 bits = body >= 0x0f800000 ? (body | 0x7f800000) : neo_bits(scaled);
  return neo_float(bits | sign);
}
NEO_FN neo_half neo_to_half(float x) {
  const neo_i32 bits = neo_bits(x), sign = (bits >> 16) & 0x8000, a = bits & 0x7fffffff;
  /* below 2^-14 adding 0.5 leaves the rounded significand in the low bits */
  const neo_i32 tiny = neo_bits(neo_float(a) + 0.5f) - 0x3f000000;
  const neo_i32 usual = (a - 0x38000000 + 0xfff + ((a >> 13) & 1)) >> 13;
  const neo_i32 over = a > 0x7f800000 ? 0x7e00 : 0x7c00;
  const neo_i32 body = a >= 0x477ff000 ? over : a < 0x38800000 ? tiny : usual;
  return (neo_half)(body | sign);
}

/* ---- bfloat16 as bits, the upper half of a float32 ---- */
typedef unsigned short neo_bf16;
NEO_FN float neo_from_bf16(neo_bf16 h) { return neo_float((neo_i32)((neo_u32)h << 16)); }
NEO_FN neo_bf16 neo_to_bf16(float x) {
  const neo_u32 bits = (neo_u32)neo_bits(x), high = bits >> 16;
  const neo_u32 nearest = (bits + 0x7fff + (high & 1)) >> 16;
  return (neo_bf16)(x != x ? (high & 0x8000) | 0x7fc0 : nearest);
}

/* ---- float32 numbers that round to a shorter type as x does: rounded to odd, no tie arises ---- */
NEO_FN float neo_odd_f64(double x) {
  const float f = (float)x;
  const neo_i32 over = __builtin_fabs((double)f) > __builtin_fabs(x), lost = (double)f != x;
  return neo_float((neo_bits(f) - over) | lost);
}
NEO_FN float neo_odd_i64(neo_i64 x) {
  neo_i64 odd = x;
  neo_i32 scale = 127;
  for (int i = 0; i < 4; ++i) {
    const neo_i32 large = (odd >= (1 << 24)) | (odd < -(1 << 24));
    odd = large ? (odd >> 12) | ((odd & 4095) != 0) : odd;
    scale += 12 * large;
  }
  return (float)odd * neo_float(scale << 23);
}


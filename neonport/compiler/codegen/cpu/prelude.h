/* Functions that rendered kernels use. float32 functions are branch-free so that the compiler turns
   them into vector code; the bounds (in units in the last place) are measured by the tests. */
typedef unsigned long long neo_word;
typedef long long neo_i64;
typedef int neo_i32;
typedef unsigned neo_u32;
#define NEO_INF __builtin_inf()
#define NEO_STR(x) #x
#define NEO_SIMD(...) _Pragma(NEO_STR(omp simd __VA_ARGS__))
#define NEO_FN static inline __attribute__((always_inline))

#define NEO_ALIGNED __attribute__((aligned(64)))

double exp(double), exp2(double), log(double), log2(double), tanh(double), pow(double, double);

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

/* ---- exponentials: 2^n times a polynomial on [-ln2/2, ln2/2] (coefficients: Cephes expf) ---- */
NEO_FN float neo_scale_f32(float y, neo_i32 n) {
  const neo_i32 half = n >> 1; /* two factors, so that results below the smallest normal survive */
  return y * neo_float((half + 127) << 23) * neo_float((n - half + 127) << 23);
}
NEO_FN float neo_expm1_tail_f32(float r) {
  float p = 1.9875691500e-4f;
  p = __builtin_fmaf(p, r, 1.3981999507e-3f);
  p = __builtin_fmaf(p, r, 8.3334519073e-3f);
  p = __builtin_fmaf(p, r, 4.1665795894e-2f);
  p = __builtin_fmaf(p, r, 1.6666665459e-1f);
  p = __builtin_fmaf(p, r, 5.0000001201e-1f);
  return __builtin_fmaf(p * r, r, r);
}
/* adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits; nan passes through all */
NEO_FN float neo_exp_f32(float x) {
  const float c = x > 89.0f ? 89.0f : (x < -105.0f ? -105.0f : x);
  const float t = __builtin_fmaf(c, 1.44269504088896341f, 12582912.0f);
  const float n = t - 12582912.0f;
  float r = __builtin_fmaf(n, -0.693359375f, c);
  r = __builtin_fmaf(n, 2.12194440e-4f, r);
  return neo_scale_f32(neo_expm1_tail_f32(r) + 1.0f, neo_bits(t) - 0x4B400000);
}
NEO_FN float neo_exp2_f32(float x) {
  const float c = x > 129.0f ? 129.0f : (x < -151.0f ? -151.0f : x);
  const float t = c + 12582912.0f;
  const float r = (c - (t - 12582912.0f)) * 0.69314718056f;
  return neo_scale_f32(neo_expm1_tail_f32(r) + 1.0f, neo_bits(t) - 0x4B400000);
}

/* ---- logarithms: exponent plus a polynomial around 1 (coefficients: Cephes logf) ---- */
NEO_FN float neo_log_parts_f32(float x, float *tail) {
  const int small = x < 1.17549435e-38f;
  const float s = small ? x * 8388608.0f : x;
  const neo_i32 i = neo_bits(s) - 0x3f3504f3;
  const float f = neo_float((i & 0x007fffff) + 0x3f3504f3) - 1.0f;
  const float z = f * f;
  float p = 7.0376836292e-2f;
  p = __builtin_fmaf(p, f, -1.1514610310e-1f);
  p = __builtin_fmaf(p, f, 1.1676998740e-1f);
  p = __builtin_fmaf(p, f, -1.2420140846e-1f);
  p = __builtin_fmaf(p, f, 1.4249322787e-1f);
  p = __builtin_fmaf(p, f, -1.6668057665e-1f);
  p = __builtin_fmaf(p, f, 2.0000714765e-1f);
  p = __builtin_fmaf(p, f, -2.4999993993e-1f);
  p = __builtin_fmaf(p, f, 3.3333331174e-1f);
  *tail = f;
  *tail = __builtin_fmaf(p * z, f, -0.5f * z); /* log(1 + f) - f */
  return (float)(i >> 23) - (small ? 23.0f : 0.0f);
}
NEO_FN float neo_log_special_f32(float x, float y) {
  y = x == 0.0f ? -(float)NEO_INF : y;
  y = x < 0.0f ? (float)__builtin_nan("") : y;
  return (x != x || x == (float)NEO_INF) ? x : y;
}
NEO_FN float neo_mantissa_f32(float x) {
  const float s = x < 1.17549435e-38f ? x * 8388608.0f : x;
  return neo_float(((neo_bits(s) - 0x3f3504f3) & 0x007fffff) + 0x3f3504f3) - 1.0f;
}
NEO_FN float neo_log_f32(float x) {
  float tail;
  const float e = neo_log_parts_f32(x, &tail), f = neo_mantissa_f32(x);
  const float low = __builtin_fmaf(e, -2.12194440e-4f, tail);
  return neo_log_special_f32(x, __builtin_fmaf(e, 0.693359375f, f + low));
}
NEO_FN float neo_log2_f32(float x) {
  float tail;
  const float e = neo_log_parts_f32(x, &tail), f = neo_mantissa_f32(x);
  /* log2(e) = 1 + 0.4426950408889634: the products with 1 are exact */
  const float low = __builtin_fmaf(tail, 0.44269504088896341f, __builtin_fmaf(f, 0.44269504088896341f, tail));
  return neo_log_special_f32(x, e + (f + low));
}
NEO_FN float neo_safelog_f32(float x) {
  const float y = neo_log_f32(x);
  return (x < 1.9287498479639178e-22f) | (y < -50.0f) ? -50.0f : y;
}

/* ---- logistic function and tanh ---- */
NEO_FN float neo_sig_f32(float x) {
  const float e = neo_exp_f32(-__builtin_fabsf(x));
  return (x >= 0.0f ? 1.0f : e) / (1.0f + e);
}
/* (e^2a - 1) / (e^2a + 1) for a = |x|; above 10 it rounds to 1 */
NEO_FN float neo_tanh_f32(float x) {
  const float a = __builtin_fabsf(x), c = a > 10.0f ? 10.0f : a;
  const float t = __builtin_fmaf(c, 2.88539008177792681f, 12582912.0f);
  const float n = t - 12582912.0f;
  float r = __builtin_fmaf(n, -0.693359375f, c + c);
  r = __builtin_fmaf(n, 2.12194440e-4f, r);
  const float power = neo_float((neo_i32)(((neo_u32)neo_bits(t) << 23) + 0x3f800000u)); /* 2^n */
  const float less = __builtin_fmaf(power, neo_expm1_tail_f32(r), power - 1.0f);
  return __builtin_copysignf(less / (less + 2.0f), x);
}

/* ---- power: 2^(y log2 x) in double, one rounding at the end ---- */
NEO_FN double neo_log2_wide(float x) {
  const int small = x < 1.17549435e-38f;
  const float s = small ? x * 8388608.0f : x;
  const neo_i32 i = neo_bits(s) - 0x3f3504f3;
  const double m = (double)neo_float((i & 0x007fffff) + 0x3f3504f3);
  const double u = (m - 1.0) / (m + 1.0), z = u * u; /* log m = 2 atanh u */
  double p = 1.0 / 13.0;
  p = p * z + 1.0 / 11.0;
  p = p * z + 1.0 / 9.0;
  p = p * z + 1.0 / 7.0;
  p = p * z + 1.0 / 5.0;
  p = p * z + 1.0 / 3.0;
  p = p * z + 1.0;
  return (double)((i >> 23) - (small ? 23 : 0)) + 2.8853900817779268147 * u * p;
}
NEO_FN float neo_exp2_wide(double t) {
  const double c = t > 200.0 ? 200.0 : (t < -200.0 ? -200.0 : t);
  const double k = c + 6755399441055744.0, n = k - 6755399441055744.0;
  const double r = (c - n) * 0.69314718055994530942;
  double p = 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  return (float)(p * neo_float64((neo_i64)((neo_word)(neo_bits64(k) - neo_bits64(6755399441055744.0)) + 1023) << 52));
}
NEO_FN float neo_pow_f32(float x, float y) {
  const float inf = (float)NEO_INF, a = __builtin_fabsf(x), b = __builtin_fabsf(y);
  const int whole = (__builtin_rintf(y) == y) | (b >= 8388608.0f);
  const int odd = whole & (__builtin_rintf(y * 0.5f) != y * 0.5f) & (b < 16777216.0f);
  const float large = y < 0.0f ? 0.0f : inf, small = y < 0.0f ? inf : 0.0f;
  float r = neo_exp2_wide((double)y * neo_log2_wide(a));
  r = a == inf ? large : r;
  r = a == 0.0f ? small : r;
  r = a == 1.0f ? 1.0f : r; /* also 1^inf and (-1)^inf */
  r = (x < 0.0f) & (whole == 0) & (a != inf) ? (float)__builtin_nan("") : r;
  r = odd ? __builtin_copysignf(r, x) : r;
  r = (x != x) | (y != y) ? x + y : r;
  return (y == 0.0f) | (x == 1.0f) ? 1.0f : r;
}
NEO_FN float neo_shift_f32(float x, float s) {
  return x * neo_sgn_f32(s) * neo_exp2_f32(__builtin_rintf(neo_log2_f32(__builtin_fabsf(s))));
}

/* ---- float64: the C library's functions ---- */
NEO_FN double neo_exp_f64(double x) { return exp(x); }
NEO_FN double neo_exp2_f64(double x) { return exp2(x); }
NEO_FN double neo_log_f64(double x) { return log(x); }
NEO_FN double neo_log2_f64(double x) { return log2(x); }
NEO_FN double neo_tanh_f64(double x) { return tanh(x); }
NEO_FN double neo_pow_f64(double x, double y) { return pow(x, y); }
NEO_FN double neo_sig_f64(double x) {
  const double e = exp(-__builtin_fabs(x));
  return (x >= 0 ? 1.0 : e) / (1.0 + e);
}
NEO_FN double neo_safelog_f64(double x) {
  const double y = log(x < 1.9287498479639178e-22 ? 1.9287498479639178e-22 : x);
  return y < -50.0 ? -50.0 : y;
}
NEO_FN double neo_shift_f64(double x, double s) {
  return x * neo_sgn_f64(s) * exp2(__builtin_rint(log2(__builtin_fabs(s))));
}

/* ---- functions of the C library, both types ---- */
#define NEO_LIBRARY(NAME, F) \
double F(double); \
float F##f(float); \
NEO_FN float neo_##NAME##_f32(float x) { return F##f(x); } \
NEO_FN double neo_##NAME##_f64(double x) { return F(x); }
NEO_LIBRARY(sin, sin) NEO_LIBRARY(cos, cos) NEO_LIBRARY(tan, tan) NEO_LIBRARY(arcsin, asin)
NEO_LIBRARY(arccos, acos) NEO_LIBRARY(arctan, atan) NEO_LIBRARY(sinh, sinh) NEO_LIBRARY(cosh, cosh)
NEO_LIBRARY(erf, erf) NEO_LIBRARY(log1p, log1p) NEO_LIBRARY(expm1, expm1)
double fmod(double, double), atan2(double, double);
float fmodf(float, float), atan2f(float, float);
#define NEO_LIBRARY_BOTH(T, S, F) \
NEO_FN T neo_floordiv_##S(T a, T b) { /* as NumPy, also where a / b is rounded up to an integer */ \
  const T r = fmod##F(a, b), q = (a - r) / b - (T)((r != 0) & ((r < 0) != (b < 0))); \
  const T f = __builtin_floor##F(q), near = q - f > (T)0.5 ? f + 1 : f; \
  return b == 0 ? a / b : q == 0 ? __builtin_copysign##F((T)0, a / b) : near; } \
NEO_FN T neo_arctan2_##S(T a, T b) { return atan2##F(a, b); } \
NEO_FN T neo_mod_##S(T a, T b) { /* the sign of b, as Python and NumPy have it */ \
  const T r = fmod##F(a, b), moved = (r < 0) != (b < 0) ? r + b : r; \
  return r == 0 ? __builtin_copysign##F((T)0, b) : moved; } \
NEO_FN T neo_softplus_##S(T a) { \
  return neo_max_##S(a, (T)0) + neo_log1p_##S(neo_exp_##S(-__builtin_fabs##F(a))); } \
NEO_FN T neo_logaddexp_##S(T a, T b) { \
  const T r = neo_max_##S(a, b) + neo_log1p_##S(neo_exp_##S(-__builtin_fabs##F(a - b))); \
  return a == b ? a + (T)0.69314718055994530942 : r; /* infinities of one sign too */ }
NEO_LIBRARY_BOTH(float, f32, f)
NEO_LIBRARY_BOTH(double, f64, )

/* ---- maximum and minimum as integer reductions: keys in the order of the numbers, nan last ---- */
typedef neo_i32 neo_key_f32;
typedef neo_i64 neo_key_f64, neo_key_i64;
#define NEO_MAX_START_f32 (-0x7fffffff - 1)
#define NEO_MIN_START_f32 0x7fffffff
#define NEO_MAX_START_f64 (-0x7fffffffffffffffLL - 1)
#define NEO_MIN_START_f64 0x7fffffffffffffffLL
#define NEO_MAX_START_i64 NEO_MAX_START_f64
#define NEO_MIN_START_i64 NEO_MIN_START_f64
#define neo_maxkey_i64(x) (x)
#define neo_minkey_i64(x) (x)
#define neo_maxunkey_i64(k) (k)
#define neo_minunkey_i64(k) (k)
NEO_FN neo_i32 neo_order_f32(float x) { const neo_i32 i = neo_bits(x); return i ^ ((i >> 31) & 0x7fffffff); }
NEO_FN neo_i64 neo_order_f64(double x) {
  const neo_i64 i = neo_bits64(x);
  return i ^ ((i >> 63) & 0x7fffffffffffffffLL);
}
NEO_FN neo_i32 neo_maxkey_f32(float x) { return x != x ? 0x7fffffff : neo_order_f32(x); }
NEO_FN neo_i32 neo_minkey_f32(float x) { return x != x ? NEO_MAX_START_f32 : neo_order_f32(x); }
NEO_FN neo_i64 neo_maxkey_f64(double x) { return x != x ? NEO_MIN_START_f64 : neo_order_f64(x); }
NEO_FN neo_i64 neo_minkey_f64(double x) { return x != x ? NEO_MAX_START_f64 : neo_order_f64(x); }
NEO_FN float neo_maxunkey_f32(neo_i32 k) { return neo_float(k ^ ((k >> 31) & 0x7fffffff)); }
NEO_FN double neo_maxunkey_f64(neo_i64 k) { return neo_float64(k ^ ((k >> 63) & 0x7fffffffffffffffLL)); }
#define neo_minunkey_f32 neo_maxunkey_f32
#define neo_minunkey_f64 neo_maxunkey_f64
NEO_FN int neo_above(double x, double best) { return x > best || (x != x && best == best); }
NEO_FN int neo_below(double x, double best) { return x < best || (x != x && best == best); }

/* ---- what is left of a row: all lanes under a mask, or as many as there are ---- */
#if defined(__AVX512F__) || defined(__AVX2__) || defined(__ARM_FEATURE_SVE)
#define NEO_MASKED(lanes, left) (lanes)
#else
#define NEO_MASKED(lanes, left) (left)
#endif

/* ---- one result of 32 partial ones: halves are joined, so that few operations wait for others ---- */
#define NEO_ADD(a, b) ((a) + (b))
#define NEO_MUL(a, b) ((a) * (b))
#define NEO_MOST(a, b) ((a) > (b) ? (a) : (b))
#define NEO_LEAST(a, b) ((a) < (b) ? (a) : (b))
#ifndef __has_builtin
#define __has_builtin(x) 0
#endif
#if __has_builtin(__builtin_shufflevector)
#define NEO_WHERE(a, CMP, b) ({ \
    const __auto_type neo_a = (a); \
    const __auto_type neo_b = (b); \
    const __auto_type neo_m = (__typeof__(neo_a & neo_b))(neo_a CMP neo_b); \
    (neo_m & neo_a) | (~neo_m & neo_b); })
#define NEO_MOST_OF(a, b) NEO_WHERE(a, >, b)
#define NEO_LEAST_OF(a, b) NEO_WHERE(a, <, b)
#define NEO_PART(v, ...) __builtin_shufflevector(v, v, __VA_ARGS__)
#define NEO_ACROSS_4(NAME, T, JOIN, ONE) \
NEO_FN T NAME(const T *x) { \
  typedef T line __attribute__((vector_size(64), may_alias)); \
  const line *p = (const line *)x, v = JOIN(p[0], p[1]); \
  const __auto_type a = JOIN(NEO_PART(v, 0, 1, 2, 3, 4, 5, 6, 7), \
                             NEO_PART(v, 8, 9, 10, 11, 12, 13, 14, 15)); \
  const __auto_type b = JOIN(NEO_PART(a, 0, 1, 2, 3), NEO_PART(a, 4, 5, 6, 7)); \
  const __auto_type c = JOIN(b, NEO_PART(b, 2, 3, 0, 1)); \
  return ONE(c[0], c[1]); }
#define NEO_ACROSS_8(NAME, T, JOIN, ONE) \
NEO_FN T NAME(const T *x) { \
  typedef T line __attribute__((vector_size(64), may_alias)); \
  const line *p = (const line *)x, w = JOIN(p[0], p[2]), v = JOIN(w, JOIN(p[1], p[3])); \
  const __auto_type a = JOIN(NEO_PART(v, 0, 1, 2, 3), NEO_PART(v, 4, 5, 6, 7)); \
  const __auto_type b = JOIN(NEO_PART(a, 0, 1), NEO_PART(a, 2, 3)); \
  return ONE(b[0], b[1]); }
#else
#define NEO_ACROSS_4(NAME, T, JOIN, ONE) \
NEO_FN T NAME(const T *x) { \
  T a[16], b[8]; \
  for (int i = 0; i < 16; ++i) a[i] = ONE(x[i], x[i + 16]); \
  for (int i = 0; i < 8; ++i) b[i] = ONE(a[i], a[i + 8]); \
  for (int i = 0; i < 4; ++i) a[i] = ONE(b[i], b[i + 4]); \
  for (int i = 0; i < 2; ++i) b[i] = ONE(a[i], a[i + 2]); \
  return ONE(b[0], b[1]); }
#define NEO_ACROSS_8 NEO_ACROSS_4
#endif
NEO_ACROSS_4(neo_total_f32, float, NEO_ADD, NEO_ADD)
NEO_ACROSS_8(neo_total_f64, double, NEO_ADD, NEO_ADD)
NEO_ACROSS_8(neo_product_f64, double, NEO_MUL, NEO_MUL)
#define neo_product_f32 neo_product_f64
NEO_ACROSS_8(neo_total_i64, neo_i64, NEO_ADD, NEO_ADD)
NEO_ACROSS_8(neo_product_i64, neo_i64, NEO_MUL, NEO_MUL)
NEO_ACROSS_4(neo_most_f32, neo_i32, NEO_MOST_OF, NEO_MOST)
NEO_ACROSS_8(neo_most_f64, neo_i64, NEO_MOST_OF, NEO_MOST)
NEO_ACROSS_4(neo_least_f32, neo_i32, NEO_LEAST_OF, NEO_LEAST)
NEO_ACROSS_8(neo_least_f64, neo_i64, NEO_LEAST_OF, NEO_LEAST)
#define neo_most_i64 neo_most_f64
#define neo_least_i64 neo_least_f64

/* ---- moments of two parts (Chan, Golub, LeVeque, 1979): count, mean, sum of squares ---- */
NEO_FN void neo_moments(double *n, double *mean, double *m2, double k, double m, double q) {
  const double total = *n + k, d = m - *mean;
  if (k == 0) return;
  *mean += d * (k / total);
  *m2 += q + d * d * (*n * k / total);
  *n = total;
}

/* ---- stores into integers: nearest even, saturating, nan to 0 ---- */
#define NEO_TO(NAME, T, LO, HI) \
NEO_FN T neo_to_##NAME##_f64(double x) { \
  const double r = __builtin_rint(x); \
  return r >= (double)(HI) ? (T)(HI) : (r <= (double)(LO) ? (T)(LO) : (x != x ? (T)0 : (T)r)); } \
NEO_FN T neo_to_##NAME##_f32(float x) { return neo_to_##NAME##_f64((double)x); } \
NEO_FN T neo_to_##NAME##_i64(neo_i64 x) { \
  return x > (neo_i64)(HI) ? (T)(HI) : (x < (neo_i64)(LO) ? (T)(LO) : (T)x); }
NEO_TO(int8, signed char, -128, 127)
NEO_TO(int16, short, -32768, 32767)
NEO_TO(int32, int, -2147483647 - 1, 2147483647)
NEO_TO(int64, neo_i64, -0x7fffffffffffffffLL - 1, 0x7fffffffffffffffLL)
NEO_TO(uint8, unsigned char, 0, 255)
NEO_TO(uint16, unsigned short, 0, 65535)
NEO_TO(uint32, unsigned, 0, 4294967295LL)
NEO_FN neo_word neo_to_uint64_f64(double x) {
  const double r = __builtin_rint(x);
  return r >= 18446744073709551616.0 ? 0xffffffffffffffffULL : (r > 0 ? (neo_word)r : 0);
}
NEO_FN neo_word neo_to_uint64_f32(float x) { return neo_to_uint64_f64((double)x); }
NEO_FN neo_word neo_to_uint64_i64(neo_i64 x) { return x < 0 ? 0 : (neo_word)x; }

/* ---- Philox 4x32-10 (Salmon et al., 2011): lane i % 4 of block off + i / 4, top 24 bits ---- */
NEO_FN void neo_philox(neo_word key, neo_word block, float *u0, float *u1, float *u2, float *u3) {
  neo_u32 x0 = (neo_u32)block, x1 = (neo_u32)(block >> 32), x2 = 0, x3 = 0;
  neo_u32 k0 = (neo_u32)key, k1 = (neo_u32)(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const neo_word p = (neo_word)0xD2511F53u * x0, q = (neo_word)0xCD9E8D57u * x2;
    x0 = (neo_u32)(q >> 32) ^ x1 ^ k0;
    x1 = (neo_u32)q;
    x2 = (neo_u32)(p >> 32) ^ x3 ^ k1;
    x3 = (neo_u32)p;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  *u0 = (float)(x0 >> 8) * 5.9604644775390625e-8f;
  *u1 = (float)(x1 >> 8) * 5.9604644775390625e-8f;
  *u2 = (float)(x2 >> 8) * 5.9604644775390625e-8f;
  *u3 = (float)(x3 >> 8) * 5.9604644775390625e-8f;
}
NEO_FN float neo_uniform(neo_word key, neo_word off, neo_word i) {
  float u0, u1, u2, u3;
  neo_philox(key, off + (i >> 2), &u0, &u1, &u2, &u3);
  const neo_u32 lane = (neo_u32)i & 3u;
  return lane == 0 ? u0 : lane == 1 ? u1 : lane == 2 ? u2 : u3;
}
/* the numbers first .. last - 1 and up to 3 on either side; `to` begins with the one before `first`
   whose index is a multiple of 4 */
NEO_FN void neo_uniforms(neo_word key, neo_word off, neo_i64 first, neo_i64 last, float *to) {
  const neo_i64 begin = first >> 2, count = ((last + 3) >> 2) - begin;
  NEO_SIMD()
  for (neo_i64 i = 0; i < count; ++i) {
    float u0, u1, u2, u3;
    neo_philox(key, off + (neo_word)(begin + i), &u0, &u1, &u2, &u3);
    to[4 * i] = u0;
    to[4 * i + 1] = u1;
    to[4 * i + 2] = u2;
    to[4 * i + 3] = u3;
  }
}

/* ---- memory that is read soon, into the second cache; a place behind the end does no harm ---- */
NEO_FN void neo_ahead(const void *p, neo_i64 bytes) {
  for (neo_i64 i = 0; i < bytes; i += 64) __builtin_prefetch((const char *)p + i, 0, 2); }

/* ---- turned blocks: to[row * 64 + r] = from[r * step + row] ---- */
#define NEO_TURN(to, from, step, rows, count) \
  (sizeof *(to) == 1 ? neo_turn_u8(to, from, step, rows, count) \
   : sizeof *(to) == 2 ? neo_turn_u16(to, from, step, rows, count) \
   : sizeof *(to) == 4 ? neo_turn_u32(to, from, step, rows, count) \
                       : neo_turn_u64(to, from, step, rows, count))
#if __has_builtin(__builtin_shufflevector)
#define NEO_ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define NEO_ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define NEO_TURN_8(T, to, from, step) { \
    T##_8 neo_v[8], neo_z[8]; \
    for (int k = 0; k < 8; ++k) neo_v[k] = *(const T##_8 *)((from) + k * (step)); \
    for (int stage = 0; stage < 3; ++stage) { \
      for (int k = 0; k < 4; ++k) { \
        neo_z[2 * k] = NEO_ZIP_LOW(neo_v[k], neo_v[k + 4]); \
        neo_z[2 * k + 1] = NEO_ZIP_HIGH(neo_v[k], neo_v[k + 4]); \
      } \
      for (int k = 0; k < 8; ++k) neo_v[k] = neo_z[k]; \
    } \
    for (int k = 0; k < 8; ++k) *(T##_8 *)((to) + k * 64) = neo_v[k]; \
  }
#else
#define NEO_TURN_8(T, to, from, step) \
  for (int k = 0; k < 8; ++k) \
    for (int m = 0; m < 8; ++m) (to)[k * 64 + m] = (from)[m * (step) + k];
#endif
#define NEO_TURN_OF(T, BASE) \
  typedef BASE T __attribute__((may_alias)); \
  typedef BASE T##_8 \
      __attribute__((vector_size(8 * sizeof(BASE)), may_alias, aligned(sizeof(BASE)))); \
  NEO_FN void neo_turn_##T(void *out, const void *in, neo_i64 step, neo_i64 rows, neo_i64 count) { \
    T *to = (T *)out; \
    const T *from = (const T *)in; \
    const neo_i64 whole_rows = rows & -8, whole = count & -8; \
    for (neo_i64 r = 0; r < whole; r += 8) \
      for (neo_i64 i = 0; i < whole_rows; i += 8) \
        NEO_TURN_8(T, to + i * 64 + r, from + r * step + i, step) \
    for (neo_i64 r = 0; r < count; ++r) \
      for (neo_i64 i = r < whole ? whole_rows : 0; i < rows; ++i) \
        to[i * 64 + r] = from[r * step + i]; \
  }
NEO_TURN_OF(u8, unsigned char)
NEO_TURN_OF(u16, unsigned short)
NEO_TURN_OF(u32, unsigned int)
NEO_TURN_OF(u64, unsigned long long)

/* ---- stores past the cache: whole lines go to memory without being read first ---- */
typedef int neo_line __attribute__((vector_size(64), may_alias));
typedef int neo_line_anywhere __attribute__((vector_size(64), may_alias, aligned(1)));
#if __has_builtin(__builtin_nontemporal_store)
#define NEO_STREAM_LINE(to, from) \
  __builtin_nontemporal_store(*(const neo_line_anywhere *)(from), (neo_line *)(to))
#elif defined(__AVX512F__)
typedef long long neo_v8 __attribute__((vector_size(64), may_alias));
typedef long long neo_v8_anywhere __attribute__((vector_size(64), may_alias, aligned(1)));
#define NEO_STREAM_LINE(to, from) \
  __builtin_ia32_movntdq512((neo_v8 *)(to), *(const neo_v8_anywhere *)(from))
#elif defined(__AVX__)
typedef long long neo_v4 __attribute__((vector_size(32), may_alias));
typedef long long neo_v4_anywhere __attribute__((vector_size(32), may_alias, aligned(1)));
#define NEO_STREAM_LINE(to, from) \
  (__builtin_ia32_movntdq256((neo_v4 *)(to), *(const neo_v4_anywhere *)(from)), \
   __builtin_ia32_movntdq256((neo_v4 *)(to) + 1, ((const neo_v4_anywhere *)(from))[1]))
#else
#define NEO_STREAM_LINE(to, from) (*(neo_line *)(to) = *(const neo_line_anywhere *)(from))
#endif
#if defined(__x86_64__) || defined(__i386__)
#define NEO_STREAMED() __builtin_ia32_sfence() /* before another thread may look */
#else
#define NEO_STREAMED() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif
/* elements of `size` bytes between the start of a cache line and `at` */
NEO_FN neo_i64 neo_past_line(const void *at, neo_i64 size) {
  return (neo_i64)((neo_word)at & 63) / size;
}
NEO_FN void neo_stream(void *to, const void *from, neo_i64 bytes) {
  char *d = (char *)to;
  const char *s = (const char *)from;
  neo_i64 i = neo_lesser((neo_i64)(-(neo_word)d & 63), bytes);
  __builtin_memcpy(d, s, (unsigned long)i);
  for (; i + 64 <= bytes; i += 64) NEO_STREAM_LINE(d + i, s + i);
  __builtin_memcpy(d + i, s + i, (unsigned long)(bytes - i));
}

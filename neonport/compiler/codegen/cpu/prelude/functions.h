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
  const int none = x < -104.0f; /* 0: not by an underflow, which processors are slow at (masks of -inf) */
  const float c = x > 89.0f ? 89.0f : (none ? 0.0f : x);
  const float t = __builtin_fmaf(c, 1.44269504088896341f, 12582912.0f);
  const float n = t - 12582912.0f;
  float r = __builtin_fmaf(n, -0.693359375f, c);
  r = __builtin_fmaf(n, 2.12194440e-4f, r);
  const float y = neo_scale_f32(neo_expm1_tail_f32(r) + 1.0f, neo_bits(t) - 0x4B400000);
  return none ? 0.0f : y;
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
/* 1 / (1 + e^-x). x above 87 counts as that: e^-x stays a normal number, which are not slow. Below -88.4,
   where the result would not be one, 2^n is infinite. */
NEO_FN float neo_sig_f32(float x) {
  const float high = x > 87.0f ? 87.0f : x, c = high < -88.5f ? -88.5f : high;
  const float t = __builtin_fmaf(c, -1.44269504088896341f, 12582912.0f);
  const float n = t - 12582912.0f;
  float r = __builtin_fmaf(n, -0.693359375f, -c);
  r = __builtin_fmaf(n, 2.12194440e-4f, r);
  const float power = neo_float((neo_i32)(((neo_u32)neo_bits(t) << 23) + 0x3f800000u)); /* 2^n */
  return 1.0f / __builtin_fmaf(power, neo_expm1_tail_f32(r) + 1.0f, 1.0f);
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
NEO_FN float NAME##f32(float x) { return F##f(x); } \
NEO_FN double NAME##f64(double x) { return F(x); }
NEO_LIBRARY(neo_sin_, sin) NEO_LIBRARY(neo_cos_, cos) NEO_LIBRARY(neo_tan_, tan)
NEO_LIBRARY(neo_arcsin_, asin) NEO_LIBRARY(neo_arccos_, acos) NEO_LIBRARY(neo_arctan_, atan)
NEO_LIBRARY(neo_sinh_, sinh) NEO_LIBRARY(neo_cosh_, cosh) NEO_LIBRARY(neo_erf_, erf)
NEO_LIBRARY(neo_log1p_, log1p) NEO_LIBRARY(neo_expm1_, expm1)
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


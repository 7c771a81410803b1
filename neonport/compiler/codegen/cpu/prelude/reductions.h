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


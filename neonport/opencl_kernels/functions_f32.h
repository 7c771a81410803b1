/* ---- exponentials: 2^n times a polynomial on [-ln2/2, ln2/2] (coefficients: Cephes expf) ---- */
NEO_FN REAL neo_scale_SUFFIX(REAL y, INT n) {
  const INT half_n = n >> 1; /* two factors, so that results below the smallest normal survive */
  return y * AS_REAL((half_n + 127) << 23) * AS_REAL((n - half_n + 127) << 23);
}
NEO_FN REAL neo_expm1_tail_SUFFIX(REAL r) {
  REAL p = (REAL)1.9875691500e-4f;
  p = NEO_FMA(p, r, (REAL)1.3981999507e-3f);
  p = NEO_FMA(p, r, (REAL)8.3334519073e-3f);
  p = NEO_FMA(p, r, (REAL)4.1665795894e-2f);
  p = NEO_FMA(p, r, (REAL)1.6666665459e-1f);
  p = NEO_FMA(p, r, (REAL)5.0000001201e-1f);
  return NEO_FMA(p * r, r, r);
}
/* Keeps nan. Bounds that float16 has too would go wrong on rusticl (Mesa 22.3): where x was an 8- or
   16-bit integer it narrows both sides of the choice, and takes the float16's bits for an integer. */
NEO_FN REAL neo_clamp_SUFFIX(REAL x, float low, float high) {
  const REAL c = x < (REAL)low ? (REAL)low : x;
  return c > (REAL)high ? (REAL)high : c;
}
NEO_FN REAL neo_exp_SUFFIX(REAL x) {
  const REAL c = neo_clamp_SUFFIX(x, -105.01f, 89.01f);
  const REAL t = NEO_FMA(c, (REAL)1.44269504088896341f, (REAL)12582912.0f);
  const REAL n = t - 12582912.0f;
  REAL r = NEO_FMA(n, (REAL)-0.693359375f, c);
  r = NEO_FMA(n, (REAL)2.12194440e-4f, r);
  return neo_scale_SUFFIX(neo_expm1_tail_SUFFIX(r) + 1.0f, AS_INT(t) - 0x4B400000);
}
NEO_FN REAL neo_exp2_SUFFIX(REAL x) {
  const REAL c = neo_clamp_SUFFIX(x, -151.01f, 129.01f);
  const REAL t = c + 12582912.0f;
  const REAL n = t - 12582912.0f;
  const REAL p = neo_expm1_tail_SUFFIX((c - n) * 0.69314718056f) + 1.0f;
  return neo_scale_SUFFIX(p, AS_INT(t) - 0x4B400000);
}

/* ---- logarithms: exponent plus a polynomial around 1 (coefficients: Cephes logf) ---- */
NEO_FN REAL neo_log_parts_SUFFIX(REAL x, REAL *mantissa, REAL *tail) {
  const INT small = AS_INT(x) < (INT)0x00800000; /* by the bits: a device may flush subnormals */
  const REAL s = small ? x * 8388608.0f : x;
  const INT i = AS_INT(s) - 0x3f3504f3;
  const REAL f = AS_REAL((i & 0x007fffff) + 0x3f3504f3) - 1.0f;
  const REAL z = f * f;
  REAL p = (REAL)7.0376836292e-2f;
  p = NEO_FMA(p, f, (REAL)-1.1514610310e-1f);
  p = NEO_FMA(p, f, (REAL)1.1676998740e-1f);
  p = NEO_FMA(p, f, (REAL)-1.2420140846e-1f);
  p = NEO_FMA(p, f, (REAL)1.4249322787e-1f);
  p = NEO_FMA(p, f, (REAL)-1.6668057665e-1f);
  p = NEO_FMA(p, f, (REAL)2.0000714765e-1f);
  p = NEO_FMA(p, f, (REAL)-2.4999993993e-1f);
  p = NEO_FMA(p, f, (REAL)3.3333331174e-1f);
  *mantissa = f;
  *tail = NEO_FMA(p * z, f, -0.5f * z); /* log(1 + f) - f */
  return TO_REAL(i >> 23) - (small ? (REAL)23.0f : (REAL)0.0f);
}
NEO_FN REAL neo_log_special_SUFFIX(REAL x, REAL y) {
  y = x == (REAL)0.0f ? (REAL)-NEO_INF : y;
  y = x < (REAL)0.0f ? (REAL)(NEO_INF - NEO_INF) : y;
  return ((x != x) | (x == (REAL)NEO_INF)) ? x : y;
}
NEO_FN REAL neo_log_SUFFIX(REAL x) {
  REAL tail, f;
  const REAL e = neo_log_parts_SUFFIX(x, &f, &tail);
  const REAL low = NEO_FMA(e, (REAL)-2.12194440e-4f, tail);
  return neo_log_special_SUFFIX(x, NEO_FMA(e, (REAL)0.693359375f, f + low));
}
NEO_FN REAL neo_log2_SUFFIX(REAL x) {
  REAL tail, f;
  const REAL e = neo_log_parts_SUFFIX(x, &f, &tail);
  /* log2(e) = 1 + 0.4426950408889634: the products with 1 are exact */
  const REAL c = (REAL)0.44269504088896341f;
  const REAL low = NEO_FMA(tail, c, NEO_FMA(f, c, tail));
  return neo_log_special_SUFFIX(x, e + (f + low));
}
NEO_FN REAL neo_safelog_SUFFIX(REAL x) {
  const REAL y = neo_log_SUFFIX(x);
  return ((x < (REAL)1.9287498479639178e-22f) | (y < (REAL)-50.0f)) ? (REAL)-50.0f : y;
}

/* ---- logistic function, tanh, power ---- */
NEO_FN REAL neo_sig_SUFFIX(REAL x) {
  const REAL e = neo_exp_SUFFIX(-fabs(x));
  return (x >= (REAL)0.0f ? (REAL)1.0f : e) / (1.0f + e);
}
/* (e^2a - 1) / (e^2a + 1) for a = |x|; above 10 it rounds to 1 */
NEO_FN REAL neo_tanh_SUFFIX(REAL x) {
  const REAL a = fabs(x), c = a > (REAL)10.0f ? (REAL)10.0f : a;
  const REAL t = NEO_FMA(c, (REAL)2.88539008177792681f, (REAL)12582912.0f);
  const REAL n = t - 12582912.0f;
  REAL r = NEO_FMA(n, (REAL)-0.693359375f, c + c);
  r = NEO_FMA(n, (REAL)2.12194440e-4f, r);
  const REAL power = AS_REAL((AS_INT(t) - 0x4B400000 + 127) << 23); /* 2^n */
  const REAL less = NEO_FMA(power, neo_expm1_tail_SUFFIX(r), power - 1.0f);
  return copysign(less / (less + 2.0f), x);
}
NEO_FN REAL neo_pow_SUFFIX(REAL x, REAL y) { return pow(x, y); }
NEO_FN REAL neo_shift_SUFFIX(REAL x, REAL s) {
  return x * neo_sgn_SUFFIX(s) * neo_exp2_SUFFIX(rint(neo_log2_SUFFIX(fabs(s))));
}
NEO_FN REAL neo_mod_SUFFIX(REAL a, REAL b) { return neo_floored_SUFFIX(fmod(a, b), b); }
NEO_FN REAL neo_floordiv_SUFFIX(REAL a, REAL b) { return neo_quotient_SUFFIX(a, b, fmod(a, b)); }
/* Series near 0: PoCL 3.1 is wrong there where another lane of the vector is large. */
NEO_FN REAL neo_sin_SUFFIX(REAL a) {
  const REAL z = a * a, near = a * NEO_FMA(z, (REAL)-0.16666667f, (REAL)1.0f);
  return fabs(a) < (REAL)0.02f ? near : sin(a);
}
NEO_FN REAL neo_cos_SUFFIX(REAL a) {
  const REAL z = a * a, near = NEO_FMA(z, NEO_FMA(z, (REAL)0.041666667f, (REAL)-0.5f), (REAL)1.0f);
  return fabs(a) < (REAL)0.02f ? near : cos(a);
}
NEO_FN REAL neo_tan_SUFFIX(REAL a) {
  const REAL z = a * a, p = NEO_FMA(z, (REAL)0.13333333f, (REAL)0.33333333f);
  return fabs(a) < (REAL)0.02f ? NEO_FMA(a * z, p, a) : tan(a);
}

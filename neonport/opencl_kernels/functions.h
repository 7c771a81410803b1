/* Templates for values of type REAL (scalar or vector), INT being integers of the same width. */
#define NEO_BOOL_SUFFIX(m) AS_REAL((MASK(m)) & AS_INT((REAL)ONE))
NEO_FN REAL neo_eq_SUFFIX(REAL a, REAL b) { return NEO_BOOL_SUFFIX(a == b); }
NEO_FN REAL neo_ne_SUFFIX(REAL a, REAL b) { return NEO_BOOL_SUFFIX(a != b); }
NEO_FN REAL neo_lt_SUFFIX(REAL a, REAL b) { return NEO_BOOL_SUFFIX(a < b); }
NEO_FN REAL neo_le_SUFFIX(REAL a, REAL b) { return NEO_BOOL_SUFFIX(a <= b); }
NEO_FN REAL neo_gt_SUFFIX(REAL a, REAL b) { return NEO_BOOL_SUFFIX(a > b); }
NEO_FN REAL neo_ge_SUFFIX(REAL a, REAL b) { return NEO_BOOL_SUFFIX(a >= b); }
NEO_FN REAL neo_where_SUFFIX(REAL c, REAL a, REAL b) { return c != (REAL)0 ? a : b; }
/* as one instruction and one choice: what b has to wait for is short */
NEO_FN REAL neo_max_SUFFIX(REAL a, REAL b) {
  const REAL r = a > b ? a : b;
  return R_OR_NAN;
}
NEO_FN REAL neo_min_SUFFIX(REAL a, REAL b) {
  const REAL r = a < b ? a : b;
  return R_OR_NAN;
}
NEO_FN REAL neo_abs_SUFFIX(REAL a) { return fabs(a); }
NEO_FN REAL neo_sgn_SUFFIX(REAL a) {
  const REAL s = NEO_BOOL_SUFFIX(a > (REAL)0) - NEO_BOOL_SUFFIX(a < (REAL)0);
  return a != a ? a : s;
}
NEO_FN REAL neo_sqrt_SUFFIX(REAL a) { return sqrt(a); }
NEO_FN REAL neo_rint_SUFFIX(REAL a) { return rint(a); }
NEO_FN REAL neo_finite_SUFFIX(REAL a) { return NEO_BOOL_SUFFIX(a - a == (REAL)0); }
NEO_FN REAL neo_isnan_SUFFIX(REAL a) { return NEO_BOOL_SUFFIX(a != a); }
NEO_FN REAL neo_floor_SUFFIX(REAL a) { return floor(a); }
NEO_FN REAL neo_ceil_SUFFIX(REAL a) { return ceil(a); }
NEO_FN REAL neo_trunc_SUFFIX(REAL a) { return trunc(a); }
NEO_FN REAL neo_rsqrt_SUFFIX(REAL a) { return (REAL)ONE / sqrt(a); }
NEO_FN REAL neo_logical_not_SUFFIX(REAL a) { return NEO_BOOL_SUFFIX(a == (REAL)0); }
NEO_FN REAL neo_logical_and_SUFFIX(REAL a, REAL b) {
  return NEO_BOOL_SUFFIX((a != (REAL)0) & (b != (REAL)0));
}
NEO_FN REAL neo_logical_or_SUFFIX(REAL a, REAL b) {
  return NEO_BOOL_SUFFIX((a != (REAL)0) | (b != (REAL)0));
}
NEO_FN REAL neo_logical_xor_SUFFIX(REAL a, REAL b) {
  return NEO_BOOL_SUFFIX((a != (REAL)0) ^ (b != (REAL)0));
}
NEO_FN REAL neo_number_SUFFIX(REAL a) { return a != a ? (REAL)0 : a; }
NEO_FN INT neo_above_SUFFIX(REAL x, REAL best) {
  return (x > best) | ((x != x) & (best == best));
}
NEO_FN INT neo_below_SUFFIX(REAL x, REAL best) {
  return (x < best) | ((x != x) & (best == best));
}

/* ---- the language's own functions ---- */
NEO_FN REAL neo_arcsin_SUFFIX(REAL a) { return asin(a); }
NEO_FN REAL neo_arccos_SUFFIX(REAL a) { return acos(a); }
NEO_FN REAL neo_arctan_SUFFIX(REAL a) { return atan(a); }
NEO_FN REAL neo_sinh_SUFFIX(REAL a) { return sinh(a); }
NEO_FN REAL neo_cosh_SUFFIX(REAL a) { return cosh(a); }
NEO_FN REAL neo_erf_SUFFIX(REAL a) { return erf(a); }
NEO_FN REAL neo_log1p_SUFFIX(REAL a) { return log1p(a); }
NEO_FN REAL neo_expm1_SUFFIX(REAL a) { return expm1(a); }
NEO_FN REAL neo_arctan2_SUFFIX(REAL a, REAL b) { return atan2(a, b); }
/* the remainder r of a division by b, with the sign of b, as Python and NumPy have it */
NEO_FN REAL neo_floored_SUFFIX(REAL r, REAL b) {
  const REAL zero = (REAL)0, moved = (r < zero) != (b < zero) ? r + b : r;
  return r == zero ? copysign(zero, b) : moved;
}
/* as NumPy, also where a / b is rounded up to an integer; `r`: the remainder, with the sign of a */
NEO_FN REAL neo_quotient_SUFFIX(REAL a, REAL b, REAL r) {
  const REAL zero = (REAL)0;
  const REAL q = (a - r) / b - NEO_BOOL_SUFFIX((r != zero) & ((r < zero) != (b < zero)));
  const REAL f = floor(q), near = q - f > (REAL)0.5f ? f + (REAL)ONE : f;
  const REAL some = q == zero ? copysign(zero, a / b) : near;
  return b == zero ? a / b : some;
}
NEO_FN REAL neo_softplus_SUFFIX(REAL a) {
  return neo_max_SUFFIX(a, (REAL)0) + log1p(exp(-fabs(a)));
}
NEO_FN REAL neo_logaddexp_SUFFIX(REAL a, REAL b) {
  const REAL r = neo_max_SUFFIX(a, b) + log1p(exp(-fabs(a - b)));
  return a == b ? a + (REAL)(BASE)0.69314718055994530942 : r; /* infinities of one sign too */
}

/* ---- sums of rounding errors included (Knuth, 1969): total s, error c ---- */
NEO_FN void neo_add_SUFFIX(REAL *s, REAL *c, REAL x) {
  const REAL t = *s + x, z = t - *s;
  *c += (*s - (t - z)) + (x - z);
  *s = t;
}
NEO_FN REAL neo_total_SUFFIX(REAL s, REAL c) { return c - c == (REAL)0 ? s + c : s; }

/* ---- moments (Chan, Golub, LeVeque, 1979): count, mean, sum of squares around it ---- */
NEO_FN void neo_moments_SUFFIX(BASE *n, REAL *mean, REAL *m2, BASE k, REAL m, REAL q) {
  const BASE total = *n + k;
  const REAL d = m - *mean;
  if (k == 0) return;
  *mean = *n == 0 ? m : *mean + d * (k / total);
  *m2 += q + d * (*n * (k / total)) * d; /* d * d may overflow where the middle factor is 0 */
  *n = total;
}
/* k more numbers: sums of their distances, and of the squares of these, from `origin`, which is the
   mean so far or, for the first ones, one of them */
NEO_FN void neo_extend_SUFFIX(
    BASE *n, REAL *mean, REAL *m2, BASE k, REAL origin, REAL sum, REAL squares) {
  const BASE total = *n + k;
  const REAL m = sum / k, less = squares - sum * m;
  const REAL q = squares - squares == (REAL)0 ? less : squares; /* inf stays inf */
  if (k == 0) return;
  *mean = origin + m * (k / total);
  *m2 += (q < (REAL)0 ? (REAL)0 : q) + m * (*n * (k / total)) * m;
  *n = total;
}

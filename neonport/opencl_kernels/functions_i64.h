/* Templates for integers of 64 bits, type REAL (scalar or vector); they wrap around. */
#define NEO_BOOL_SUFFIX(m) ((REAL)1 & (MASK(m)))
NEO_FN REAL neo_plus_SUFFIX(REAL a, REAL b) { return FROM_WORD(AS_WORD(a) + AS_WORD(b)); }
NEO_FN REAL neo_minus_SUFFIX(REAL a, REAL b) { return FROM_WORD(AS_WORD(a) - AS_WORD(b)); }
NEO_FN REAL neo_times_SUFFIX(REAL a, REAL b) { return FROM_WORD(AS_WORD(a) * AS_WORD(b)); }
NEO_FN REAL neo_eq_SUFFIX(REAL a, REAL b) { return NEO_BOOL_SUFFIX(a == b); }
NEO_FN REAL neo_ne_SUFFIX(REAL a, REAL b) { return NEO_BOOL_SUFFIX(a != b); }
NEO_FN REAL neo_lt_SUFFIX(REAL a, REAL b) { return NEO_BOOL_SUFFIX(a < b); }
NEO_FN REAL neo_le_SUFFIX(REAL a, REAL b) { return NEO_BOOL_SUFFIX(a <= b); }
NEO_FN REAL neo_gt_SUFFIX(REAL a, REAL b) { return NEO_BOOL_SUFFIX(a > b); }
NEO_FN REAL neo_ge_SUFFIX(REAL a, REAL b) { return NEO_BOOL_SUFFIX(a >= b); }
NEO_FN REAL neo_where_SUFFIX(REAL c, REAL a, REAL b) { return c != (REAL)0 ? a : b; }
NEO_FN REAL neo_max_SUFFIX(REAL a, REAL b) { return a > b ? a : b; }
NEO_FN REAL neo_min_SUFFIX(REAL a, REAL b) { return a < b ? a : b; }
/* Signs are bits here: rusticl (Mesa 22.3) takes an int, made a long, for not below a constant. */
NEO_FN REAL neo_abs_SUFFIX(REAL a) {
  const REAL sign = a >> 63;
  return neo_minus_SUFFIX(a ^ sign, sign);
}
NEO_FN REAL neo_sgn_SUFFIX(REAL a) {
  return (a >> 63) | FROM_WORD(AS_WORD(neo_minus_SUFFIX((REAL)0, a)) >> 63);
}
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
/* processors trap on a division by 0, and on that of the smallest integer by -1 */
NEO_FN REAL neo_divisor_SUFFIX(REAL b) { return ((b == (REAL)0) | (b == (REAL)-1)) ? (REAL)1 : b; }
NEO_FN REAL neo_mod_SUFFIX(REAL a, REAL b) {
  const REAL d = neo_divisor_SUFFIX(b), r = a % d;
  return ((r != (REAL)0) & (((r ^ d) >> 63) != (REAL)0)) ? r + d : r;
}
NEO_FN REAL neo_floordiv_SUFFIX(REAL a, REAL b) {
  const REAL d = neo_divisor_SUFFIX(b), r = a % d;
  const REAL q = a / d - NEO_BOOL_SUFFIX((r != (REAL)0) & (((r ^ d) >> 63) != (REAL)0));
  const REAL less = b == (REAL)0 ? (REAL)0 : q;
  return b == (REAL)-1 ? neo_minus_SUFFIX((REAL)0, a) : less;
}
/* a float32 that rounds to a shorter type as x does: rounded to odd, no tie arises */
NEO_FN SINGLE neo_odd_SUFFIX(REAL x) {
  REAL odd = x, scale = (REAL)127;
  for (int i = 0; i < 4; ++i) {
    const REAL large = NEO_BOOL_SUFFIX(((odd ^ (odd >> 63)) >> 24) != (REAL)0);
    const REAL less = (odd >> 12) | NEO_BOOL_SUFFIX((odd & (REAL)4095) != (REAL)0);
    odd = large != (REAL)0 ? less : odd;
    scale += large * 12;
  }
  return TO_SINGLE(odd) * AS_SINGLE(TO_SINGLE_INT(scale) << 23);
}
NEO_FN INT neo_above_SUFFIX(REAL x, REAL best) { return x > best; }
NEO_FN INT neo_below_SUFFIX(REAL x, REAL best) { return x < best; }

/* ---- float64: the language's own functions ---- */
NEO_FN REAL neo_exp_SUFFIX(REAL x) { return exp(x); }
NEO_FN REAL neo_exp2_SUFFIX(REAL x) { return exp2(x); }
NEO_FN REAL neo_log_SUFFIX(REAL x) { return log(x); }
NEO_FN REAL neo_log2_SUFFIX(REAL x) { return log2(x); }
NEO_FN REAL neo_tanh_SUFFIX(REAL x) { return tanh(x); }
/* A base below the smallest normal number goes by its square root: PoCL 3.1 is wrong there, and in
   the other lanes of the vector too. */
NEO_FN REAL neo_pow_SUFFIX(REAL x, REAL y) {
  const REAL a = fabs(x), zero = (REAL)0, smallest = (REAL)2.2250738585072014e-308;
  const REAL tiny = NEO_BOOL_SUFFIX((a > zero) & (a < smallest));
  const REAL r = pow(tiny != zero ? sqrt(a) : x, tiny != zero ? y + y : y);
  const REAL whole = floor(y) == y ? r : (REAL)(NEO_INF - NEO_INF);
  const REAL signed_r = floor(y * (REAL)0.5) * (REAL)2 != y ? -whole : whole;
  return ((tiny != zero) & (x < zero)) ? signed_r : r;
}
NEO_FN REAL neo_sig_SUFFIX(REAL x) {
  const REAL e = exp(-fabs(x));
  return (x >= (REAL)0 ? (REAL)1 : e) / (1.0 + e);
}
NEO_FN REAL neo_safelog_SUFFIX(REAL x) {
  const REAL floor_x = (REAL)1.9287498479639178e-22, low = (REAL)-50.0;
  const REAL y = log(x < floor_x ? floor_x : x);
  return y < low ? low : y;
}
NEO_FN REAL neo_shift_SUFFIX(REAL x, REAL s) {
  return x * neo_sgn_SUFFIX(s) * exp2(rint(log2(fabs(s))));
}
NEO_FN REAL neo_sin_SUFFIX(REAL a) { return sin(a); }
NEO_FN REAL neo_cos_SUFFIX(REAL a) { return cos(a); }
NEO_FN REAL neo_tan_SUFFIX(REAL a) { return tan(a); }
/* Long division in base 2, each step exact: PoCL's fmod is wrong where a / b is beyond 2^1023. */
NEO_FN REAL neo_remainder_SUFFIX(REAL a, REAL b) {
  const REAL y = fabs(b), first = fabs(a);
  REAL x = first, t = y;
  while (NEO_ANY(MASK((t <= x * (REAL)0.5) & (y > (REAL)0) & (x - x == (REAL)0))))
    t = ((t <= x * (REAL)0.5) & (y > (REAL)0) & (x - x == (REAL)0)) ? t * (REAL)2 : t;
  while (NEO_ANY(MASK(t > y))) {
    x = x >= t ? x - t : x;
    t = t > y ? t * (REAL)0.5 : t;
  }
  x = x >= y ? x - y : x;
  return ((y > (REAL)0) & (first - first == (REAL)0)) ? copysign(x, a) : (first - first) / y;
}
NEO_FN REAL neo_mod_SUFFIX(REAL a, REAL b) { return neo_floored_SUFFIX(neo_remainder_SUFFIX(a, b), b); }
NEO_FN REAL neo_floordiv_SUFFIX(REAL a, REAL b) {
  return neo_quotient_SUFFIX(a, b, neo_remainder_SUFFIX(a, b));
}
/* a float32 that rounds to a shorter type as x does: rounded to odd, no tie arises */
NEO_FN SINGLE neo_odd_SUFFIX(REAL x) {
  const SINGLE f = TO_SINGLE(x);
  const REAL back = TO_REAL(f);
  const SINGLE_INT over = TO_SINGLE_INT(MASK(fabs(back) > fabs(x)));
  const SINGLE_INT lost = TO_SINGLE_INT(MASK(back != x)) & 1;
  return AS_SINGLE((SINGLE_BITS(f) + over) | lost);
}

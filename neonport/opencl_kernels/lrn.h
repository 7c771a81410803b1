/* Local response normalisation over `width` maps (Krizhevsky et al., 2012), for x (maps, n).
   neo_lrn_denominator: d = 1 + share * (sum of squares over the window), share = ascale / width.
   neo_lrn: y = x * d^-power.
   neo_lrn_shares: s = x * e * d^(-power - 1), which is what an element gives to those around it.
   neo_lrn_backward: y = e * d^-power - 2 * power * share * x * (sum of s over the window). */
#define MAPS(t) const INT t##0, const INT t##_c, const INT t##_n
#define AT(t, c) (t##0 + (c) * t##_c + at_n * t##_n)
#define SIZES const INT maps, const INT n, const INT width, const REAL share, const REAL power
#define PLACE \
  const INT item = (INT)GROUP_ID * GROUP + (INT)LOCAL_ID; \
  if (item >= maps * n) return; \
  const INT c = item / n, at_n = item % n; \
  const INT begin = c - width / 2 > 0 ? c - width / 2 : 0; \
  const INT end = c + width / 2 + 1 < maps ? c + width / 2 + 1 : maps; \
  REAL d = 0; \
  for (INT i = begin; i < end; ++i) { \
    const REAL v = LOAD(x, AT(x, i)); \
    d += v * v; \
  } \
  d = 1 + share * d

KERNEL NEO_GROUP(GROUP) void neo_lrn_denominator(
    GLOBAL const STORED *x, GLOBAL STORED *y, SIZES, MAPS(x), MAPS(y)) {
  PLACE;
  STORE(y, AT(y, c), d);
}

KERNEL NEO_GROUP(GROUP) void neo_lrn(
    GLOBAL const STORED *x, GLOBAL STORED *y, SIZES, MAPS(x), MAPS(y)) {
  PLACE;
  STORE(y, AT(y, c), LOAD(x, AT(x, c)) * pow(d, -power));
}

KERNEL NEO_GROUP(GROUP) void neo_lrn_shares(
    GLOBAL const STORED *x, GLOBAL const STORED *e, GLOBAL REAL *s, SIZES, MAPS(x), MAPS(e)) {
  PLACE;
  s[item] = LOAD(x, AT(x, c)) * LOAD(e, AT(e, c)) * pow(d, -power) / d;
}

KERNEL NEO_GROUP(GROUP) void neo_lrn_backward(
    GLOBAL const STORED *x, GLOBAL const STORED *e, GLOBAL STORED *y, GLOBAL const REAL *s, SIZES,
    MAPS(x), MAPS(e), MAPS(y)) {
  PLACE;
  REAL sum = 0;
  for (INT i = begin; i < end; ++i) sum += s[i * n + at_n];
  const REAL own = LOAD(e, AT(e, c)) * pow(d, -power);
  STORE(y, AT(y, c), own - 2 * power * share * LOAD(x, AT(x, c)) * sum);
}

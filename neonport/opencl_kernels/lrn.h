/* Local response normalisation over `width` maps (Krizhevsky et al., 2012), for x (maps, n).
   neo_lrn: denom = 1 + ascale / width * (sum of squares over the window), y = x * denom^-power.
   neo_lrn_back: x = e * denom^-power - 2 * power * ascale / width * x * sum of y * e / denom. */
#define MAPS(t) const INT t##0, const INT t##_c, const INT t##_n
#define AT(t, c) (t##0 + (c) * t##_c + at_n * t##_n)
#define PLACE \
  const INT item = (INT)GROUP_ID * GROUP + (INT)LOCAL_ID; \
  if (item >= maps * n) return; \
  const INT c = item / n, at_n = item % n; \
  const INT begin = c - width / 2 > 0 ? c - width / 2 : 0; \
  const INT end = c + width / 2 + 1 < maps ? c + width / 2 + 1 : maps

KERNEL NEO_GROUP(GROUP) void neo_lrn(
    GLOBAL const STORED *x, GLOBAL STORED *y, GLOBAL STORED *denom, const INT maps, const INT n,
    const INT width, const REAL share, const REAL power, const REAL alpha, const REAL beta,
    MAPS(x), MAPS(y), MAPS(denom)) {
  PLACE;
  REAL sum = 0;
  for (INT i = begin; i < end; ++i) {
    const REAL v = LOAD(x, AT(x, i));
    sum += v * v;
  }
  const REAL d = 1 + share * sum;
  STORE(denom, AT(denom, c), d);
  const REAL value = alpha * LOAD(x, AT(x, c)) * pow(d, -power);
  STORE(y, AT(y, c), beta == 0 ? value : value + beta * LOAD(y, AT(y, c)));
}

KERNEL NEO_GROUP(GROUP) void neo_lrn_back(
    GLOBAL const STORED *x, GLOBAL const STORED *y, GLOBAL const STORED *e, GLOBAL STORED *delta,
    GLOBAL const STORED *denom, const INT maps, const INT n, const INT width, const REAL share,
    const REAL power, const REAL alpha, const REAL beta, MAPS(x), MAPS(y), MAPS(e), MAPS(delta),
    MAPS(denom)) {
  PLACE;
  REAL sum = 0;
  for (INT i = begin; i < end; ++i)
    sum += LOAD(y, AT(y, i)) * LOAD(e, AT(e, i)) / LOAD(denom, AT(denom, i));
  const REAL own = LOAD(e, AT(e, c)) * pow(LOAD(denom, AT(denom, c)), -power);
  const REAL value = alpha * (own - 2 * power * share * LOAD(x, AT(x, c)) * sum);
  STORE(delta, AT(delta, c), beta == 0 ? value : value + beta * LOAD(delta, AT(delta, c)));
}

/* Second stage of a product that was cut into chunks: c = alpha * (sum of chunks) + beta * c, the
   chunks in their order. */
KERNEL NEO_GROUP(GROUP) void neo_combine(
    GLOBAL const REAL *parts, GLOBAL STORED *c, const INT batch, const INT chunks, const INT m,
    const INT n, const INT c0, const INT cs0, const INT cs1, const INT csb, const REAL alpha,
    const REAL beta) {
  const INT i = (INT)GROUP_ID * GROUP + (INT)LOCAL_ID;
  if (i >= batch * m * n) return;
  const INT b = i / (m * n), within = i % (m * n);
  REAL sum = 0;
  for (INT part = 0; part < chunks; ++part) sum += parts[(b * chunks + part) * m * n + within];
  const INT at = c0 + b * csb + within / n * cs0 + within % n * cs1;
  const REAL product = alpha == 0 ? 0 : alpha * sum;
  STORE(c, at, beta == 0 ? product : product + beta * LOAD(c, at));
}

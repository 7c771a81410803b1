/* c = alpha * a @ b + beta * c for any strides, over a batch. `folded` > 1: that many products of
   the batch are added up in one result. PARTIAL: the depth is cut into chunks, whose products go to
   `c` as numbers of type REAL, for neo_combine. */
#define FETCH(p0) \
  for (int e = 0; e < LEFT_EACH / LEFT_VEC; ++e) { \
    const INT row = i0 + LEFT_ROW(e), at = p0 + LEFT_DEPTH(e); \
    REAL *const next = next_left + e * LEFT_VEC; \
    for (int v = 0; v < LEFT_VEC; ++v) next[v] = 0; \
    if (row < m && at < end) { NEO_FETCH(LEFT_VEC, a, a_first + row * as0 + at * as1, next) } \
  } \
  for (int e = 0; e < RIGHT_EACH / RIGHT_VEC; ++e) { \
    const INT column = j0 + RIGHT_COLUMN(e), at = p0 + RIGHT_DEPTH(e); \
    REAL *const next = next_right + e * RIGHT_VEC; \
    for (int v = 0; v < RIGHT_VEC; ++v) next[v] = 0; \
    if (column < n && at < end) { \
      NEO_FETCH(RIGHT_VEC, b, b_first + at * bs0 + column * bs1, next) \
    } \
  }

KERNEL NEO_GROUP(GROUP) void neo_gemm(
    GLOBAL const STORED *a, GLOBAL const STORED *b, GLOBAL RESULT *c,
    const INT m, const INT n, const INT k, const INT chunk, const INT chunks, const INT folded,
    const INT a0, const INT as0, const INT as1, const INT asb,
    const INT b0, const INT bs0, const INT bs1, const INT bsb,
    const INT c0, const INT cs0, const INT cs1, const INT csb, const REAL alpha, const REAL beta) {
  TILE_MEMORY;
  const INT tiles = ((m + TILE_M - 1) / TILE_M) * ((n + TILE_N - 1) / TILE_N);
  const INT batch = (INT)GROUP_ID / (tiles * chunks), part = (INT)GROUP_ID / tiles % chunks;
  INT i0, j0;
  neo_place((INT)GROUP_ID % tiles, m, n, &i0, &j0);
  const INT begin = part * chunk, end = begin + chunk < k ? begin + chunk : k;
  for (INT f = 0; f < folded; ++f) {
    const INT a_first = a0 + (batch * folded + f) * asb, b_first = b0 + (batch * folded + f) * bsb;
    TILE_PRODUCT(begin, end)
  }
  for (int i = 0; i < ITEM_M; ++i)
    for (int j = 0; j < ITEM_N; ++j) {
      const INT row = i0 + ITEM_ROW(i), column = j0 + ITEM_COLUMN(j);
      if (row < m && column < n) {
#if PARTIAL
        c[((batch * chunks + part) * m + row) * n + column] = sum[i][j];
#else
        const INT at = c0 + batch * csb + row * cs0 + column * cs1;
        const REAL product = alpha == 0 ? 0 : alpha * sum[i][j];
        STORE(c, at, beta == 0 ? product : product + beta * LOAD(c, at));
#endif
      }
    }
}

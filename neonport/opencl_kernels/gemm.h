/* c = alpha * a @ b + beta * c for any strides: a work-group of 256 items has a tile of 64 x 64, an
   item 4 x 4 of it in registers; slices of 16 along k pass through local memory. STORED, REAL, LOAD,
   STORE are the types and accesses; A_ROWS, B_ROWS say along which axis neighbours lie in memory. */
#define TILE 64
#define DEPTH 16
#define ITEM 4
KERNEL NEO_GROUP(256) void neo_gemm(
    GLOBAL const STORED *a, GLOBAL const STORED *b, GLOBAL STORED *c,
    const neo_i64 m, const neo_i64 n, const neo_i64 k,
    const neo_i64 a0, const neo_i64 as0, const neo_i64 as1,
    const neo_i64 b0, const neo_i64 bs0, const neo_i64 bs1,
    const neo_i64 c0, const neo_i64 cs0, const neo_i64 cs1,
    const REAL alpha, const REAL beta) {
  LOCAL REAL left[DEPTH * (TILE + 1)];
  LOCAL REAL right[DEPTH * (TILE + 1)];
  const int lid = LOCAL_ID;
  const neo_i64 blocks = (n + TILE - 1) / TILE;
  const neo_i64 i0 = (neo_i64)GROUP_ID / blocks * TILE, j0 = (neo_i64)GROUP_ID % blocks * TILE;
  const int ti = lid / 16, tj = lid % 16;
  REAL sum[ITEM][ITEM];
  for (int i = 0; i < ITEM; ++i)
    for (int j = 0; j < ITEM; ++j) sum[i][j] = 0;
  for (neo_i64 k0 = 0; k0 < k; k0 += DEPTH) {
    for (int e = lid; e < TILE * DEPTH; e += 256) {
      const int i = A_ROWS ? e / DEPTH : e % TILE, p = A_ROWS ? e % DEPTH : e / TILE;
      const int in = i0 + i < m && k0 + p < k;
      left[p * (TILE + 1) + i] = in ? LOAD(a, a0 + (i0 + i) * as0 + (k0 + p) * as1) : 0;
    }
    for (int e = lid; e < TILE * DEPTH; e += 256) {
      const int j = B_ROWS ? e % TILE : e / DEPTH, p = B_ROWS ? e / TILE : e % DEPTH;
      const int in = j0 + j < n && k0 + p < k;
      right[p * (TILE + 1) + j] = in ? LOAD(b, b0 + (k0 + p) * bs0 + (j0 + j) * bs1) : 0;
    }
    BARRIER();
    for (int p = 0; p < DEPTH; ++p) {
      REAL x[ITEM], y[ITEM];
      for (int i = 0; i < ITEM; ++i) x[i] = left[p * (TILE + 1) + ti + 16 * i];
      for (int j = 0; j < ITEM; ++j) y[j] = right[p * (TILE + 1) + tj + 16 * j];
      for (int i = 0; i < ITEM; ++i)
        for (int j = 0; j < ITEM; ++j) sum[i][j] += x[i] * y[j];
    }
    BARRIER();
  }
  for (int i = 0; i < ITEM; ++i)
    for (int j = 0; j < ITEM; ++j) {
      const neo_i64 row = i0 + ti + 16 * i, column = j0 + tj + 16 * j;
      if (row < m && column < n) {
        const neo_i64 at = c0 + row * cs0 + column * cs1;
        const REAL product = alpha == 0 ? 0 : alpha * sum[i][j];
        const REAL old = beta == 0 ? 0 : beta * LOAD(c, at);
        STORE(c, at, product + old);
      }
    }
}

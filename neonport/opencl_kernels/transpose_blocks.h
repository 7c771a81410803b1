/* As transpose.h, for processors: one work-item swaps the axes of a tile, block by block, in registers
   and without local memory. What is left at the edges of a tile goes one by one. */
#ifdef NEO_VECTOR8
NEO_BLOCK(neo_block, STORED, NEO_VECTOR8(STORED), GLOBAL)
#else
NEO_FN void neo_block(GLOBAL const STORED *x, const INT x_step, GLOBAL STORED *y, const INT y_step) {
  for (int i = 0; i < SIDE; ++i)
    for (int j = 0; j < SIDE; ++j) y[i * y_step + j] = x[j * x_step + i];
}
#endif
KERNEL NEO_GROUP(GROUP) void neo_transpose(
    GLOBAL const STORED *x, GLOBAL STORED *y, const INT ni, const INT nj, const INT na,
    const INT nb, const INT x0, const INT x_j, const INT x_a, const INT x_b, const INT x_c,
    const INT y0, const INT y_i, const INT y_a, const INT y_b, const INT y_c) {
  const INT across = (ni + TILE - 1) / TILE, down = (nj + TILE - 1) / TILE;
  const INT at = (INT)GROUP_ID / across, outer = at / down;
  const INT i0 = (INT)GROUP_ID % across * TILE, j0 = at % down * TILE;
  const INT a = outer % na, b = outer / na % nb, c = outer / na / nb;
  GLOBAL const STORED *from = x + (x0 + a * x_a + b * x_b + c * x_c + j0 * x_j + i0);
  GLOBAL STORED *to = y + (y0 + a * y_a + b * y_b + c * y_c + i0 * y_i + j0);
  const int rows = ni - i0 < TILE ? (int)(ni - i0) : TILE;
  const int columns = nj - j0 < TILE ? (int)(nj - j0) : TILE;
  for (int i = 0; i < rows; i += SIDE)
    for (int j = 0; j < columns; j += SIDE) {
      if (i + SIDE <= rows && j + SIDE <= columns) {
        neo_block(from + j * x_j + i, x_j, to + i * y_i + j, y_i);
        continue;
      }
      for (int u = i; u < i + SIDE && u < rows; ++u)
        for (int v = j; v < j + SIDE && v < columns; ++v) to[u * y_i + v] = from[v * x_j + u];
    }
}

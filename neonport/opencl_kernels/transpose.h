/* y = x with two axes swapped in memory, over three outer axes, as raw bits: neighbours of x lie
   along i, those of y along j. A tile passes through local memory, so both are run through in
   order; a column of padding puts the rows of a column in different banks. */
KERNEL NEO_GROUP(GROUP) void neo_transpose(
    GLOBAL const STORED *x, GLOBAL STORED *y, const INT ni, const INT nj, const INT na,
    const INT nb, const INT x0, const INT x_j, const INT x_a, const INT x_b, const INT x_c,
    const INT y0, const INT y_i, const INT y_a, const INT y_b, const INT y_c) {
  LOCAL STORED tile[TILE * (TILE + 1)];
  const INT across = (ni + TILE - 1) / TILE, down = (nj + TILE - 1) / TILE;
  const INT at = (INT)GROUP_ID / across, outer = at / down;
  const INT i0 = (INT)GROUP_ID % across * TILE, j0 = at % down * TILE;
  const INT a = outer % na, b = outer / na % nb, c = outer / na / nb;
  const INT x_first = x0 + a * x_a + b * x_b + c * x_c;
  const INT y_first = y0 + a * y_a + b * y_b + c * y_c;
  for (int e = (int)LOCAL_ID; e < TILE * TILE; e += GROUP) {
    const int r = e / TILE, column = e % TILE;
    if (i0 + column < ni && j0 + r < nj)
      tile[r * (TILE + 1) + column] = x[x_first + (j0 + r) * x_j + i0 + column];
  }
  BARRIER();
  for (int e = (int)LOCAL_ID; e < TILE * TILE; e += GROUP) {
    const int r = e / TILE, column = e % TILE;
    if (j0 + column < nj && i0 + r < ni)
      y[y_first + (i0 + r) * y_i + j0 + column] = tile[column * (TILE + 1) + r];
  }
}

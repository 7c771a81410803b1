/* y[i, position, n] = sum over entries of f[i, entry] * x[entry's map, position + entry's cell, n]:
   the product of a matrix of filters and one of cells that is never made. It is the convolution,
   and for each residue of the positions modulo the stride also its adjoint for the data.
   `table` has for each entry of the depth: offset in x, offset in f, cells along d, h and w. A
   position m lies at m * step - pad along each axis; cells outside of x are zero. */
#define FETCH(p0) \
  for (int e = 0; e < LEFT_EACH / LEFT_VEC; ++e) { \
    const INT row = i0 + LEFT_ROW(e), at = p0 + LEFT_DEPTH(e); \
    REAL *const next = next_left + e * LEFT_VEC; \
    for (int v = 0; v < LEFT_VEC; ++v) next[v] = 0; \
    if (row < rows && at < depth) { \
      NEO_FETCH(LEFT_VEC, f, f0 + row * f_i + table[at * 5 + 1], next) \
    } \
  } \
  for (int e = 0; e < RIGHT_EACH / RIGHT_VEC; ++e) { \
    const INT at = p0 + RIGHT_DEPTH(e); \
    REAL *const next = next_right + e * RIGHT_VEC; \
    for (int v = 0; v < RIGHT_VEC; ++v) next[v] = 0; \
    if (inside && at < depth) { \
      GLOBAL const INT *const entry = table + at * 5; \
      const INT cd = pd + entry[2], ch = ph + entry[3], cw = pw + entry[4]; \
      if (cd >= 0 && cd < size_d && ch >= 0 && ch < size_h && cw >= 0 && cw < size_w) { \
        NEO_FETCH(RIGHT_VEC, x, at_x + entry[0], next) \
      } \
    } \
  }

KERNEL NEO_GROUP(GROUP) void neo_conv(
    GLOBAL const STORED *f, GLOBAL const STORED *x, GLOBAL STORED *y, GLOBAL const INT *table,
    const INT rows, const INT depth, const INT count_d, const INT count_h, const INT count_w,
    const INT n, const INT step_d, const INT step_h, const INT step_w,
    const INT pad_d, const INT pad_h, const INT pad_w,
    const INT size_d, const INT size_h, const INT size_w, const INT f0, const INT f_i,
    const INT x0, const INT x_d, const INT x_h, const INT x_w, const INT x_n,
    const INT y0, const INT y_i, const INT y_d, const INT y_h, const INT y_w, const INT y_n) {
  TILE_MEMORY;
  const INT columns = count_d * count_h * count_w * n;
  INT i0, j0;
  neo_place((INT)GROUP_ID, rows, columns, &i0, &j0);
  /* an item fetches one column of all slices (or four neighbours) */
  const INT mine = j0 + RIGHT_COLUMN(0), at_n = mine % n, place = mine / n;
  const int inside = mine < columns;
  const INT pd = place / (count_h * count_w) * step_d - pad_d;
  const INT ph = place / count_w % count_h * step_h - pad_h, pw = place % count_w * step_w - pad_w;
  const INT at_x = x0 + pd * x_d + ph * x_h + pw * x_w + at_n * x_n;
  TILE_PRODUCT(0, depth)
  for (int j = 0; j < ITEM_N; ++j) {
    const INT column = j0 + ITEM_COLUMN(j), to = column / n;
    const INT at = y0 + to / (count_h * count_w) * y_d + to / count_w % count_h * y_h +
                   to % count_w * y_w + column % n * y_n;
    for (int i = 0; i < ITEM_M; ++i) {
      const INT row = i0 + ITEM_ROW(i);
      if (row < rows && column < columns) STORE(y, at + row * y_i, sum[i][j]);
    }
  }
}

/* w[entry, k] = sum over positions and samples of x[entry's map, position + entry's cell, n] *
   e[k, position, n]: the adjoint of the convolution for the filters. The depth of the product are
   positions and samples; it is cut into chunks, whose products go to `parts`, for neo_combine.
   `table` has for each entry: offset in x, cells along d, h and w. */
#define FETCH(p0) { \
    const INT at = p0 + LEFT_DEPTH(0), at_n = at % n, place = at / n; \
    const INT md = place / (count_h * count_w), mh = place / count_w % count_h; \
    const INT mw = place % count_w; \
    const INT pd = md * step_d - pad_d, ph = mh * step_h - pad_h, pw = mw * step_w - pad_w; \
    const INT at_x = x0 + pd * x_d + ph * x_h + pw * x_w + at_n * x_n; \
    const INT at_e = e0 + md * e_d + mh * e_h + mw * e_w + at_n * e_n; \
    for (int e = 0; e < LEFT_EACH / LEFT_VEC; ++e) { \
      const INT row = i0 + LEFT_ROW(e); \
      REAL *const next = next_left + e * LEFT_VEC; \
      for (int v = 0; v < LEFT_VEC; ++v) next[v] = 0; \
      if (row < rows && at < end) { \
        GLOBAL const INT *const entry = table + row * 4; \
        const INT cd = pd + entry[1], ch = ph + entry[2], cw = pw + entry[3]; \
        if (cd >= 0 && cd < size_d && ch >= 0 && ch < size_h && cw >= 0 && cw < size_w) { \
          NEO_FETCH(LEFT_VEC, x, at_x + entry[0], next) \
        } \
      } \
    } \
    for (int e = 0; e < RIGHT_EACH / RIGHT_VEC; ++e) { \
      const INT column = j0 + RIGHT_COLUMN(e); \
      REAL *const next = next_right + e * RIGHT_VEC; \
      for (int v = 0; v < RIGHT_VEC; ++v) next[v] = 0; \
      if (column < columns && at < end) { \
        NEO_FETCH(RIGHT_VEC, err, at_e + column * e_k, next) \
      } \
    } \
  }

KERNEL NEO_GROUP(GROUP) void neo_conv_backward_filter(
    GLOBAL const STORED *x, GLOBAL const STORED *err, GLOBAL REAL *parts, GLOBAL const INT *table,
    const INT rows, const INT columns, const INT depth, const INT chunk,
    const INT count_h, const INT count_w, const INT n,
    const INT step_d, const INT step_h, const INT step_w,
    const INT pad_d, const INT pad_h, const INT pad_w,
    const INT size_d, const INT size_h, const INT size_w,
    const INT x0, const INT x_d, const INT x_h, const INT x_w, const INT x_n,
    const INT e0, const INT e_k, const INT e_d, const INT e_h, const INT e_w, const INT e_n) {
  TILE_MEMORY;
  const INT tiles = ((rows + TILE_M - 1) / TILE_M) * ((columns + TILE_N - 1) / TILE_N);
  const INT part = (INT)GROUP_ID / tiles;
  INT i0, j0;
  neo_place((INT)GROUP_ID % tiles, rows, columns, &i0, &j0);
  const INT begin = part * chunk, end = begin + chunk < depth ? begin + chunk : depth;
  TILE_PRODUCT(begin, end)
  for (int i = 0; i < ITEM_M; ++i)
    for (int j = 0; j < ITEM_N; ++j) {
      const INT row = i0 + ITEM_ROW(i), column = j0 + ITEM_COLUMN(j);
      if (row < rows && column < columns)
        parts[(part * rows + row) * columns + column] = sum[i][j];
    }
}

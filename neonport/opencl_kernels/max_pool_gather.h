/* The x at the cell of each window that `index` names, 0 if that is outside. */
KERNEL NEO_GROUP(GROUP) void neo_max_pool_gather(
    GLOBAL const STORED *x, GLOBAL STORED *y, GLOBAL const INDEX *index, LAYOUT(index), WINDOWS,
    LAYOUT(x), LAYOUT(y)) {
  PLACE(count);
  const INT size = window_c * window_d * window_h * window_w;
  const INT at = neo_named((neo_i64)index[AT(index, c, d, h, w, at_n)], size);
  const INT l = FIRST(w, w) + at % window_w, k = FIRST(h, h) + at / window_w % window_h;
  const INT j = FIRST(d, d) + at / window_w / window_h % window_d;
  const INT i = FIRST(c, c) + at / window_w / window_h / window_d;
  const int inside = at >= 0 && i >= 0 && i < cells_c && j >= 0 && j < cells_d && k >= 0 &&
                     k < cells_h && l >= 0 && l < cells_w;
  REAL v = 0;
  if (inside) v = LOAD(x, AT(x, i, j, k, l, at_n));
  STORE(y, AT(y, c, d, h, w, at_n), v);
}

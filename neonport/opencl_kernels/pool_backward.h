/* Adjoints of pooling: each cell gathers from the positions whose windows hold it. HOW 0: e where
   `index` names the cell; 1: e divided by the cells inside of its window; 2: e. */
KERNEL NEO_GROUP(GROUP) void neo_pool_backward(
    GLOBAL const STORED *e, GLOBAL STORED *y,
#if HOW == 0
    GLOBAL const INDEX *index, LAYOUT(index),
#endif
    WINDOWS, LAYOUT(e), LAYOUT(y)) {
  PLACE(cells);
  REAL sum = 0;
  for (INT i = LEAST(c, c); i < LAST(c, c); ++i)
    for (INT j = LEAST(d, d); j < LAST(d, d); ++j)
      for (INT k = LEAST(h, h); k < LAST(h, h); ++k)
        for (INT l = LEAST(w, w); l < LAST(w, w); ++l) {
#if HOW == 0
          const INT cell = CELL(c - FIRST(i, c), d - FIRST(j, d), h - FIRST(k, h), w - FIRST(l, w));
          if ((neo_i64)index[AT(index, i, j, k, l, at_n)] != (neo_i64)cell) continue;
#endif
          const REAL v = LOAD(e, AT(e, i, j, k, l, at_n));
#if HOW == 1
          sum += v / (REAL)(INSIDE(i, c) * INSIDE(j, d) * INSIDE(k, h) * INSIDE(l, w));
#else
          sum += v;
#endif
        }
  STORE(y, AT(y, c, d, h, w, at_n), sum);
}

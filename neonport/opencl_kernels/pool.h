/* HOW 0: maximum, 1: mean, 2: sum of the cells of each window that are inside, 0 where there are
   none; 3: number in the full window of the first maximum, -1 where there are none. nan wins. */
KERNEL NEO_GROUP(GROUP) void neo_pool(
    GLOBAL const STORED *x, GLOBAL RESULT *y, WINDOWS, LAYOUT(x), LAYOUT(y)) {
  PLACE(count);
  REAL best = 0;
#if HOW == 0 || HOW == 3
  INT found = -1;
#endif
  for (INT i = BEGIN(c, c); i < END(c, c); ++i)
    for (INT j = BEGIN(d, d); j < END(d, d); ++j)
      for (INT k = BEGIN(h, h); k < END(h, h); ++k) {
#if HOW == 0 || HOW == 3
        for (INT l = BEGIN(w, w); l < END(w, w); ++l) {
          const REAL v = LOAD(x, AT(x, i, j, k, l, at_n));
          if (found < 0 || v > best || (v != v && best == best)) {
            best = v;
            found = CELL(i - FIRST(c, c), j - FIRST(d, d), k - FIRST(h, h), l - FIRST(w, w));
          }
        }
#else
        REAL line = 0;
        for (INT l = BEGIN(w, w); l < END(w, w); ++l) line += LOAD(x, AT(x, i, j, k, l, at_n));
        best += line;
#endif
      }
#if HOW == 1
  const INT cells = INSIDE(c, c) * INSIDE(d, d) * INSIDE(h, h) * INSIDE(w, w);
  best = cells > 0 ? best / (REAL)cells : 0;
#endif
#if HOW == 3
  y[AT(y, c, d, h, w, at_n)] = (int)found;
#else
  STORE(y, AT(y, c, d, h, w, at_n), best);
#endif
}

/* Entries of g (outer, count, inner) added up at their indices in y (outer, size, inner). First
   every position gets the next one with the same index, and whether it is the first such; then the
   first ones walk along. Sums are in the order of the positions; nothing is written twice. */
KERNEL NEO_GROUP(GROUP) void neo_link(
    GLOBAL const INDEX *index, GLOBAL INT *next, const INT index0, const INT index_s,
    const INT begin, const INT count, const INT size) {
  LOCAL INT others[GROUP];
  const INT i = (INT)GROUP_ID * GROUP + (INT)LOCAL_ID;
  const INT mine =
      i < count ? neo_named((neo_i64)index[index0 + (begin + i) * index_s], size) : -1;
  INT after = -1, first = mine >= 0;
  for (INT from = 0; from < count; from += GROUP) {
    const INT at = from + (INT)LOCAL_ID;
    others[LOCAL_ID] =
        at < count ? neo_named((neo_i64)index[index0 + (begin + at) * index_s], size) : -1;
    BARRIER();
    for (int k = 0; k < GROUP; ++k) {
      const INT j = from + k;
      if (others[k] == mine && mine >= 0) {
        if (j < i) first = 0;
        if (j > i && after < 0) after = j;
      }
    }
    BARRIER();
  }
  if (i < count) {
    next[2 * i] = first;
    next[2 * i + 1] = after;
  }
}

KERNEL NEO_GROUP(GROUP) void neo_clear(
    GLOBAL STORED *y, const INT outer, const INT size, const INT inner, const INT y0,
    const INT y_o, const INT y_s, const INT y_i) {
  const INT item = (INT)GROUP_ID * GROUP + (INT)LOCAL_ID;
  if (item >= outer * size * inner) return;
  const INT i = item % inner, s = item / inner % size, o = item / inner / size;
  STORE(y, y0 + o * y_o + s * y_s + i * y_i, (REAL)0);
}

KERNEL NEO_GROUP(GROUP) void neo_scatter_add(
    GLOBAL const STORED *g, GLOBAL STORED *y, GLOBAL const INDEX *index, GLOBAL const INT *next,
    const INT index0, const INT index_s, const INT begin, const INT count, const INT outer,
    const INT inner, const INT g0, const INT g_o, const INT g_s, const INT g_i, const INT y0,
    const INT y_o, const INT y_s, const INT y_i) {
  const INT item = (INT)GROUP_ID * GROUP + (INT)LOCAL_ID;
  if (item >= outer * count * inner) return;
  const INT i = item % inner, s = item / inner % count, o = item / inner / count;
  if (!next[2 * s]) return;
  const INT at = y0 + o * y_o + (INT)index[index0 + (begin + s) * index_s] * y_s + i * y_i;
  REAL sum = begin > 0 ? LOAD(y, at) : 0;
  for (INT k = s; k >= 0; k = next[2 * k + 1])
    sum += LOAD(g, g0 + o * g_o + (begin + k) * g_s + i * g_i);
  STORE(y, at, sum);
}

/* Lines along an axis of arrays (outer, count, inner). An item walks one line from its beginning (its
   end if `reverse`), so results do not depend on how many items there are; an item of
   neo_take_along_axis has one result. */
#define LINE(t) const INT t##0, const INT t##_o, const INT t##_s, const INT t##_i
#define AT(t, s) (t##0 + o * t##_o + (s) * t##_s + i * t##_i)
#define SIZES const INT outer, const INT count, const INT inner
#define PLACE(items) \
  const INT item = (INT)GROUP_ID * GROUP + (INT)LOCAL_ID; \
  if (item >= (items)) return; \
  const INT i = item % inner
#define WALK \
  PLACE(outer * inner), o = item / inner; \
  for (INT k = 0, s = reverse ? count - 1 : 0; k < count; ++k, s += reverse ? -1 : 1)

/* What is lost to rounding is added later, while sums are finite. */
KERNEL NEO_GROUP(GROUP) void neo_cumsum(
    GLOBAL const STORED *x, GLOBAL STORED *y, SIZES, const INT reverse, LINE(x), LINE(y)) {
  REAL sum = 0, lost = 0;
  WALK {
    const REAL more = LOAD(x, AT(x, s)) - lost, next = sum + more;
    lost = next - next == 0 ? (next - sum) - more : 0;
    sum = next;
    STORE(y, AT(y, s), sum);
  }
}

KERNEL NEO_GROUP(GROUP) void neo_cumprod(
    GLOBAL const STORED *x, GLOBAL STORED *y, SIZES, const INT reverse, const INT exclusive,
    LINE(x), LINE(y)) {
  REAL product = 1;
  WALK {
    const REAL all = product * LOAD(x, AT(x, s));
    STORE(y, AT(y, s), exclusive ? product : all);
    product = all;
  }
}

KERNEL NEO_GROUP(GROUP) void neo_linear_recurrence(
    GLOBAL const STORED *a, GLOBAL const STORED *b, GLOBAL STORED *y, SIZES, const INT reverse,
    LINE(a), LINE(b), LINE(y)) {
  REAL h = 0;
  WALK {
    h = k == 0 ? LOAD(b, AT(b, s)) : LOAD(a, AT(a, s)) * h + LOAD(b, AT(b, s));
    STORE(y, AT(y, s), h);
  }
}

KERNEL NEO_GROUP(GROUP) void neo_take_along_axis(
    GLOBAL const STORED *x, GLOBAL const INDEX *index, GLOBAL STORED *y, SIZES, const INT size,
    LINE(x), LINE(index), LINE(y)) {
  PLACE(outer * count * inner), s = item / inner % count, o = item / inner / count;
  const INT from = neo_named((neo_i64)index[AT(index, s)], size);
  STORE(y, AT(y, s), from < 0 ? (REAL)0 : LOAD(x, AT(x, from)));
}

KERNEL NEO_GROUP(GROUP) void neo_scatter_add_along_axis(
    GLOBAL const STORED *g, GLOBAL const INDEX *index, GLOBAL STORED *y, SIZES, const INT size,
    LINE(g), LINE(index), LINE(y)) {
  PLACE(outer * inner), o = item / inner;
  for (INT s = 0; s < size; ++s) STORE(y, AT(y, s), (REAL)0);
  for (INT s = 0; s < count; ++s) {
    const INT to = neo_named((neo_i64)index[AT(index, s)], size);
    if (to >= 0) STORE(y, AT(y, to), LOAD(y, AT(y, to)) + LOAD(g, AT(g, s)));
  }
}

/* Each e added at the cell h * W + w = index of its region's image: every item has a cell of one
   map and image, and the work-group reads the entries of that map once, in their order. */
KERNEL NEO_GROUP(GROUP) void neo_roi_pool_backward(
    GLOBAL const STORED *e, GLOBAL STORED *y, GLOBAL const INDEX *index, LAYOUT(index), REGIONS,
    const INT maps, const INT height, const INT width, const INT n, const INT bins_h,
    const INT bins_w, const INT regions, LAYOUT(e), LAYOUT(y)) {
  LOCAL REAL values[GROUP];
  LOCAL INT cells[GROUP];
  const INT pieces = (height * width + GROUP - 1) / GROUP;
  const INT cell = (INT)GROUP_ID % pieces * GROUP + (INT)LOCAL_ID;
  const INT image = (INT)GROUP_ID / pieces % n, c = (INT)GROUP_ID / pieces / n;
  const INT entries = regions * bins_h * bins_w;
  REAL sum = 0;
  for (INT first = 0; first < entries; first += GROUP) {
    const INT at = first + (INT)LOCAL_ID;
    const INT r = at / (bins_h * bins_w), i = at / bins_w % bins_h, j = at % bins_w;
    INT where = -1;
    REAL v = 0;
    if (at < entries && neo_image(ROI(r, 0), n) == image) {
      where = neo_named((neo_i64)index[AT(index, c, i, j, r)], height * width);
      v = LOAD(e, AT(e, c, i, j, r));
    }
    cells[LOCAL_ID] = where;
    values[LOCAL_ID] = v;
    BARRIER();
    const int count = entries - first < GROUP ? (int)(entries - first) : GROUP;
    for (int k = 0; k < count; ++k)
      if (cells[k] == cell) sum += values[k];
    BARRIER();
  }
  if (cell < height * width) STORE(y, AT(y, c, cell / width, cell % width, image), sum);
}

/* The x at h * W + w = index of each region's image, 0 if that is outside. */
KERNEL NEO_GROUP(GROUP) void neo_roi_pool_gather(
    GLOBAL const STORED *x, GLOBAL STORED *y, GLOBAL const INDEX *index, LAYOUT(index), REGIONS,
    const INT maps, const INT height, const INT width, const INT n, const INT bins_h,
    const INT bins_w, const INT regions, LAYOUT(x), LAYOUT(y)) {
  const INT item = (INT)GROUP_ID * GROUP + (INT)LOCAL_ID;
  if (item >= maps * bins_h * bins_w * regions) return;
  const INT r = item % regions, j = item / regions % bins_w, i = item / regions / bins_w % bins_h;
  const INT c = item / regions / bins_w / bins_h;
  const INT image = neo_image(ROI(r, 0), n);
  const INT named = neo_named((neo_i64)index[AT(index, c, i, j, r)], height * width);
  REAL v = 0;
  if (image >= 0 && named >= 0) v = LOAD(x, AT(x, c, named / width, named % width, image));
  STORE(y, AT(y, c, i, j, r), v);
}

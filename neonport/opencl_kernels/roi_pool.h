/* HOW 0: maximum of each bin of each region, 0 of an empty one; 3: h * W + w of the first maximum,
   -1 of an empty one. nan wins. */
KERNEL NEO_GROUP(GROUP) void neo_roi_pool(
    GLOBAL const STORED *x, GLOBAL RESULT *y, REGIONS, const INT maps, const INT height,
    const INT width, const INT n, const INT bins_h, const INT bins_w, const INT regions,
    const float scale, LAYOUT(x), LAYOUT(y)) {
  const INT item = (INT)GROUP_ID * GROUP + (INT)LOCAL_ID;
  if (item >= maps * bins_h * bins_w * regions) return;
  const INT r = item % regions, j = item / regions % bins_w, i = item / regions / bins_w % bins_h;
  const INT c = item / regions / bins_w / bins_h;
  const INT image = neo_image(ROI(r, 0), n);
  const float xmin = rint(ROI(r, 1) * scale), ymin = rint(ROI(r, 2) * scale);
  const float xmax = rint(ROI(r, 3) * scale), ymax = rint(ROI(r, 4) * scale);
  const int valid = fabs(xmin) <= ROI_LIMIT && fabs(ymin) <= ROI_LIMIT &&
                    fabs(xmax) <= ROI_LIMIT && fabs(ymax) <= ROI_LIMIT;
  REAL best = 0;
  INT found = -1;
  if (image >= 0 && valid) {
    INT top, bottom, first, last;
    neo_bin(ymin, ymax, i, bins_h, height, &top, &bottom);
    neo_bin(xmin, xmax, j, bins_w, width, &first, &last);
    for (INT h = top; h < bottom; ++h)
      for (INT w = first; w < last; ++w) {
        const REAL v = LOAD(x, AT(x, c, h, w, image));
        if (found < 0 || v > best || (v != v && best == best)) {
          best = v;
          found = h * width + w;
        }
      }
  }
#if HOW == 3
  y[AT(y, c, i, j, r)] = (int)found;
#else
  STORE(y, AT(y, c, i, j, r), best);
#endif
}

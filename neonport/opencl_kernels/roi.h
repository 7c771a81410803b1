/* What kernels over regions of interest share. A region is a row image, xmin, ymin, xmax, ymax of
   float32; corners are scaled and rounded half to even, in float32. */
#define LAYOUT(t) const INT t##0, const INT t##_c, const INT t##_h, const INT t##_w, const INT t##_n
#define AT(t, c, h, w, n) (t##0 + (c) * t##_c + (h) * t##_h + (w) * t##_w + (n) * t##_n)
#define REGIONS GLOBAL const float *rois, const INT rois0, const INT rois_r, const INT rois_x
#define ROI(r, i) rois[rois0 + (r) * rois_r + (i) * rois_x]
/* corners beyond are no exact float32 integers */
#define ROI_LIMIT 16777216.0f

/* the image of a region, -1 if there is none of that number */
NEO_FN INT neo_image(float number, INT n) {
  const float image = rint(number);
  return image >= 0.0f && image < (float)n ? (INT)image : -1;
}
/* first and last of the cells of bin i of `bins` between two corners, cut to `size` cells */
NEO_FN void neo_bin(float low, float high, INT i, INT bins, INT size, INT *begin, INT *end) {
  const neo_i64 from = (neo_i64)low, to = (neo_i64)high;
  const neo_i64 length = to - from + 1 > 1 ? to - from + 1 : 1;
  const neo_i64 first = from + i * length / bins, last = from + ((i + 1) * length + bins - 1) / bins;
  *begin = first < 0 ? 0 : first > size ? size : (INT)first;
  *end = last < 0 ? 0 : last > size ? size : (INT)last;
}

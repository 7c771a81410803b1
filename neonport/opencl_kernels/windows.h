/* What kernels over windows of cells share: where images lie, and how windows lie on them.
   An image tensor t has the axes c, d, h, w, n; UNIT: along n its elements are neighbours. */
#define LAYOUT(t) \
  const INT t##0, const INT t##_c, const INT t##_d, const INT t##_h, const INT t##_w, \
  const INT t##_n
#if UNIT
#define AT(t, c, d, h, w, n) \
  (t##0 + (c) * t##_c + (d) * t##_d + (h) * t##_h + (w) * t##_w + (n))
#else
#define AT(t, c, d, h, w, n) \
  (t##0 + (c) * t##_c + (d) * t##_d + (h) * t##_h + (w) * t##_w + (n) * t##_n)
#endif
#define FOUR(t) const INT t##_c, const INT t##_d, const INT t##_h, const INT t##_w
/* cells of the image, positions of the window, its size, padding and stride, samples */
#define WINDOWS FOUR(cells), FOUR(count), FOUR(window), FOUR(pad), FOUR(stride), const INT n
/* place (c, d, h, w, at_n) of the item's element in a tensor of the sizes `t`; the item may end */
#define PLACE(t) \
  const INT item = (INT)GROUP_ID * GROUP + (INT)LOCAL_ID; \
  if (item >= t##_c * t##_d * t##_h * t##_w * n) return; \
  const INT at_n = item % n, w = item / n % t##_w, h = item / n / t##_w % t##_h; \
  const INT d = item / n / t##_w / t##_h % t##_d, c = item / n / t##_w / t##_h / t##_d
/* first cell of the window at position m of an axis, and the bounds of its cells inside */
#define FIRST(m, x) ((m) * stride_##x - pad_##x)
#define BEGIN(m, x) (FIRST(m, x) > 0 ? FIRST(m, x) : 0)
#define END(m, x) \
  (FIRST(m, x) + window_##x < cells_##x ? FIRST(m, x) + window_##x : cells_##x)
#define INSIDE(m, x) (END(m, x) > BEGIN(m, x) ? END(m, x) - BEGIN(m, x) : 0)
/* bounds of the positions whose windows hold a cell */
#define LEAST(i, x) \
  ((i) + pad_##x < window_##x ? 0 : ((i) + pad_##x - window_##x) / stride_##x + 1)
#define LAST(i, x) \
  (((i) + pad_##x) / stride_##x < count_##x ? ((i) + pad_##x) / stride_##x + 1 : count_##x)
#define CELL(j, t, r, s) ((((j) * window_d + (t)) * window_h + (r)) * window_w + (s))

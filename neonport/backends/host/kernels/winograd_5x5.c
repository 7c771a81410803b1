/* Windows of 5 x 5 cells with 49 multiplications for 2 x 2 results instead of 100, see `winograd.h`.

   Along one axis the first three cells of a window are made by F(2, 3), the other two by F(2, 2), and
   the results are added. F(2, 5) would take 36 multiplications, but the points that it needs besides
   0, 1, -1 and infinity, such as 2, double the rounding errors. */
#include "vectors.h"
#define SIDE 5
#define NODES 7
#define MOST_PANELS 2

/* What a point sees along an axis: cell a + sign * cell b, the one beyond the last being 0. And the
   factors of its product in the two results. */
typedef struct {
  int a, b, sign, first, second;
} node_t;
static const node_t nodes[NODES] = {
    {0, 2, -1, 1, 0}, {1, 2, 1, 1, 1},  {2, 1, -1, 1, -1}, {1, 3, -1, 0, -1},
    {3, 4, -1, 1, 0}, {4, 6, -1, 1, 1}, {4, 5, -1, 0, -1},
};

/* B' d: what the points are multiplied by. */
static inline void of_cells(const vec d[6], vec v[7]) {
  v[0] = d[0] - d[2], v[1] = d[1] + d[2], v[2] = d[2] - d[1], v[3] = d[1] - d[3];
  v[4] = d[3] - d[4], v[5] = d[4], v[6] = d[4] - d[5];
}

/* G f, of `width` filters: cells of a filter are `apart`, points `step`. */
static inline void of_filters(const REAL *restrict f, int64_t apart, REAL *restrict g, int64_t step,
                              int64_t width) {
  for (int64_t i = 0; i < width; ++i, ++f, ++g) {
    const REAL outer = (f[0] + f[2 * apart]) / 2, inner = f[apart] / 2;
    g[0] = f[0], g[step] = outer + inner, g[2 * step] = outer - inner, g[3 * step] = f[2 * apart];
    g[4 * step] = f[3 * apart], g[5 * step] = f[3 * apart] + f[4 * apart];
    g[6 * step] = f[4 * apart];
  }
}

/* A' m: two results. */
static inline void of_points(const vec m[7], vec y[2]) {
  y[0] = m[0] + m[1] + m[2] + (m[4] + m[5]), y[1] = m[1] - m[2] - m[3] + (m[5] - m[6]);
}

/* G' m: five cells of a gradient. */
static inline void of_sums(const vec m[7], vec f[5]) {
  const vec sum = (m[1] + m[2]) / 2, difference = (m[1] - m[2]) / 2;
  f[0] = m[0] + sum, f[1] = difference, f[2] = sum + m[3], f[3] = m[4] + m[5], f[4] = m[5] + m[6];
}

/* A e has four rows alone, see `of_errors`: which of them a point has. */
static const int row_of[NODES] = {0, 1, 2, 3, 0, 1, 3};

#include "winograd.h"

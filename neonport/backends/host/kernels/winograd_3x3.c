/* Windows of 3 x 3 cells with 16 multiplications for 2 x 2 results instead of 36, see `winograd.h`:
   the matrices of F(2, 3), for the points 0, 1, -1 and infinity, along one axis. */
#include "vectors.h"
#define SIDE 3
#define NODES 4
#define MOST_PANELS 8

/* What a point sees along an axis: cell a + sign * cell b, the one beyond the last being 0. And the
   factors of its product in the two results. */
typedef struct {
  int a, b, sign, first, second;
} node_t;
static const node_t nodes[NODES] = {
    {0, 2, -1, 1, 0}, {1, 2, 1, 1, 1}, {2, 1, -1, 1, -1}, {1, 3, -1, 0, -1},
};

/* B' d: what the points are multiplied by. */
static inline void of_cells(const vec d[4], vec v[4]) {
  v[0] = d[0] - d[2], v[1] = d[1] + d[2], v[2] = d[2] - d[1], v[3] = d[1] - d[3];
}

/* G f, of `width` filters: cells of a filter are `apart`, points `step`. */
static inline void of_filters(const REAL *restrict f, int64_t apart, REAL *restrict g, int64_t step,
                              int64_t width) {
  for (int64_t i = 0; i < width; ++i, ++f, ++g) {
    const REAL outer = (f[0] + f[2 * apart]) / 2, inner = f[apart] / 2;
    g[0] = f[0], g[step] = outer + inner, g[2 * step] = outer - inner, g[3 * step] = f[2 * apart];
  }
}

/* A' m: two results. */
static inline void of_points(const vec m[4], vec y[2]) {
  y[0] = m[0] + m[1] + m[2], y[1] = m[1] - m[2] - m[3];
}

/* G' m: three cells of a gradient. */
static inline void of_sums(const vec m[4], vec f[3]) {
  const vec sum = (m[1] + m[2]) / 2, difference = (m[1] - m[2]) / 2;
  f[0] = m[0] + sum, f[1] = difference, f[2] = sum + m[3];
}

/* A e has these rows alone, see `of_errors`: which of them a point has. */
static const int row_of[NODES] = {0, 1, 2, 3};

#include "winograd.h"

/* Pooling of images (C, D, H, W, N). REAL, and INDEX of the numbers of cells,
   are defined above. A task is one row of N results.

   The meaning is that of `ops/windows/geometry.py`: cells of a window are numbered in row-major
   order, those outside of the images do not count, the first maximum wins, and nan over
   everything. */
#include <stdint.h>
#include <string.h>

#define LANES 64 /* results whose numbers are kept at a time */

typedef struct {
  const REAL *values;
  const INDEX *index;
  void *results;
  int64_t samples;
  int64_t cells[4], counts[4], window[4], padding[4], stride[4];
  int64_t average;
} pool_t;

typedef struct {
  int64_t at[4], low[4], high[4];
} box_t;

static void unravel(int64_t row, const int64_t *sizes, int64_t *at) {
  for (int a = 3; a >= 0; --a) {
    at[a] = row % sizes[a];
    row /= sizes[a];
  }
}

/* The cells that a window at a position has inside of the images. */
static box_t window_of(const pool_t *p, const int64_t *position) {
  box_t box;
  for (int a = 0; a < 4; ++a) {
    const int64_t first = position[a] * p->stride[a] - p->padding[a];
    const int64_t end = first + p->window[a];
    box.at[a] = first;
    box.low[a] = first > 0 ? first : 0;
    box.high[a] = end < p->cells[a] ? end : p->cells[a];
  }
  return box;
}

/* The window whose result is a row. */
static box_t window_of_row(const pool_t *p, int64_t row) {
  int64_t position[4];
  unravel(row, p->counts, position);
  return window_of(p, position);
}

static int64_t inside(const box_t *box) {
  int64_t count = 1;
  for (int a = 0; a < 4; ++a) {
    const int64_t n = box->high[a] - box->low[a];
    count *= n > 0 ? n : 0;
  }
  return count;
}

#define EACH_CELL(box, c, d, h, w)                                \
  for (int64_t c = (box).low[0]; c < (box).high[0]; ++c)          \
    for (int64_t d = (box).low[1]; d < (box).high[1]; ++d)        \
      for (int64_t h = (box).low[2]; h < (box).high[2]; ++h)      \
        for (int64_t w = (box).low[3]; w < (box).high[3]; ++w)

static inline int64_t ravel(const int64_t *n, int64_t c, int64_t d, int64_t h, int64_t w) {
  return ((c * n[1] + d) * n[2] + h) * n[3] + w;
}

static inline int64_t number_of(const pool_t *p, const box_t *b, int64_t c, int64_t d, int64_t h,
                                int64_t w) {
  return ravel(p->window, c - b->at[0], d - b->at[1], h - b->at[2], w - b->at[3]);
}

static inline int better(REAL value, REAL best) {
  return (value > best) | ((value != value) & (best == best));
}

void neo_pool_max(const uint64_t *words, int64_t begin, int64_t end) {
  const pool_t *p = (const pool_t *)words;
  const int64_t n = p->samples;
  for (int64_t row = begin; row < end; ++row) {
    const box_t box = window_of_row(p, row);
    REAL *restrict y = (REAL *)p->results + row * n;
    int first = 1;
    EACH_CELL(box, c, d, h, w) {
      const REAL *restrict x = p->values + ravel(p->cells, c, d, h, w) * n;
      if (first) memcpy(y, x, n * sizeof *y);
      else
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) y[i] = better(x[i], y[i]) ? x[i] : y[i];
      first = 0;
    }
    if (first) memset(y, 0, n * sizeof *y);
  }
}

/* Some results at a time, so that the best values stay near. */
static inline void numbers(const pool_t *p, const box_t *box, int64_t start, int64_t length,
                           INDEX *restrict y) {
  REAL best[LANES];
  INDEX found[LANES];
  int first = 1;
  EACH_CELL(*box, c, d, h, w) {
    const REAL *restrict x = p->values + ravel(p->cells, c, d, h, w) * p->samples + start;
    const INDEX number = (INDEX)number_of(p, box, c, d, h, w);
    if (first) {
      memcpy(best, x, length * sizeof *best);
      for (int64_t i = 0; i < length; ++i) found[i] = number;
    } else {
#pragma omp simd
      for (int64_t i = 0; i < length; ++i) {
        const int wins = better(x[i], best[i]);
        best[i] = wins ? x[i] : best[i];
        found[i] = wins ? number : found[i];
      }
    }
    first = 0;
  }
  for (int64_t i = 0; i < length; ++i) y[i] = first ? (INDEX)-1 : found[i];
}

void neo_pool_index(const uint64_t *words, int64_t begin, int64_t end) {
  const pool_t *p = (const pool_t *)words;
  for (int64_t row = begin; row < end; ++row) {
    const box_t box = window_of_row(p, row);
    int64_t start = 0;
    INDEX *y = (INDEX *)p->results + row * p->samples;
    for (; start + LANES <= p->samples; start += LANES) numbers(p, &box, start, LANES, y + start);
    if (start < p->samples) numbers(p, &box, start, p->samples - start, y + start);
  }
}

void neo_pool_sum(const uint64_t *words, int64_t begin, int64_t end) {
  const pool_t *p = (const pool_t *)words;
  const int64_t n = p->samples;
  for (int64_t row = begin; row < end; ++row) {
    const box_t box = window_of_row(p, row);
    REAL *restrict y = (REAL *)p->results + row * n;
    memset(y, 0, n * sizeof *y);
    EACH_CELL(box, c, d, h, w) {
      const REAL *restrict x = p->values + ravel(p->cells, c, d, h, w) * n;
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) y[i] += x[i];
    }
    const REAL count = (REAL)inside(&box);
    if (p->average && count > 1)
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) y[i] /= count;
  }
}

void neo_max_pool_gather(const uint64_t *words, int64_t begin, int64_t end) {
  const pool_t *p = (const pool_t *)words;
  const int64_t n = p->samples;
  for (int64_t row = begin; row < end; ++row) {
    const box_t box = window_of_row(p, row);
    const INDEX *restrict index = p->index + row * n;
    REAL *restrict y = (REAL *)p->results + row * n;
    memset(y, 0, n * sizeof *y);
    EACH_CELL(box, c, d, h, w) {
      const REAL *restrict x = p->values + ravel(p->cells, c, d, h, w) * n;
      const int64_t exact = number_of(p, &box, c, d, h, w);
      const INDEX number = (INDEX)exact;
      if ((int64_t)number != exact) continue; /* no index names it */
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) y[i] = index[i] == number ? x[i] : y[i];
    }
  }
}

/* The windows that a cell lies in, along one axis: `t` counts its place in the window. */
#define EACH_PLACE(p, a, at, t, m)                                                            \
  for (int64_t t = ((at)[a] + (p)->padding[a]) % (p)->stride[a],                              \
               m = ((at)[a] + (p)->padding[a]) / (p)->stride[a];                              \
       t < (p)->window[a] && m >= 0; t += (p)->stride[a], --m)                                \
    if (m < (p)->counts[a])

/* The next row. */
static inline void step(const int64_t *sizes, int64_t *at) {
  for (int a = 3; a >= 0 && ++at[a] == sizes[a]; --a) at[a] = 0;
}

/* What a window gives to a cell: stored, or added. Functions of their own, or registers would be
   saved and restored for each row. Stored is the sum with 0: no -0. */
#define GIVES(NAME, ASSIGN)                                                                     \
  static __attribute__((noinline)) void NAME##_chosen(                                          \
      const INDEX *restrict index, INDEX number, const REAL *restrict e, int64_t n,             \
      REAL *restrict y) {                                                                       \
    _Pragma("omp simd") for (int64_t i = 0; i < n; ++i)                                         \
      y[i] = ASSIGN(y[i]) + (index[i] == number ? e[i] : (REAL)0);                              \
  }                                                                                             \
  static __attribute__((noinline)) void NAME##_share(const REAL *restrict e, REAL count,        \
                                                     int64_t n, REAL *restrict y) {             \
    _Pragma("omp simd") for (int64_t i = 0; i < n; ++i) y[i] = ASSIGN(y[i]) + e[i] / count;     \
  }
#define NOTHING(y) (REAL)0
#define WHAT_IS_THERE(y) (y)
GIVES(put, NOTHING)
GIVES(add, WHAT_IS_THERE)

/* Gathered: each task adds what its own cells get, in the order of the cells' numbers. The first
   is added to 0, which memory need not hold. */
static inline void gather(const pool_t *p, int64_t begin, int64_t end, int chosen) {
  const int64_t n = p->samples;
  int64_t at[4];
  unravel(begin, p->cells, at);
  for (int64_t row = begin; row < end; ++row, step(p->cells, at)) {
    REAL *y = (REAL *)p->results + row * n;
    int first = 1;
    EACH_PLACE(p, 0, at, j, c)
    EACH_PLACE(p, 1, at, t, d)
    EACH_PLACE(p, 2, at, r, h)
    EACH_PLACE(p, 3, at, s, w) {
      const int64_t from = ravel(p->counts, c, d, h, w);
      const REAL *e = p->values + from * n;
      if (chosen) {
        const INDEX *index = p->index + from * n;
        const int64_t exact = ravel(p->window, j, t, r, s);
        const INDEX number = (INDEX)exact;
        if ((int64_t)number != exact) continue; /* no index names it */
        (first ? put_chosen : add_chosen)(index, number, e, n, y);
      } else {
        const int64_t position[4] = {c, d, h, w};
        const box_t box = window_of(p, position);
        const REAL count = p->average ? (REAL)inside(&box) : (REAL)1;
        (first ? put_share : add_share)(e, count, n, y);
      }
      first = 0;
    }
    if (first) memset(y, 0, n * sizeof *y);
  }
}

void neo_max_pool_backward(const uint64_t *words, int64_t begin, int64_t end) {
  gather((const pool_t *)words, begin, end, 1);
}

void neo_avg_pool_backward(const uint64_t *words, int64_t begin, int64_t end) {
  gather((const pool_t *)words, begin, end, 0);
}

/* Convolutions of 3 x 3 cells with unit stride by Winograd's algorithm F(2 x 2, 3 x 3)
   (arXiv:1509.09308): 16 multiplications for a tile of 2 x 2 results instead of 36.

       results = A' [(G f G') * (B' x B)] A        x: the 4 x 4 cells that a tile sees

   where * multiplies point by point and is summed over the maps: 16 products of matrices. A *panel*
   is a tile of some samples, two vectors of them; the last panel of a tile ends with the last sample
   and shares some with the one before. A task makes some panels: it transforms what they see, which
   stays in the cache, and then multiplies and transforms back a group of filters at a time.

   The gradient for the filters is the adjoint of that, with the same matrices:

       filters = G' [sum over tiles and samples of (A e A') * (B' x B)] G       e: 2 x 2 errors

   An infinite or nan cell would reach all results of its tile. So a result that is not finite is
   reported, for the caller to do without the algorithm. */
#include "vectors.h"

#if defined(__AVX512F__)
#define ROWS 12 /* filters at a time, with a panel: as many sums as registers hold */
#else
#define ROWS 6
#endif
#define UNIT (ROWS / 3) /* what is left of them comes in multiples of it */
#define BLOCKS 2        /* of ROWS filters in a group */
#define GROUP (BLOCKS * ROWS)
#define PANEL (2 * LANES)
#define POINTS 16
#define WINDOW 9
#define VALUE_BYTES (256 << 10) /* of what the panels of a task see */
#define MOST_MAPS (4 * VALUE_BYTES / (int64_t)(POINTS * PANEL * sizeof(REAL))) /* of one panel */
#define MOST_PANELS 8
#define MAPS 64    /* of a task of the gradient for the filters, at most */
#define ERRORS 64  /* filters of such a task, at most: vectors run along them */
#define TOGETHER 2 /* panels that such a task transforms at a time */
#define AHEAD 4    /* maps whose cells are fetched ahead: they lie far apart */
/* from one point to the next: not a power of two, or they would share a few cache sets */
#define APART(numbers) ((numbers) + PANEL)

const int64_t neo_panel = PANEL, neo_rows = ROWS, neo_group = GROUP, neo_points = POINTS;
const int64_t neo_values = VALUE_BYTES / (POINTS * PANEL * sizeof(REAL)); /* panels times maps */
const int64_t neo_most_maps = MOST_MAPS, neo_most_panels = MOST_PANELS;
const int64_t neo_maps = MAPS, neo_errors = ERRORS, neo_together = TOGETHER, neo_unit = UNIT;

/* The order is that of `winograd.py`. */
typedef struct {
  const REAL *images;  /* (maps, planes, sizes, samples) */
  const REAL *filters; /* of any strides */
  REAL *factors;       /* (groups, POINTS, BLOCKS, maps, ROWS): filters, transformed */
  REAL *results;       /* (count, planes, counts, samples) */
  int64_t maps, count, planes, samples;
  int64_t sizes[2];    /* of the images */
  int64_t counts[2];   /* of positions */
  int64_t first[2];    /* the lowest cell of the window at position 0 */
  int64_t at_once;     /* panels of a task */
  int64_t filter_stride, map_stride;
  int64_t cells[WINDOW]; /* where those of a window are in the filters */
  int64_t *bad;          /* becomes 1 where a result is not finite */
} winograd_t;

typedef struct {
  int64_t plane, row, column, sample; /* position and sample of the first result */
  int64_t shared;                     /* samples that the panel before has as well */
} place_t;

/* What a task works in: what its panels see; and its products, or errors. Not on the stack: that of
   a thread that calls may be small. */
#define MORE(a, b) ((a) > (b) ? (a) : (b))
static _Thread_local REAL values[POINTS * APART(MORE(MOST_MAPS, TOGETHER * MAPS) * PANEL)]
    __attribute__((aligned(64)));
static _Thread_local REAL
    beside[POINTS * APART(MORE(MOST_PANELS * GROUP, TOGETHER * ERRORS) * PANEL)]
    __attribute__((aligned(64)));

static void report(const winograd_t *p, vec bad) {
  if (total(bad) != 0) __atomic_store_n(p->bad, 1, __ATOMIC_RELAXED);
}

static int64_t tiles(const winograd_t *p, int axis) { return (p->counts[axis] + 1) / 2; }

static int64_t panels_of_tile(const winograd_t *p) { return (p->samples + PANEL - 1) / PANEL; }

static int64_t panels(const winograd_t *p) {
  return p->planes * tiles(p, 0) * tiles(p, 1) * panels_of_tile(p);
}

static place_t place_of(const winograd_t *p, int64_t panel) {
  const int64_t parts = panels_of_tile(p), high = tiles(p, 0), wide = tiles(p, 1);
  const int64_t tile = panel / parts, low = panel % parts * PANEL;
  const int64_t sample = least(low, p->samples - PANEL);
  const place_t at = {tile / wide / high, tile / wide % high * 2, tile % wide * 2, sample,
                      low - sample};
  return at;
}

/* Where a cell of a map lies, -1 if it is outside. */
static int64_t cell_of(const winograd_t *p, int64_t plane, int64_t row, int64_t column) {
  if (row < 0 || row >= p->sizes[0] || column < 0 || column >= p->sizes[1]) return -1;
  return ((plane * p->sizes[0] + row) * p->sizes[1] + column) * p->samples;
}

/* ---- filters: G f G' ---------------------------------------------------------------------------- */

/* A task is a block of ROWS filters. */
void neo_winograd_filters(const uint64_t *words, int64_t begin, int64_t end) {
  const winograd_t *p = (const winograd_t *)words;
  for (int64_t b = begin; b < end; ++b) {
    const int64_t rows = least(p->count - b * ROWS, ROWS);
    const int64_t width = (rows + UNIT - 1) / UNIT * UNIT;
    const REAL *from = p->filters + b * ROWS * p->filter_stride;
    REAL *to = p->factors + (b / BLOCKS * POINTS * BLOCKS + b % BLOCKS) * p->maps * ROWS;
    const int64_t step = BLOCKS * p->maps * ROWS;
    for (int64_t c = 0; c < p->maps; ++c, from += p->map_stride, to += width) {
      REAL f[3][3][ROWS], half[4][3][ROWS];
      for (int t = 0; t < WINDOW; ++t)
        for (int i = 0; i < ROWS; ++i)
          f[t / 3][t % 3][i] = i < rows ? from[p->cells[t] + i * p->filter_stride] : 0;
      for (int j = 0; j < 3; ++j)
        for (int i = 0; i < ROWS; ++i) {
          const REAL outer = (f[0][j][i] + f[2][j][i]) / 2, inner = f[1][j][i] / 2;
          half[0][j][i] = f[0][j][i];
          half[1][j][i] = outer + inner;
          half[2][j][i] = outer - inner;
          half[3][j][i] = f[2][j][i];
        }
      for (int r = 0; r < 4; ++r) {
        REAL *at = to + r * 4 * step;
        for (int i = 0; i < width; ++i) {
          const REAL outer = (half[r][0][i] + half[r][2][i]) / 2, inner = half[r][1][i] / 2;
          at[i] = half[r][0][i];
          at[step + i] = outer + inner;
          at[2 * step + i] = outer - inner;
          at[3 * step + i] = half[r][2][i];
        }
      }
    }
  }
}

/* ---- images: B' x B ----------------------------------------------------------------------------- */

/* B' x B of one vector of samples of each cell. */
static inline void transform(vec d[4][4]) {
  UNROLL for (int j = 0; j < 4; ++j) {
    const vec a = d[0][j] - d[2][j], b = d[1][j] + d[2][j];
    const vec c = d[2][j] - d[1][j], e = d[1][j] - d[3][j];
    d[0][j] = a, d[1][j] = b, d[2][j] = c, d[3][j] = e;
  }
  UNROLL for (int i = 0; i < 4; ++i) {
    const vec a = d[i][0] - d[i][2], b = d[i][1] + d[i][2];
    const vec c = d[i][2] - d[i][1], e = d[i][1] - d[i][3];
    d[i][0] = a, d[i][1] = b, d[i][2] = c, d[i][3] = e;
  }
}

/* What a panel sees of some maps: (POINTS, maps, PANEL), points `step` apart. */
static void see(const winograd_t *p, place_t at, int64_t low, int64_t maps, REAL *to,
                int64_t step) {
  static const REAL zeros[PANEL];
  const int64_t map = p->planes * p->sizes[0] * p->sizes[1] * p->samples;
  const REAL *from[POINTS];
  int64_t next[POINTS];
  for (int i = 0; i < POINTS; ++i) {
    const int64_t row = at.row + p->first[0] + i / 4, column = at.column + p->first[1] + i % 4;
    const int64_t cell = cell_of(p, at.plane, row, column);
    from[i] = cell < 0 ? zeros : p->images + low * map + cell + at.sample;
    next[i] = cell < 0 ? 0 : map;
  }
  for (int64_t c = 0; c < maps; ++c, to += PANEL)
    UNROLL for (int half = 0; half < 2; ++half) {
      vec d[4][4];
      UNROLL for (int i = 0; i < POINTS; ++i) {
        const REAL *x = from[i] + c * next[i] + half * LANES;
        d[i / 4][i % 4] = load(x);
        __builtin_prefetch(x + AHEAD * next[i], 0, 2);
      }
      transform(d);
      UNROLL for (int i = 0; i < POINTS; ++i) store(to + i * step + half * LANES, d[i / 4][i % 4]);
    }
}

/* ---- results: A' products A --------------------------------------------------------------------- */

/* products (ROWS, PANEL) = factors (maps, ROWS)' * values (maps, PANEL) */
#define PRODUCT(NAME, HEIGHT)                                                                \
  static void NAME(const REAL *f, const REAL *v, int64_t maps, REAL *m, int64_t stride) {    \
    vec sums[HEIGHT][2];                                                                     \
    UNROLL for (int i = 0; i < HEIGHT; ++i) sums[i][0] = sums[i][1] = (vec){0};              \
    for (int64_t c = 0; c < maps; ++c, f += HEIGHT, v += PANEL) {                            \
      const vec a = load(v), b = load(v + LANES);                                            \
      UNROLL for (int i = 0; i < HEIGHT; ++i) sums[i][0] += f[i] * a, sums[i][1] += f[i] * b; \
    }                                                                                        \
    UNROLL for (int i = 0; i < HEIGHT; ++i) {                                                \
      store(m + i * stride, sums[i][0]);                                                     \
      store(m + i * stride + LANES, sums[i][1]);                                             \
    }                                                                                        \
  }

PRODUCT(product_all, ROWS)
PRODUCT(product_two, 2 * UNIT)
PRODUCT(product_one, UNIT)

/* The results of a filter on a panel, from its products, points `step` apart. Returns 0 for each
   sample if they are finite. */
static inline vec back(const winograd_t *p, place_t at, const REAL *m, int64_t step, REAL *to) {
  vec bad = {0};
  UNROLL for (int half = 0; half < 2; ++half) {
    vec d[4][4], rows[2][4];
    UNROLL for (int i = 0; i < POINTS; ++i) d[i / 4][i % 4] = load(m + i * step + half * LANES);
    UNROLL for (int j = 0; j < 4; ++j) {
      rows[0][j] = d[0][j] + d[1][j] + d[2][j];
      rows[1][j] = d[1][j] - d[2][j] - d[3][j];
    }
    UNROLL for (int i = 0; i < 2; ++i) {
      const vec a = rows[i][0] + rows[i][1] + rows[i][2];
      const vec b = rows[i][1] - rows[i][2] - rows[i][3];
      bad += (a - a) + (b - b);
      if (at.row + i >= p->counts[0]) continue;
      const int64_t row = (at.plane * p->counts[0] + at.row + i) * p->counts[1] + at.column;
      REAL *y = to + row * p->samples + at.sample + half * LANES;
      store(y, a);
      if (at.column + 1 < p->counts[1]) store(y + p->samples, b);
    }
  }
  return bad;
}

/* A task is `at_once` panels. */
void neo_winograd(const uint64_t *words, int64_t begin, int64_t end) {
  const winograd_t *p = (const winograd_t *)words;
  REAL *const products = beside;
  const int64_t maps = p->maps;
  const int64_t plane = p->planes * p->counts[0] * p->counts[1] * p->samples;
  for (int64_t task = begin; task < end; ++task) {
    const int64_t low = task * p->at_once, some = least(panels(p) - low, p->at_once);
    const int64_t v_step = APART(some * maps * PANEL), m_step = APART(some * GROUP * PANEL);
    place_t at[MOST_PANELS];
    vec bad = {0};
    for (int64_t i = 0; i < some; ++i) {
      at[i] = place_of(p, low + i);
      see(p, at[i], 0, maps, values + i * maps * PANEL, v_step);
    }
    for (int64_t k = 0; k < p->count; k += GROUP) {
      const int64_t filters = least(p->count - k, GROUP);
      const REAL *f = p->factors + k * POINTS * maps;
      for (int64_t point = 0; point < POINTS; ++point)
        for (int64_t row = 0; row < GROUP; row += ROWS, f += maps * ROWS)
          for (int64_t i = 0; i < some && row < filters; ++i) {
            const REAL *v = values + point * v_step + i * maps * PANEL;
            REAL *m = products + point * m_step + (row * some + i) * PANEL;
            const int64_t rows = filters - row;
            (rows > 2 * UNIT ? product_all : rows > UNIT ? product_two : product_one)(
                f, v, maps, m, some * PANEL);
          }
      for (int64_t row = 0; row < filters; ++row)
        for (int64_t i = 0; i < some; ++i)
          bad += back(p, at[i], products + (row * some + i) * PANEL, m_step,
                      p->results + (k + row) * plane);
    }
    report(p, bad);
  }
}

/* ---- the gradient for the filters --------------------------------------------------------------- */

/* A task is some maps, some filters and a part of the panels. */
typedef struct {
  winograd_t p;       /* without filters, factors, results and where they are */
  const REAL *errors; /* (count, planes, counts, samples) */
  REAL *gradient;     /* (maps, WINDOW, count) */
  REAL *sums;         /* (parts, POINTS, `high` maps, `wide` filters) */
  int64_t parts, high, wide;
} gradient_t;

/* Rows become columns. */
static inline void turn(vec v[LANES]) {
#if defined(__clang__)
  REAL from[LANES][LANES], to[LANES][LANES];
  memcpy(from, v, sizeof from);
  for (int i = 0; i < LANES; ++i)
    for (int j = 0; j < LANES; ++j) to[j][i] = from[i][j];
  memcpy(v, to, sizeof to);
#else
  UNROLL for (int s = 1; s < LANES; s *= 2) {
    mask low, high;
    UNROLL for (int l = 0; l < LANES; ++l) {
      low[l] = l & s ? LANES + l - s : l;
      high[l] = l & s ? LANES + l : l + s;
    }
    UNROLL for (int i = 0; i < LANES; ++i)
      if (!(i & s)) {
        const vec a = v[i], b = v[i + s];
        v[i] = __builtin_shuffle(a, b, low);
        v[i + s] = __builtin_shuffle(a, b, high);
      }
  }
#endif
}

/* The errors of a panel for some filters: A e A' as (POINTS, PANEL, filters), points `step` apart. */
static void err(const gradient_t *g, place_t at, int64_t low, int64_t count, REAL *to,
                int64_t step) {
  const winograd_t *p = &g->p;
  const int64_t plane = p->planes * p->counts[0] * p->counts[1] * p->samples;
  const int high = at.row + 1 < p->counts[0], wide = at.column + 1 < p->counts[1];
  const int64_t first = (at.plane * p->counts[0] + at.row) * p->counts[1] + at.column;
  for (int64_t k = low; k < low + count; k += LANES, to += LANES)
    for (int64_t n = 0; n < PANEL; n += LANES) {
      /* to what is read next, and fetched ahead: the other samples, then the next filters */
      const int64_t next = n + LANES < PANEL ? LANES : LANES * plane - n;
      vec e[2][2][LANES];
      UNROLL for (int i = 0; i < 2; ++i)
        UNROLL for (int j = 0; j < 2; ++j) {
          const int64_t cell = (first + i * p->counts[1] + j) * p->samples + at.sample + n;
          const int inside = (i == 0 || high) && (j == 0 || wide);
          for (int l = 0; l < LANES; ++l) {
            const REAL *error = g->errors + (k + l) * plane + cell;
            e[i][j][l] = inside && k + l < p->count ? load(error) : (vec){0};
            __builtin_prefetch(error + next, 0, 2);
          }
          turn(e[i][j]);
        }
      for (int l = 0; l < LANES; ++l) {
        REAL *point = to + (n + l) * count;
        const int counts = n + l >= at.shared;
        vec rows[4][2];
        UNROLL for (int j = 0; j < 2; ++j) {
          const vec a = counts ? e[0][j][l] : (vec){0}, b = counts ? e[1][j][l] : (vec){0};
          rows[0][j] = a, rows[1][j] = a + b, rows[2][j] = a - b, rows[3][j] = -b;
        }
        UNROLL for (int i = 0; i < 4; ++i, point += 4 * step) {
          const vec a = rows[i][0], b = rows[i][1];
          store(point, a);
          store(point + step, a + b);
          store(point + 2 * step, a - b);
          store(point + 3 * step, -b);
        }
      }
    }
}

/* sums (HEIGHT, two vectors) = or += values (panels, HEIGHT, PANEL) * errors (panels, PANEL, two
   vectors); from one panel's values to the next are `apart`, rows of errors are `width` long. */
#define SUMS(NAME, HEIGHT)                                                                   \
  static void NAME(const REAL *v, int64_t apart, const REAL *e, int64_t width, int64_t some, \
                   REAL *y, int64_t stride, int adds) {                                      \
    vec sums[HEIGHT][2];                                                                     \
    UNROLL for (int i = 0; i < HEIGHT; ++i) {                                                \
      sums[i][0] = adds ? load(y + i * stride) : (vec){0};                                   \
      sums[i][1] = adds ? load(y + i * stride + LANES) : (vec){0};                           \
    }                                                                                        \
    for (int64_t panel = 0; panel < some; ++panel, v += apart)                               \
      for (int64_t n = 0; n < PANEL; ++n, e += width) {                                      \
        const vec a = load(e), b = load(e + LANES);                                          \
        UNROLL for (int i = 0; i < HEIGHT; ++i) {                                            \
          const REAL x = v[i * PANEL + n];                                                   \
          sums[i][0] += x * a, sums[i][1] += x * b;                                          \
        }                                                                                    \
      }                                                                                      \
    UNROLL for (int i = 0; i < HEIGHT; ++i) {                                                \
      store(y + i * stride, sums[i][0]);                                                     \
      store(y + i * stride + LANES, sums[i][1]);                                             \
    }                                                                                        \
  }

SUMS(sums_all, ROWS)
SUMS(sums_two, 2 * UNIT)
SUMS(sums_one, UNIT)

void neo_winograd_sums(const uint64_t *words, int64_t begin, int64_t end) {
  const gradient_t *g = (const gradient_t *)words;
  const winograd_t *p = &g->p;
  REAL *const errors = beside;
  const int64_t across = (g->wide + ERRORS - 1) / ERRORS, down = (g->high + MAPS - 1) / MAPS;
  for (int64_t task = begin; task < end; ++task) {
    const int64_t k = task % across * ERRORS, c = task / across % down * MAPS;
    const int64_t part = task / across / down;
    const int64_t maps = least(p->maps - c, MAPS), high = least(g->high - c, MAPS);
    const int64_t width = least(g->wide - k, ERRORS);
    const int64_t first = part * panels(p) / g->parts, last = (part + 1) * panels(p) / g->parts;
    for (int64_t low = first; low < last; low += TOGETHER) {
      const int64_t some = least(last - low, TOGETHER);
      const int64_t v_step = APART(some * MAPS * PANEL), e_step = APART(some * width * PANEL);
      for (int64_t i = 0; i < some; ++i) {
        const place_t at = place_of(p, low + i);
        see(p, at, c, maps, values + i * MAPS * PANEL, v_step);
        err(g, at, k, width, errors + i * width * PANEL, e_step);
      }
      for (int64_t point = 0; point < POINTS; ++point) {
        REAL *sums = g->sums + ((part * POINTS + point) * g->high + c) * g->wide + k;
        for (int64_t row = 0; row < high; row += ROWS)
          for (int64_t column = 0; column < width; column += 2 * LANES) {
            const int64_t rows = high - row;
            (rows > 2 * UNIT ? sums_all : rows > UNIT ? sums_two : sums_one)(
                values + point * v_step + row * PANEL, MAPS * PANEL,
                errors + point * e_step + column, width, some, sums + row * g->wide + column,
                g->wide, low > first);
          }
      }
    }
  }
}

/* Parts are added up in order, and transformed: G' sums G. A task is a map. */
void neo_winograd_join(const uint64_t *words, int64_t begin, int64_t end) {
  const gradient_t *g = (const gradient_t *)words;
  const winograd_t *p = &g->p;
  vec bad = {0};
  for (int64_t c = begin; c < end; ++c)
    for (int64_t k = 0; k < p->count; k += LANES) {
      vec d[4][4], rows[3][4];
      UNROLL for (int i = 0; i < POINTS; ++i) {
        const REAL *from = g->sums + (i * g->high + c) * g->wide + k;
        vec sum = load(from);
        for (int64_t part = 1; part < g->parts; ++part)
          sum += load(from + part * POINTS * g->high * g->wide);
        d[i / 4][i % 4] = sum;
      }
      UNROLL for (int j = 0; j < 4; ++j) {
        const vec sum = (d[1][j] + d[2][j]) / 2, difference = (d[1][j] - d[2][j]) / 2;
        rows[0][j] = d[0][j] + sum, rows[1][j] = difference, rows[2][j] = sum + d[3][j];
      }
      REAL *to = g->gradient + c * WINDOW * p->count + k;
      UNROLL for (int i = 0; i < 3; ++i) {
        const vec *r = rows[i];
        const vec sum = (r[1] + r[2]) / 2, difference = (r[1] - r[2]) / 2;
        const vec cells[3] = {r[0] + sum, difference, sum + r[3]};
        for (int j = 0; j < 3; ++j, to += p->count) {
          bad += cells[j] - cells[j];
          memcpy(to, &cells[j], least(p->count - k, LANES) * sizeof *to);
        }
      }
    }
  report(p, bad);
}

/* Convolutions with unit stride by Winograd's algorithm (arXiv:1509.09308): fewer multiplications for
   a tile of 2 x 2 results. `winograd_3x3.c` and `winograd_5x5.c` have the matrices B, G and A of
   their windows, and include `vectors.h` and this.

       results = A' [(G f G') * (B' x B)] A        x: the EDGE x EDGE cells that a tile sees

   where * multiplies POINTS points one by one and is summed over the maps: so many products of
   matrices. A *panel* is a tile of some samples, two vectors of them; the last panel of a tile ends
   with the last sample and shares some with the one before. A task makes some panels, a row of points
   at a time: what it transforms and multiplies then stays in the first cache, or close to it.

   The gradient for the filters is the adjoint of that, with the same matrices:

       filters = G' [sum over tiles and samples of (A e A') * (B' x B)] G       e: 2 x 2 errors

   An infinite or nan cell would reach all results of its tile. So a result that is not finite is
   reported, for the caller to do without the algorithm. */

#if defined(__AVX512F__)
#define ROWS 12 /* filters at a time, with a panel: as many sums as registers hold */
#else
#define ROWS 6
#endif
#define UNIT (ROWS / 3) /* what is left of them comes in multiples of it */
#define BLOCKS 2        /* of ROWS filters, multiplied one after the other by the same */
#define TALL (BLOCKS * ROWS)
#define GROUP (12 * TALL) /* filters times panels whose results a task has at a time */
#define PANEL (2 * LANES)
#define EDGE (SIDE + 1)
#define POINTS (NODES * NODES)
#define WINDOW (SIDE * SIDE)
#define ROWS_OF_ERRORS 4 /* of A e that differ */
#define ERROR_POINTS (ROWS_OF_ERRORS * ROWS_OF_ERRORS)
#define VALUES (4096 / PANEL)  /* maps times panels that a task sees, if there are several panels */
#define MOST_MAPS (4 * VALUES) /* of one panel */
#define MAPS 64    /* of a task of the gradient for the filters, at most */
#define ERRORS 64  /* filters of such a task, at most: vectors run along them */
#define TOGETHER 2 /* panels that such a task transforms at a time */
#define AHEAD 4    /* maps whose cells are fetched ahead: they lie far apart */
/* from one point to the next: not a power of two, or they would share a few cache sets */
#define APART(numbers) ((numbers) + PANEL)

const int64_t neo_panel = PANEL, neo_rows = ROWS, neo_tall = TALL, neo_group = GROUP;
const int64_t neo_points = POINTS, neo_side = SIDE, neo_unit = UNIT, neo_values = VALUES;
const int64_t neo_most_maps = MOST_MAPS, neo_most_panels = MOST_PANELS;
const int64_t neo_maps = MAPS, neo_errors = ERRORS, neo_together = TOGETHER;

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

/* What a task works in: what its panels see; their products; their results, or errors. Not on the
   stack: that of a thread that calls may be small. */
#define MORE(a, b) ((a) > (b) ? (a) : (b))
static _Thread_local REAL values[NODES * APART(MORE(MOST_MAPS, TOGETHER * MAPS) * PANEL)]
    __attribute__((aligned(64)));
static _Thread_local REAL products[NODES * MOST_PANELS * TALL * PANEL] __attribute__((aligned(64)));
static _Thread_local REAL
    beside[MORE(4 * GROUP * PANEL, ERROR_POINTS * APART(TOGETHER * ERRORS * PANEL))]
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
    const int64_t step = BLOCKS * p->maps * ROWS;
    REAL *to = p->factors + (b / BLOCKS * POINTS * BLOCKS + b % BLOCKS) * p->maps * ROWS;
    for (int64_t c = 0; c < p->maps; ++c, from += p->map_stride, to += width) {
      REAL f[SIDE][SIDE][ROWS], half[NODES][SIDE][ROWS];
      for (int t = 0; t < WINDOW; ++t)
        for (int i = 0; i < ROWS; ++i)
          f[t / SIDE][t % SIDE][i] = i < rows ? from[p->cells[t] + i * p->filter_stride] : 0;
      for (int j = 0; j < SIDE; ++j)
        of_filters(f[0][j], SIDE * ROWS, half[0][j], SIDE * ROWS, ROWS);
      for (int r = 0; r < NODES; ++r)
        of_filters(half[r][0], ROWS, to + r * NODES * step, step, width);
    }
  }
}

/* ---- images: B' x B ----------------------------------------------------------------------------- */

/* Whether a row, or column, of points sees anything but padding. */
static int sees(const node_t *node, int64_t first, int64_t size) {
  const int64_t a = first + node->a, b = first + node->b;
  return (a >= 0 && a < size) || (node->b < EDGE && b >= 0 && b < size);
}

/* A row of points of what a panel sees of some maps: (NODES, maps, PANEL), points `step` apart. */
static void see(const winograd_t *p, place_t at, const node_t *node, int64_t low, int64_t maps,
                REAL *to, int64_t step) {
  static const REAL zeros[PANEL];
  const int64_t map = p->planes * p->sizes[0] * p->sizes[1] * p->samples;
  const REAL *from[2][EDGE];
  int64_t next[2][EDGE];
  int fetches[2];
  for (int i = 0; i < 2; ++i) {
    const int of_row = i ? node->b : node->a;
    fetches[i] = 1; /* ahead, what no point before has seen */
    for (const node_t *n = nodes; n < node; ++n)
      if (n->a == of_row || n->b == of_row) fetches[i] = 0;
    for (int j = 0; j < EDGE; ++j) {
      const int64_t row = at.row + p->first[0] + of_row, column = at.column + p->first[1] + j;
      const int64_t cell = of_row == EDGE ? -1 : cell_of(p, at.plane, row, column);
      from[i][j] = cell < 0 ? zeros : p->images + low * map + cell + at.sample;
      next[i][j] = cell < 0 ? 0 : map;
    }
  }
  const REAL sign = node->sign;
  for (int64_t c = 0; c < maps; ++c, to += PANEL) {
    vec d[2][EDGE], v[NODES];
    UNROLL for (int j = 0; j < EDGE; ++j) {
      const REAL *a = from[0][j], *b = from[1][j];
      d[0][j] = load(a) + sign * load(b);
      d[1][j] = load(a + LANES) + sign * load(b + LANES);
      from[0][j] = a + next[0][j], from[1][j] = b + next[1][j];
    }
    for (int i = 0; i < 2; ++i)
      if (fetches[i])
        UNROLL for (int j = 0; j < EDGE; ++j) {
          __builtin_prefetch(from[i][j] + (AHEAD - 1) * next[i][j], 0, 2);
          __builtin_prefetch(from[i][j] + (AHEAD - 1) * next[i][j] + LANES, 0, 2);
        }
    UNROLL for (int half = 0; half < 2; ++half) {
      of_cells(d[half], v);
      UNROLL for (int j = 0; j < NODES; ++j) store(to + j * step + half * LANES, v[j]);
    }
  }
}

/* ---- results: A' products A --------------------------------------------------------------------- */

/* products (ROWS, PANEL) = factors (maps, ROWS)' * values (maps, PANEL) */
#define PRODUCT(NAME, HEIGHT)                                                                \
  static void NAME(const REAL *f, const REAL *v, int64_t maps, REAL *m) {                    \
    vec sums[HEIGHT][2];                                                                     \
    UNROLL for (int i = 0; i < HEIGHT; ++i) sums[i][0] = sums[i][1] = (vec){0};              \
    for (int64_t c = 0; c < maps; ++c, f += HEIGHT, v += PANEL) {                            \
      const vec a = load(v), b = load(v + LANES);                                            \
      UNROLL for (int i = 0; i < HEIGHT; ++i) sums[i][0] += f[i] * a, sums[i][1] += f[i] * b; \
    }                                                                                        \
    UNROLL for (int i = 0; i < HEIGHT; ++i) {                                                \
      store(m + i * PANEL, sums[i][0]);                                                      \
      store(m + i * PANEL + LANES, sums[i][1]);                                              \
    }                                                                                        \
  }

PRODUCT(product_all, ROWS)
PRODUCT(product_two, 2 * UNIT)
PRODUCT(product_one, UNIT)

/* Adds what a row of points gives to the results of a filter on a panel, (2, 2, PANEL); its products
   are `step` apart. */
static void add_row(const node_t *node, const REAL *m, int64_t step, REAL *results) {
  UNROLL for (int half = 0; half < 2; ++half, m += LANES, results += LANES) {
    vec d[NODES], y[2];
    UNROLL for (int j = 0; j < NODES; ++j) d[j] = load(m + j * step);
    of_points(d, y);
    for (int i = 0; i < 2; ++i) {
      const int sign = i ? node->second : node->first;
      REAL *to = results + i * 2 * PANEL;
      if (!sign) continue;
      UNROLL for (int j = 0; j < 2; ++j)
        store(to + j * PANEL, load(to + j * PANEL) + (REAL)sign * y[j]);
    }
  }
}

/* Stores the results of a filter on a panel. Returns 0 for each sample if they are finite. */
static inline vec finish(const winograd_t *p, place_t at, const REAL *results, REAL *to) {
  vec bad = {0};
  for (int i = 0; i < 4; ++i, results += PANEL) {
    const int64_t row = at.row + i / 2, column = at.column + i % 2;
    const vec a = load(results), b = load(results + LANES);
    bad += (a - a) + (b - b);
    if (row >= p->counts[0] || column >= p->counts[1]) continue;
    const int64_t cell = (at.plane * p->counts[0] + row) * p->counts[1] + column;
    REAL *y = to + cell * p->samples + at.sample;
    store(y, a), store(y + LANES, b);
  }
  return bad;
}

/* What a row of points gives to the results of some filters, from a multiple of ROWS on. */
static void multiply(const winograd_t *p, const place_t *at, int64_t some, int row, int64_t low,
                     int64_t high, int64_t step, REAL *results) {
  const int64_t maps = p->maps, m_step = some * TALL * PANEL;
  for (int64_t k = low; k < high; k += TALL, results += TALL * some * 4 * PANEL) {
    const int64_t filters = least(high - k, TALL);
    for (int j = 0; j < NODES; ++j)
      for (int64_t r = 0; r < filters; r += ROWS) {
        const REAL *f = p->factors + (k * POINTS + (row * NODES + j) * TALL + r) * maps;
        const int64_t rows = filters - r;
        for (int64_t i = 0; i < some; ++i) {
          REAL *m = products + j * m_step + (i * TALL + r) * PANEL;
          if (!sees(nodes + row, at[i].row + p->first[0], p->sizes[0])) continue;
          if (!sees(nodes + j, at[i].column + p->first[1], p->sizes[1]))
            memset(m, 0, ROWS * PANEL * sizeof *m);
          else
            (rows > 2 * UNIT ? product_all : rows > UNIT ? product_two : product_one)(
                f, values + j * step + i * maps * PANEL, maps, m);
        }
      }
    for (int64_t i = 0; i < some; ++i) {
      if (!sees(nodes + row, at[i].row + p->first[0], p->sizes[0])) continue;
      for (int64_t r = 0; r < filters; ++r)
        add_row(nodes + row, products + (i * TALL + r) * PANEL, m_step,
                results + (r * some + i) * 4 * PANEL);
    }
  }
}

/* A task is `at_once` panels. */
void neo_winograd(const uint64_t *words, int64_t begin, int64_t end) {
  const winograd_t *p = (const winograd_t *)words;
  REAL *const results = beside;
  const int64_t plane = p->planes * p->counts[0] * p->counts[1] * p->samples;
  for (int64_t task = begin; task < end; ++task) {
    const int64_t first = task * p->at_once, some = least(panels(p) - first, p->at_once);
    const int64_t step = APART(some * p->maps * PANEL), group = GROUP / some / TALL * TALL;
    place_t at[MOST_PANELS];
    vec bad = {0};
    for (int64_t i = 0; i < some; ++i) at[i] = place_of(p, first + i);
    for (int64_t k = 0; k < p->count; k += group) {
      const int64_t high = least(p->count, k + group);
      memset(results, 0, (high - k) * some * 4 * PANEL * sizeof *results);
      for (int row = 0; row < NODES; ++row) {
        for (int64_t i = 0; i < some; ++i)
          if (sees(nodes + row, at[i].row + p->first[0], p->sizes[0]))
            see(p, at[i], nodes + row, 0, p->maps, values + i * p->maps * PANEL, step);
        multiply(p, at, some, row, k, high, step, results);
      }
      for (int64_t i = 0; i < (high - k) * some; ++i)
        bad += finish(p, at[i % some], results + i * 4 * PANEL, p->results + (k + i / some) * plane);
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

/* A e: its rows that differ. */
static inline void of_errors(vec a, vec b, vec rows[ROWS_OF_ERRORS]) {
  rows[0] = a, rows[1] = a + b, rows[2] = a - b, rows[3] = -b;
}

/* The errors of a panel for some filters: A e A' as (ERROR_POINTS, PANEL, filters), points `step`
   apart. */
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
        vec columns[2][ROWS_OF_ERRORS];
        UNROLL for (int j = 0; j < 2; ++j)
          of_errors(counts ? e[0][j][l] : (vec){0}, counts ? e[1][j][l] : (vec){0}, columns[j]);
        UNROLL for (int i = 0; i < ROWS_OF_ERRORS; ++i) {
          vec row[ROWS_OF_ERRORS];
          of_errors(columns[0][i], columns[1][i], row);
          UNROLL for (int j = 0; j < ROWS_OF_ERRORS; ++j, point += step) store(point, row[j]);
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
      for (int64_t i = 0; i < some; ++i)
        err(g, place_of(p, low + i), k, width, errors + i * width * PANEL, e_step);
      for (int64_t point = 0; point < POINTS; ++point) {
        const int row = point / NODES, column = point % NODES;
        const REAL *e = errors + (row_of[row] * ROWS_OF_ERRORS + row_of[column]) * e_step;
        REAL *sums = g->sums + ((part * POINTS + point) * g->high + c) * g->wide + k;
        for (int64_t i = 0; column == 0 && i < some; ++i)
          see(p, place_of(p, low + i), nodes + row, c, maps, values + i * MAPS * PANEL, v_step);
        for (int64_t r = 0; r < high; r += ROWS)
          for (int64_t i = 0; i < width; i += 2 * LANES)
            (high - r > 2 * UNIT ? sums_all : high - r > UNIT ? sums_two : sums_one)(
                values + column * v_step + r * PANEL, MAPS * PANEL, e + i, width, some,
                sums + r * g->wide + i, g->wide, low > first);
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
      vec columns[NODES][SIDE];
      UNROLL for (int j = 0; j < NODES; ++j) {
        vec d[NODES];
        UNROLL for (int i = 0; i < NODES; ++i) {
          const REAL *from = g->sums + ((i * NODES + j) * g->high + c) * g->wide + k;
          d[i] = load(from);
          for (int64_t part = 1; part < g->parts; ++part)
            d[i] += load(from + part * POINTS * g->high * g->wide);
        }
        of_sums(d, columns[j]);
      }
      REAL *to = g->gradient + c * WINDOW * p->count + k;
      UNROLL for (int i = 0; i < SIDE; ++i) {
        vec d[NODES], cells[SIDE];
        UNROLL for (int j = 0; j < NODES; ++j) d[j] = columns[j][i];
        of_sums(d, cells);
        for (int j = 0; j < SIDE; ++j, to += p->count) {
          bad += cells[j] - cells[j];
          memcpy(to, &cells[j], least(p->count - k, LANES) * sizeof *to);
        }
      }
    }
  report(p, bad);
}

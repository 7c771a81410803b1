/* Convolutions of images (C, D, H, W, N) without unfolding them. REAL is defined above.

   A task makes the results of some positions. It copies the part of the images that their windows
   see, some maps at a time, into a patch that stays in the cache and has zeros for the padding;
   then each number of a window is an offset in the patch, the same for all positions, and
   neighbouring positions and their samples lie side by side, as long vectors. */
#include "vectors.h"

#if defined(__AVX512F__)
#define FILTERS 8 /* at a time, with VECTORS of columns: as many sums as registers hold */
#define CELLS 6   /* of windows at a time, with ERRORS filters, in the gradient for the filters */
#define ERRORS 4
#elif defined(__AVX__)
#define FILTERS 4
#define CELLS 3
#define ERRORS 3
#else
#define FILTERS 4
#define CELLS 3
#define ERRORS 3
#endif
#define VECTORS 3
#define COLUMNS (VECTORS * LANES)
#define PATCH_BYTES (192 << 10) /* beside what follows in the second cache */
#define ERROR_BYTES (128 << 10)
#define ROOM(bytes) ((bytes) / sizeof(REAL) + COLUMNS)

/* Not on the stack: that of a thread that calls may be small. */
static _Thread_local REAL patch[ROOM(PATCH_BYTES)] __attribute__((aligned(64)));
static _Thread_local REAL errors[ROOM(ERROR_BYTES)] __attribute__((aligned(64)));

const int64_t neo_filters = FILTERS, neo_columns = COLUMNS, neo_lanes = LANES, neo_errors = ERRORS;
const int64_t neo_patch = PATCH_BYTES / sizeof(REAL), neo_room = ERROR_BYTES / sizeof(REAL);

/* A cell of a window: where it is in the patch of a map, and how far from the lowest cell. */
typedef struct {
  int64_t place, plane, row, column;
} cell_t;

/* Geometry of the patches; the order is that of `direct_convolution.py`. */
typedef struct {
  const REAL *images;
  int64_t maps, samples;
  int64_t sizes[3];    /* of the images */
  int64_t counts[3];   /* of positions */
  int64_t stride[3];   /* of positions, in cells */
  int64_t first[3];    /* the lowest cell of the window at position 0 */
  int64_t tile[3];     /* positions of a task */
  int64_t tiles[3];    /* tasks along each axis */
  int64_t patch[3];    /* planes and rows of a patch; cells of a phase of a row */
  int64_t phases;      /* a row holds each `stride`th cell side by side */
  int64_t maps_at_once;
  int64_t window;      /* cells of a window */
  int64_t line;        /* of them side by side */
  const cell_t *cells;
} geometry_t;

typedef struct {
  int64_t low[3], count[3];
} block_t;

static block_t block_of(const geometry_t *g, int64_t task) {
  block_t b;
  for (int a = 2; a >= 0; --a) {
    b.low[a] = task % g->tiles[a] * g->tile[a];
    b.count[a] = g->counts[a] - b.low[a] < g->tile[a] ? g->counts[a] - b.low[a] : g->tile[a];
    task /= g->tiles[a];
  }
  return b;
}

static int64_t row_numbers(const geometry_t *g) { return g->phases * g->patch[2] * g->samples; }

static int64_t map_numbers(const geometry_t *g) {
  return g->patch[0] * g->patch[1] * row_numbers(g);
}

/* One row of the images, its phases one after the other, zeros where there is nothing. */
static void pack_row(const geometry_t *g, const REAL *row, int64_t begin, REAL *to) {
  const int64_t n = g->samples, step = g->stride[2], length = g->patch[2];
  for (int64_t phase = 0; phase < g->phases; ++phase, to += length * n) {
    const int64_t first = begin + phase;
    int64_t low = first < 0 ? (-first + step - 1) / step : 0;
    int64_t high = first < g->sizes[2] ? (g->sizes[2] - first + step - 1) / step : 0;
    low = low < length ? low : length;
    high = high < length ? high : length;
    high = high > low ? high : low;
    memset(to, 0, low * n * sizeof *to);
    if (step == 1) memcpy(to + low * n, row + (first + low) * n, (high - low) * n * sizeof *to);
    else
      for (int64_t i = low; i < high; ++i)
        memcpy(to + i * n, row + (first + i * step) * n, n * sizeof *to);
    memset(to + high * n, 0, (length - high) * n * sizeof *to);
  }
}

static void pack(const geometry_t *g, const block_t *b, int64_t map, int64_t maps, REAL *to) {
  const int64_t numbers = row_numbers(g);
  const int64_t *n = g->sizes;
  int64_t begin[3];
  for (int a = 0; a < 3; ++a) begin[a] = b->low[a] * g->stride[a] + g->first[a];
  for (int64_t c = map; c < map + maps; ++c)
    for (int64_t i = 0; i < g->patch[0]; ++i)
      for (int64_t j = 0; j < g->patch[1]; ++j, to += numbers) {
        const int64_t d = begin[0] + i, h = begin[1] + j;
        if (d < 0 || d >= n[0] || h < 0 || h >= n[1]) memset(to, 0, numbers * sizeof *to);
        else pack_row(g, g->images + ((c * n[0] + d) * n[1] + h) * n[2] * g->samples, begin[2], to);
      }
}

/* ---- results: sums over maps and windows ------------------------------------------------------ */

typedef struct {
  geometry_t g;
  const REAL *filters; /* (blocks of FILTERS, maps, window, FILTERS) */
  REAL *results;       /* (count of filters, positions, samples) */
  int64_t count;
  int64_t filters_at_once; /* a task makes so many, a multiple of FILTERS */
} conv_t;

/* Cells of a window: lines from one to before another, of each the cells from left to before right. */
typedef struct {
  int64_t low, high, left, right;
} range_t;

/* Those of a row of positions, from a column to another, without the first and the last ones that
   lie in the padding everywhere. */
static range_t seen_by(const geometry_t *g, const block_t *b, int64_t row, int64_t from,
                       int64_t to) {
  const int64_t d = b->low[0] * g->stride[0] + g->first[0];
  const int64_t h = (b->low[1] + row) * g->stride[1] + g->first[1];
  const int64_t first = (b->low[2] + from) * g->stride[2] + g->first[2];
  const int64_t last = (b->low[2] + to) * g->stride[2] + g->first[2];
  range_t seen = {0, g->window / g->line, 0, g->line};
#define OUTSIDE(l)                                                                     \
  (d + g->cells[(l) * g->line].plane < 0 ||                                            \
   d + g->cells[(l) * g->line].plane >= g->sizes[0] ||                                 \
   h + g->cells[(l) * g->line].row < 0 || h + g->cells[(l) * g->line].row >= g->sizes[1])
#define BESIDE(s) (last + g->cells[s].column < 0 || first + g->cells[s].column >= g->sizes[2])
  while (seen.low < seen.high && OUTSIDE(seen.low)) ++seen.low;
  while (seen.low < seen.high && OUTSIDE(seen.high - 1)) --seen.high;
  while (seen.left < seen.right && BESIDE(seen.left)) ++seen.left;
  while (seen.left < seen.right && BESIDE(seen.right - 1)) --seen.right;
  return seen;
}

/* y (ROWS, COLUMNS) = or += the first filters of a block * a patch. */
#define TILE(NAME, ROWS)                                                                     \
  static void NAME(const geometry_t *g, int64_t maps, range_t seen, const REAL *x,           \
                   const REAL *f, REAL *y, int64_t stride, int adds) {                       \
    const int64_t step = map_numbers(g), f_step = g->window * FILTERS;                       \
    vec sums[ROWS][VECTORS];                                                                 \
    UNROLL for (int i = 0; i < ROWS; ++i)                                                    \
      UNROLL for (int j = 0; j < VECTORS; ++j)                                               \
        sums[i][j] = adds ? load(y + i * stride + j * LANES) : (vec){0};                     \
    for (int64_t c = 0; c < maps; ++c, x += step, f += f_step)                               \
      for (int64_t l = seen.low * g->line; l < seen.high * g->line; l += g->line)            \
        for (int64_t t = l + seen.left; t < l + seen.right; ++t) {                           \
          const REAL *at = x + g->cells[t].place, *factor = f + t * FILTERS;                 \
          vec v[VECTORS];                                                                    \
          UNROLL for (int j = 0; j < VECTORS; ++j) v[j] = load(at + j * LANES);              \
          UNROLL for (int i = 0; i < ROWS; ++i)                                              \
            UNROLL for (int j = 0; j < VECTORS; ++j) sums[i][j] += factor[i] * v[j];         \
        }                                                                                    \
    UNROLL for (int i = 0; i < ROWS; ++i)                                                    \
      UNROLL for (int j = 0; j < VECTORS; ++j) store(y + i * stride + j * LANES, sums[i][j]); \
  }

TILE(tile_all, FILTERS)
TILE(tile_half, FILTERS / 2)

/* A block of filters on some columns; what does not fill the tile goes through a buffer. */
static void tile(const geometry_t *g, int64_t maps, range_t seen, const REAL *x, const REAL *f,
                 REAL *y, int64_t stride, int adds, int64_t rows, int64_t columns) {
  const int half = rows <= FILTERS / 2;
  if (columns == COLUMNS && rows == (half ? FILTERS / 2 : FILTERS)) {
    (half ? tile_half : tile_all)(g, maps, seen, x, f, y, stride, adds);
    return;
  }
  REAL buffer[FILTERS * COLUMNS];
  if (adds)
    for (int64_t i = 0; i < rows; ++i)
      memcpy(buffer + i * COLUMNS, y + i * stride, columns * sizeof *y);
  (half ? tile_half : tile_all)(g, maps, seen, x, f, buffer, COLUMNS, adds);
  for (int64_t i = 0; i < rows; ++i)
    memcpy(y + i * stride, buffer + i * COLUMNS, columns * sizeof *y);
}

void neo_conv(const uint64_t *words, int64_t begin, int64_t end) {
  const conv_t *p = (const conv_t *)words;
  const geometry_t *g = &p->g;
  const int64_t groups = (p->count + p->filters_at_once - 1) / p->filters_at_once;
  const int64_t plane = g->counts[0] * g->counts[1] * g->counts[2] * g->samples;
  for (int64_t task = begin; task < end; ++task) {
    const block_t b = block_of(g, task / groups);
    const int64_t low = task % groups * p->filters_at_once;
    const int64_t high = least(p->count, low + p->filters_at_once);
    const int64_t columns = b.count[2] * g->samples;
    for (int64_t c = 0; c < g->maps; c += g->maps_at_once) {
      const int64_t maps = least(g->maps - c, g->maps_at_once);
      pack(g, &b, c, maps, patch);
      for (int64_t r = 0; r < b.count[1]; ++r) {
        const REAL *x = patch + r * g->stride[1] * row_numbers(g);
        const int64_t row = (b.low[0] * g->counts[1] + b.low[1] + r) * g->counts[2] + b.low[2];
        REAL *y = p->results + row * g->samples;
        for (int64_t i = 0; i < columns; i += COLUMNS) {
          const int64_t some = least(columns - i, COLUMNS);
          const range_t seen =
              seen_by(g, &b, r, i / g->samples, (i + some - 1) / g->samples);
          for (int64_t k = low; k < high; k += FILTERS)
            tile(g, maps, seen, x + i, p->filters + (k * g->maps + c * FILTERS) * g->window,
                 y + k * plane + i, plane, c > 0, least(high - k, FILTERS), some);
        }
      }
    }
  }
}

/* The filters as `neo_conv` reads them; a task is a block of them. */
typedef struct {
  const REAL *from;
  REAL *to;
  int64_t count, maps, window;
  int64_t filter_stride, map_stride, cell_stride;
  const int64_t *cells; /* which of the filters' */
} arrange_t;

void neo_arrange(const uint64_t *words, int64_t begin, int64_t end) {
  const arrange_t *p = (const arrange_t *)words;
  for (int64_t b = begin; b < end; ++b) {
    const int64_t rows = least(p->count - b * FILTERS, FILTERS);
    const REAL *from = p->from + b * FILTERS * p->filter_stride;
    REAL *to = p->to + b * FILTERS * p->maps * p->window;
    for (int64_t c = 0; c < p->maps; ++c)
      for (int64_t t = 0; t < p->window; ++t, to += FILTERS) {
        const REAL *at = from + c * p->map_stride + p->cells[t] * p->cell_stride;
        for (int64_t i = 0; i < FILTERS; ++i) to[i] = i < rows ? at[i * p->filter_stride] : 0;
      }
  }
}

/* ---- the gradient for the filters: sums over positions and samples ---------------------------- */

typedef struct {
  geometry_t g;
  const REAL *errors; /* (count, positions, samples) */
  REAL *sums;         /* (parts, maps, window, count) */
  int64_t count, parts;
  int64_t errors_at_once; /* filters, a multiple of ERRORS */
} filter_t;

typedef struct {
  const REAL *at[CELLS];
} cells_t;

/* Sums of products of CELLS cells with ERRORS filters. A row ends with a vector of which `valid`
   lanes count: what lies behind may be nan, which zeros of the errors would not take away. */
static void products(const cells_t *x, int64_t x_stride, const REAL *e, int64_t e_stride,
                     int64_t length, int64_t valid, int64_t rows, REAL out[CELLS][ERRORS]) {
  vec sums[CELLS][ERRORS];
  mask lanes;
  for (int64_t l = 0; l < LANES; ++l) lanes[l] = l < valid ? -1 : 0;
  UNROLL for (int i = 0; i < CELLS; ++i)
    UNROLL for (int k = 0; k < ERRORS; ++k) sums[i][k] = (vec){0};
  for (int64_t r = 0; r < rows; ++r) {
    const REAL *row = e + r * length;
#define ADD(l, kept)                                                              \
  do {                                                                            \
    vec v[ERRORS];                                                                \
    UNROLL for (int k = 0; k < ERRORS; ++k) v[k] = load(row + k * e_stride + (l)); \
    UNROLL for (int i = 0; i < CELLS; ++i) {                                      \
      const vec u = kept(load(x->at[i] + r * x_stride + (l)));                    \
      UNROLL for (int k = 0; k < ERRORS; ++k) sums[i][k] += u * v[k];             \
    }                                                                             \
  } while (0)
#define WHOLE(u) (u)
#define VALID(u) ((vec)((mask)(u) & lanes))
    for (int64_t l = 0; l < length - LANES; l += LANES) ADD(l, WHOLE);
    ADD(length - LANES, VALID);
  }
  for (int i = 0; i < CELLS; ++i)
    for (int k = 0; k < ERRORS; ++k) out[i][k] = total(sums[i][k]);
}

/* From one filter's errors to the next: not a power of two, or they would share a few cache sets. */
static inline int64_t apart(int64_t rows, int64_t padded) { return rows * padded + LANES; }

/* What a block of positions gives for some maps and filters. */
static void add_block(const filter_t *p, const block_t *b, int64_t maps, const REAL *patch,
                      const REAL *errors, int64_t padded, int64_t k_low, int64_t k_high,
                      REAL *sums) {
  const geometry_t *g = &p->g;
  const int64_t cells = maps * g->window, rows = b->count[1];
  const int64_t valid = b->count[2] * g->samples - (padded - LANES);
  for (int64_t t = 0; t < cells; t += CELLS) {
    cells_t x;
    const int64_t some = least(cells - t, CELLS);
    for (int64_t i = 0; i < CELLS; ++i) {
      const int64_t cell = t + (i < some ? i : some - 1);
      x.at[i] = patch + cell / g->window * map_numbers(g) + g->cells[cell % g->window].place;
    }
    for (int64_t k = k_low; k < k_high; k += ERRORS) {
      REAL out[CELLS][ERRORS];
      const int64_t filters = least(k_high - k, ERRORS);
      products(&x, g->stride[1] * row_numbers(g), errors + (k - k_low) * apart(rows, padded),
               apart(rows, padded), padded, valid, rows, out);
      for (int64_t i = 0; i < some; ++i)
        for (int64_t j = 0; j < filters; ++j) sums[(t + i) * p->count + k + j] += out[i][j];
    }
  }
}

/* The errors of some filters at a block of positions, rows filled up with zeros to whole vectors;
   a filter that does not exist is zeros. */
static void pack_errors(const filter_t *p, const block_t *b, int64_t low, int64_t count,
                        int64_t padded, REAL *to) {
  const geometry_t *g = &p->g;
  const int64_t columns = b->count[2] * g->samples;
  for (int64_t k = low; k < low + count; ++k, to += LANES)
    for (int64_t r = 0; r < b->count[1]; ++r, to += padded) {
      const int64_t valid = k < p->count ? columns : 0;
      const int64_t row = (k * g->counts[0] + b->low[0]) * g->counts[1] + b->low[1] + r;
      if (valid)
        memcpy(to, p->errors + (row * g->counts[2] + b->low[2]) * g->samples, valid * sizeof *to);
      memset(to + valid, 0, (padded - valid) * sizeof *to);
    }
}

void neo_conv_backward_filter(const uint64_t *words, int64_t begin, int64_t end) {
  const filter_t *p = (const filter_t *)words;
  const geometry_t *g = &p->g;
  const int64_t tiles = g->tiles[0] * g->tiles[1] * g->tiles[2];
  for (int64_t task = begin; task < end; ++task) {
    const int64_t part = task % p->parts, c = task / p->parts * g->maps_at_once;
    const int64_t maps = least(g->maps - c, g->maps_at_once);
    REAL *sums = p->sums + (part * g->maps + c) * g->window * p->count;
    memset(sums, 0, maps * g->window * p->count * sizeof *sums);
    for (int64_t t = part * tiles / p->parts; t < (part + 1) * tiles / p->parts; ++t) {
      const block_t b = block_of(g, t);
      const int64_t columns = b.count[2] * g->samples;
      const int64_t padded = (columns + LANES - 1) / LANES * LANES;
      pack(g, &b, c, maps, patch);
      for (int64_t k = 0; k < p->count; k += p->errors_at_once) {
        const int64_t some = least(p->count - k, p->errors_at_once);
        const int64_t whole = (some + ERRORS - 1) / ERRORS * ERRORS;
        pack_errors(p, &b, k, whole, padded, errors);
        add_block(p, &b, maps, patch, errors, padded, k, k + some, sums);
      }
    }
  }
}

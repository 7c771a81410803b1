/* What recurrences and their adjoints share: sizes, packed weights, functions of gates, and the columns
   of a task. Include `prelude.h`, `vectors.h` and `panel.h` before. */
#define MOST (2 * LANES) /* columns of a task */
#define LINE (64 / (int64_t)sizeof(REAL))
#define EACH(count) for (int64_t j = 0; j < (count); j += LANES)

const int64_t neo_panel = PANEL, neo_lanes = LANES;

typedef struct {
  const REAL *start;
  int64_t row, column; /* steps; 0: one number for all */
} matrix_t;

typedef struct {
  int64_t units, steps, samples, reverse;
  int64_t gates;         /* blocks of rows of z */
  int64_t vectors;       /* 1 or 2 of columns a task */
  int64_t act, gate;     /* functions, in the order of the table in recurrence.py */
  int64_t blocks;        /* of rows of the errors */
  int64_t large;         /* whether the result is too large for the cache to keep */
  matrix_t in;           /* z, or the errors */
  matrix_t states;       /* of an adjoint: what the recurrence gave */
  matrix_t out;
  matrix_t weights, bias, h0, c0;
  REAL *packed, *room;
  int64_t room_size;
  struct sharing *sharing;
} sequence_t;

/* ---- weights ---------------------------------------------------------------------------------*/

INLINE int64_t padded(const sequence_t *p) { return (p->units + PANEL - 1) / PANEL * PANEL; }

INLINE REAL entry(const matrix_t *m, int64_t i, int64_t j) {
  return m->start[i * m->row + j * m->column];
}

/* A panel: for each column of the weights, the rows of some units, gate by gate. */
static void pack_rows(const sequence_t *p, int64_t base, int64_t first, int64_t gates, REAL *to) {
  const int64_t units = PANEL / gates;
  for (int64_t r = 0; r < PANEL; ++r) {
    const int64_t unit = first + r % units, row = base + r / units * p->units + unit;
    for (int64_t k = 0; k < p->units; ++k)
      to[k * PANEL + r] = unit < p->units ? entry(&p->weights, row, k) : 0;
  }
}

static void start_sharing(const sequence_t *p);

void neo_pack(const uint64_t *words, int64_t begin, int64_t end) {
  const sequence_t *p = (const sequence_t *)words;
  if (!begin) start_sharing(p);
  const int64_t together = p->gates == 3 ? 2 : p->gates, units = PANEL / together;
  const int64_t panels = padded(p) / units;
  for (int64_t task = begin; task < end; ++task) {
    REAL *to = p->packed + task * PANEL * p->units;
    if (task < panels) pack_rows(p, 0, task * units, together, to);
    else pack_rows(p, 2 * p->units, (task - panels) * PANEL, 1, to);
  }
}

/* A panel of the transpose: rows `first` and on of it, from some rows of the weights. */
static void pack_columns(const sequence_t *p, int64_t base, int64_t count, int64_t first, REAL *to) {
  for (int64_t k = 0; k < count; ++k)
    for (int64_t r = 0; r < PANEL; ++r)
      to[k * PANEL + r] = first + r < p->units ? entry(&p->weights, base + k, first + r) : 0;
}

void neo_pack_back(const uint64_t *words, int64_t begin, int64_t end) {
  const sequence_t *p = (const sequence_t *)words;
  if (!begin) start_sharing(p);
  const int64_t together = (p->gates == 3 ? 2 : p->gates) * p->units;
  for (int64_t task = begin; task < end; ++task) {
    pack_columns(p, 0, together, task * PANEL, p->packed + task * PANEL * together);
    if (p->gates == 3)
      pack_columns(p, together, p->units, task * PANEL,
                   p->packed + padded(p) * together + task * PANEL * p->units);
  }
}

/* ---- products of packed weights ----------------------------------------------------------------*/

APART void product_1(const REAL *panel, const REAL *x, int64_t depth, REAL *out) {
  product_of(panel, PANEL, x, LANES, depth, out, 1);
}

APART void product_2(const REAL *panel, const REAL *x, int64_t depth, REAL *out) {
  product_of(panel, PANEL, x, 2 * LANES, depth, out, 2);
}

INLINE void product(const REAL *panel, const REAL *x, int64_t depth, REAL *out, int64_t width) {
  if (width == LANES) product_1(panel, x, depth, out);
  else product_2(panel, x, depth, out);
}

/* ---- functions -------------------------------------------------------------------------------*/

enum { TANH, LOGISTIC, RECTLIN, IDENTITY };
#define BOTH(name, x) (sizeof(REAL) == 4 ? (REAL)name##_f32((float)(x)) : (REAL)name##_f64(x))

APART void apply(int64_t kind, int64_t count, REAL *x) {
  if (kind == TANH)
    for (int64_t j = 0; j < count; ++j) x[j] = BOTH(neo_tanh, x[j]);
  else if (kind == LOGISTIC)
    for (int64_t j = 0; j < count; ++j) x[j] = BOTH(neo_sig, x[j]);
  else if (kind == RECTLIN)
    for (int64_t j = 0; j < count; ++j) x[j] = x[j] > 0 || x[j] != x[j] ? x[j] : 0;
}

/* Errors times the slope of a function whose results are y; whole vectors. */
APART void bend(int64_t kind, int64_t count, const REAL *y, REAL *e) {
  if (kind == TANH) EACH(count) store(e + j, load(e + j) * (1 - load(y + j) * load(y + j)));
  else if (kind == LOGISTIC) EACH(count) store(e + j, load(e + j) * load(y + j) * (1 - load(y + j)));
  else if (kind == RECTLIN)
    EACH(count) { /* true is -1 */
      const vec above = -__builtin_convertvector(load(y + j) > (vec){0}, vec);
      store(e + j, load(e + j) * above);
    }
}

/* ---- columns ---------------------------------------------------------------------------------*/

/* The columns of a task; functions get its address, for a copy on the stack waits until all stores
   before it are done. */
typedef struct {
  int64_t first, count, width;
} columns_t;

INLINE columns_t columns_of(const sequence_t *p, int64_t task) {
  const int64_t width = p->vectors * LANES, first = task * width;
  return (columns_t){first, least(width, p->samples - first), width};
}

INLINE REAL *room_of(const sequence_t *p, int64_t task) { return p->room + task * p->room_size; }

INLINE REAL *at(const matrix_t *m, int64_t row, int64_t step, const sequence_t *p, const columns_t *c) {
  return (REAL *)m->start + row * m->row + step * p->samples + c->first;
}

/* Rows of a matrix at a step, side by side, zeros in columns that are not there. */
APART void fetch(const matrix_t *m, int64_t row, int64_t rows, int64_t step, const sequence_t *p,
                 const columns_t *c, REAL *to) {
  const REAL *from = at(m, row, step, p, c);
  const int64_t apart = m->row, width = c->width, count = c->count;
  for (int64_t i = 0; i < rows; ++i, from += apart, to += width) {
    if (count == width) EACH(width) store(to + j, load(from + j));
    else {
      memset(to, 0, width * sizeof(REAL));
      memcpy(to, from, count * sizeof(REAL));
    }
  }
}

APART void put(const matrix_t *m, int64_t row, int64_t rows, int64_t step, const sequence_t *p,
               const columns_t *c, const REAL *from) {
  REAL *to = at(m, row, step, p, c);
  const int64_t apart = m->row, width = c->width, count = c->count;
  if (p->large && count == width && !((apart | width) % LINE) && !((uintptr_t)to % 64)) {
    for (int64_t i = 0; i < rows; ++i, to += apart, from += width)
      for (int64_t j = 0; j < width; j += LINE) NEO_STREAM_LINE(to + j, from + j);
    return;
  }
  for (int64_t i = 0; i < rows; ++i, to += apart, from += width) {
    if (count == width) EACH(width) store(to + j, load(from + j));
    else memcpy(to, from, count * sizeof(REAL));
  }
}

/* Fetch the lines of rows into the cache while something else is computed: rows are so far apart
   that the processor does not see them coming. */
enum { READ, WRITE };
INLINE void expect(const matrix_t *m, int64_t row, int64_t rows, int64_t step, const sequence_t *p,
                   const columns_t *c, const int what) {
  const REAL *from = at(m, row, step, p, c);
  for (int64_t i = 0; i < rows; ++i, from += m->row)
    for (int64_t j = 0; j < c->count; j += LINE) {
      if (what == WRITE && !p->large) __builtin_prefetch(from + j, 1, 2);
      if (what == READ) __builtin_prefetch(from + j, 0, 2);
    }
}

/* An initial state. */
APART void begin_with(const matrix_t *m, int64_t unit, int64_t units, const columns_t *c, REAL *to) {
  for (int64_t i = 0; i < units; ++i)
    for (int64_t j = 0; j < c->width; ++j)
      to[i * c->width + j] = j < c->count ? entry(m, unit + i, c->first + j) : 0;
}

/* Rows of a matrix at a step, and a bias where there is one, added to others. */
APART void add(const matrix_t *m, const matrix_t *bias, int64_t row, int64_t rows, int64_t step,
               const sequence_t *p, const columns_t *c, REAL *to) {
  const REAL *from = at(m, row, step, p, c);
  const int64_t apart = m->row, width = c->width, count = c->count;
  for (int64_t i = 0; i < rows; ++i, from += apart, to += width) {
    const REAL b = bias ? entry(bias, row + i, 0) : 0;
    if (count == width) EACH(width) store(to + j, load(to + j) + (load(from + j) + b));
    else
      for (int64_t j = 0; j < count; ++j) to[j] += from[j] + b;
  }
}

/* Sums of rows of gates become what the function is applied to. */
INLINE void add_inputs(const sequence_t *p, int64_t row, int64_t rows, int64_t step, const columns_t *c,
                       REAL *sums) {
  add(&p->in, &p->bias, row, rows, step, p, c, sums);
}

/* The k-th step of a recurrence. */
INLINE int64_t step_of(const sequence_t *p, int64_t k) { return p->reverse ? p->steps - 1 - k : k; }

/* Recurrences over the steps of sequences, and their adjoints. REAL is defined above. A task takes
   all steps of some columns of the samples, so no task waits for another. What passes from step to
   step lies in the task's room, a column block wide and without gaps: in the matrices of all steps
   rows are far apart, often by a power of two. The weights are packed before, in panels of rows as
   the product reads them. The meaning is that of `neonport/ops/recurrence.py`. */
#include "prelude.h"
#include "vectors.h"
#include "panel.h"

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

void neo_pack(const uint64_t *words, int64_t begin, int64_t end) {
  const sequence_t *p = (const sequence_t *)words;
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

/* ---- recurrences -----------------------------------------------------------------------------*/

static void rnn(const sequence_t *p, int64_t task) {
  const columns_t columns = columns_of(p, task), *c = &columns;
  const int64_t units = p->units;
  REAL *h = room_of(p, task), *next = h + padded(p) * c->width;
  begin_with(&p->h0, 0, units, c, h);
  for (int64_t k = 0; k < p->steps; ++k) {
    const int64_t t = step_of(p, k);
    for (int64_t u = 0; u < units; u += PANEL) {
      const int64_t here = least(PANEL, units - u);
      REAL *sums = next + u * c->width;
      expect(&p->in, u, here, t, p, c, READ);
      expect(&p->out, u, here, t, p, c, WRITE);
      product(p->packed + u * units, h, units, sums, c->width);
      add_inputs(p, u, here, t, c, sums);
      apply(p->act, here * c->width, sums);
      put(&p->out, u, here, t, p, c, sums);
    }
    REAL *before = h;
    h = next;
    next = before;
  }
}

static void lstm(const sequence_t *p, int64_t task) {
  const columns_t columns = columns_of(p, task), *c = &columns;
  const int64_t units = p->units, most = PANEL / 4, block = most * c->width;
  REAL *h = room_of(p, task), *next = h + padded(p) * c->width, *cells = next + padded(p) * c->width;
  begin_with(&p->h0, 0, units, c, h);
  begin_with(&p->c0, 0, units, c, cells);
  for (int64_t k = 0; k < p->steps; ++k) {
    const int64_t t = step_of(p, k);
    for (int64_t u = 0; u < units; u += most) {
      const int64_t here = least(most, units - u);
      REAL sums[PANEL * MOST] __attribute__((aligned(64)));
      for (int64_t g = 0; g < 4; ++g) expect(&p->in, g * units + u, here, t, p, c, READ);
      for (int64_t b = 0; b < 7; ++b) expect(&p->out, b * units + u, here, t, p, c, WRITE);
      product(p->packed + u * 4 * units, h, units, sums, c->width);
      for (int64_t g = 0; g < 4; ++g) add_inputs(p, g * units + u, here, t, c, sums + g * block);
      apply(p->gate, 3 * block, sums);
      apply(p->act, block, sums + 3 * block);
      REAL bent[PANEL / 4 * MOST] __attribute__((aligned(64)));
      REAL *cell = cells + u * c->width, *state = next + u * c->width;
      const REAL *i = sums, *f = i + block, *o = f + block, *g = o + block;
      EACH(block) {
        const vec sum = load(f + j) * load(cell + j) + load(i + j) * load(g + j);
        store(cell + j, sum);
        store(bent + j, sum);
      }
      apply(p->act, block, bent);
      EACH(block) store(state + j, load(o + j) * load(bent + j));
      put(&p->out, u, here, t, p, c, state);
      put(&p->out, units + u, here, t, p, c, cell);
      put(&p->out, 2 * units + u, here, t, p, c, bent);
      for (int64_t g = 0; g < 4; ++g)
        put(&p->out, (3 + g) * units + u, here, t, p, c, sums + g * block);
    }
    REAL *before = h;
    h = next;
    next = before;
  }
}

static void gru(const sequence_t *p, int64_t task) {
  const columns_t columns = columns_of(p, task), *c = &columns;
  const int64_t units = p->units, most = PANEL / 2, block = most * c->width;
  const REAL *candidates = p->packed + padded(p) * 2 * units;
  REAL *h = room_of(p, task), *kept = h + padded(p) * c->width, *update = kept + padded(p) * c->width;
  REAL sums[PANEL * MOST] __attribute__((aligned(64)));
  begin_with(&p->h0, 0, units, c, h);
  for (int64_t k = 0; k < p->steps; ++k) {
    const int64_t t = step_of(p, k);
    for (int64_t u = 0; u < units; u += most) {
      const int64_t here = least(most, units - u);
      for (int64_t g = 0; g < 2; ++g) expect(&p->in, g * units + u, here, t, p, c, READ);
      for (int64_t b = 1; b < 5; b += b) expect(&p->out, b * units + u, here, t, p, c, WRITE);
      product(p->packed + u * 2 * units, h, units, sums, c->width);
      for (int64_t g = 0; g < 2; ++g) add_inputs(p, g * units + u, here, t, c, sums + g * block);
      apply(p->gate, 2 * block, sums);
      REAL *part = kept + u * c->width;
      EACH(block) store(part + j, load(sums + j) * load(h + u * c->width + j));
      memcpy(update + u * c->width, sums + block, block * sizeof(REAL));
      put(&p->out, units + u, here, t, p, c, sums);
      put(&p->out, 2 * units + u, here, t, p, c, sums + block);
      put(&p->out, 4 * units + u, here, t, p, c, part);
    }
    for (int64_t u = 0; u < units; u += PANEL) {
      const int64_t here = least(PANEL, units - u), count = here * c->width;
      expect(&p->in, 2 * units + u, here, t, p, c, READ);
      for (int64_t b = 0; b < 4; b += 3) expect(&p->out, b * units + u, here, t, p, c, WRITE);
      product(candidates + u * units, kept, units, sums, c->width);
      add_inputs(p, 2 * units + u, here, t, c, sums);
      apply(p->act, count, sums);
      REAL *state = h + u * c->width, *z = update + u * c->width;
      EACH(count)
        store(state + j, (1 - load(z + j)) * load(state + j) + load(z + j) * load(sums + j));
      put(&p->out, u, here, t, p, c, state);
      put(&p->out, 3 * units + u, here, t, p, c, sums);
    }
  }
}

/* ---- adjoints --------------------------------------------------------------------------------*/

#define UNITS 4 /* that are worked out together */

typedef struct {
  REAL numbers[UNITS * MOST] __attribute__((aligned(64)));
} part_t;

/* Some rows of a block of what the recurrence gave, and the errors of that block added to others. */
INLINE void given(const sequence_t *p, int64_t block, int64_t u, int64_t rows, int64_t t,
                  const columns_t *c, part_t *to) {
  fetch(&p->states, block * p->units + u, rows, t, p, c, to->numbers);
}

INLINE void add_errors(const sequence_t *p, int64_t block, int64_t u, int64_t rows, int64_t t,
                       const columns_t *c, REAL *to) {
  if (block < p->blocks) add(&p->in, 0, block * p->units + u, rows, t, p, c, to);
}

/* A block of the states of the step before the k-th one. */
INLINE void given_before(const sequence_t *p, const matrix_t *initial, int64_t block, int64_t u,
                         int64_t rows, int64_t k, const columns_t *c, part_t *to) {
  if (k) given(p, block, u, rows, step_of(p, k - 1), c, to);
  else begin_with(initial, u, rows, c, to->numbers);
}

/* The rows of a panel of units that the k-th step will want; h is read a step before its own. */
INLINE void expect_back(const sequence_t *p, int64_t u, int64_t k, int64_t blocks, const columns_t *c) {
  if (k < 0) return;
  const int64_t t = step_of(p, k), here = least(PANEL, p->units - u);
  for (int64_t b = 0; b < p->blocks; ++b)
    expect(&p->in, b * p->units + u, here, t, p, c, READ);
  for (int64_t b = 0; b < blocks; ++b)
    expect(&p->states, b * p->units + u, here, b == 0 && k ? step_of(p, k - 1) : t, p, c, READ);
  for (int64_t b = 0; b < p->gates; ++b)
    expect(&p->out, b * p->units + u, here, t, p, c, WRITE);
}

/* What stands behind the last step: the gradients of the initial states, and zeros. */
INLINE void put_initial(const sequence_t *p, const columns_t *c, const REAL *dh, const REAL *dc) {
  REAL zeros[MOST] __attribute__((aligned(64))) = {0};
  const int64_t units = p->units;
  put(&p->out, 0, units, p->steps, p, c, dh);
  if (dc) put(&p->out, units, units, p->steps, p, c, dc);
  for (int64_t row = (dc ? 2 : 1) * units; row < p->gates * units; ++row)
    put(&p->out, row, 1, p->steps, p, c, zeros);
}

static void rnn_back(const sequence_t *p, int64_t task) {
  const columns_t columns = columns_of(p, task), *c = &columns;
  const int64_t units = p->units;
  REAL *dh = room_of(p, task), *dz = dh + padded(p) * c->width;
  memset(dh, 0, padded(p) * c->width * sizeof(REAL));
  for (int64_t k = p->steps - 1; k >= 0; --k) {
    const int64_t t = step_of(p, k);
    for (int64_t u = 0; u < units; u += UNITS) {
      const int64_t here = least(UNITS, units - u), count = here * c->width;
      part_t h;
      REAL *e = dz + u * c->width;
      given(p, 0, u, here, t, c, &h);
      memcpy(e, dh + u * c->width, count * sizeof(REAL));
      add_errors(p, 0, u, here, t, c, e);
      bend(p->act, count, h.numbers, e);
      put(&p->out, u, here, t, p, c, e);
    }
    for (int64_t u = 0; u < units; u += PANEL) {
      expect_back(p, u, k - 1, 1, c);
      product(p->packed + u * units, dz, units, dh + u * c->width, c->width);
    }
  }
  put_initial(p, c, dh, 0);
}

static void lstm_back(const sequence_t *p, int64_t task) {
  const columns_t columns = columns_of(p, task), *c = &columns;
  const int64_t units = p->units, depth = 4 * units;
  REAL *dh = room_of(p, task), *dc = dh + padded(p) * c->width, *dz = dc + padded(p) * c->width;
  memset(dh, 0, 2 * padded(p) * c->width * sizeof(REAL));
  for (int64_t k = p->steps - 1; k >= 0; --k) {
    const int64_t t = step_of(p, k);
    for (int64_t u = 0; u < units; u += UNITS) {
      const int64_t here = least(UNITS, units - u), count = here * c->width;
      part_t before, bent, i, f, o, g, e;
      REAL *eh = dh + u * c->width, *ec = dc + u * c->width;
      REAL *di = dz + u * c->width, *df = di + units * c->width, *dout = df + units * c->width;
      REAL *dg = dout + units * c->width;
      given_before(p, &p->c0, 1, u, here, k, c, &before);
      given(p, 2, u, here, t, c, &bent);
      given(p, 3, u, here, t, c, &i);
      given(p, 4, u, here, t, c, &f);
      given(p, 5, u, here, t, c, &o);
      given(p, 6, u, here, t, c, &g);
      add_errors(p, 0, u, here, t, c, eh);
      EACH(count) store(e.numbers + j, load(o.numbers + j) * load(eh + j));
      add_errors(p, 2, u, here, t, c, e.numbers);
      bend(p->act, count, bent.numbers, e.numbers);
      add_errors(p, 1, u, here, t, c, ec);
      EACH(count) {
        const vec sum = load(ec + j) + load(e.numbers + j);
        store(di + j, sum * load(g.numbers + j));
        store(df + j, sum * load(before.numbers + j));
        store(dout + j, load(eh + j) * load(bent.numbers + j));
        store(dg + j, sum * load(i.numbers + j));
        store(ec + j, sum * load(f.numbers + j));
      }
      add_errors(p, 3, u, here, t, c, di);
      add_errors(p, 4, u, here, t, c, df);
      add_errors(p, 5, u, here, t, c, dout);
      add_errors(p, 6, u, here, t, c, dg);
      bend(p->gate, count, i.numbers, di);
      bend(p->gate, count, f.numbers, df);
      bend(p->gate, count, o.numbers, dout);
      bend(p->act, count, g.numbers, dg);
      put(&p->out, u, here, t, p, c, di);
      put(&p->out, units + u, here, t, p, c, df);
      put(&p->out, 2 * units + u, here, t, p, c, dout);
      put(&p->out, 3 * units + u, here, t, p, c, dg);
    }
    for (int64_t u = 0; u < units; u += PANEL) {
      expect_back(p, u, k - 1, 7, c);
      product(p->packed + u * depth, dz, depth, dh + u * c->width, c->width);
    }
  }
  put_initial(p, c, dh, dc);
}

static void gru_back(const sequence_t *p, int64_t task) {
  const columns_t columns = columns_of(p, task), *c = &columns;
  const int64_t units = p->units, all = units * c->width;
  const REAL *candidates = p->packed + padded(p) * 2 * units;
  REAL *dh = room_of(p, task), *dkept = dh + padded(p) * c->width;
  REAL *dr = dkept + padded(p) * c->width, *dz = dr + all, *dg = dz + all;
  memset(dh, 0, padded(p) * c->width * sizeof(REAL));
  for (int64_t k = p->steps - 1; k >= 0; --k) {
    const int64_t t = step_of(p, k);
    for (int64_t u = 0; u < units; u += UNITS) {
      const int64_t here = least(UNITS, units - u), count = here * c->width;
      part_t z, g;
      REAL *eh = dh + u * c->width, *eg = dg + u * c->width;
      given(p, 2, u, here, t, c, &z);
      given(p, 3, u, here, t, c, &g);
      add_errors(p, 0, u, here, t, c, eh);
      EACH(count) store(eg + j, load(eh + j) * load(z.numbers + j));
      add_errors(p, 3, u, here, t, c, eg);
      bend(p->act, count, g.numbers, eg);
      put(&p->out, 2 * units + u, here, t, p, c, eg);
    }
    for (int64_t u = 0; u < units; u += PANEL)
      product(candidates + u * units, dg, units, dkept + u * c->width, c->width);
    for (int64_t u = 0; u < units; u += UNITS) {
      const int64_t here = least(UNITS, units - u), count = here * c->width;
      part_t before, r, z, g;
      REAL *eh = dh + u * c->width, *ek = dkept + u * c->width;
      REAL *er = dr + u * c->width, *ez = dz + u * c->width;
      given_before(p, &p->h0, 0, u, here, k, c, &before);
      given(p, 1, u, here, t, c, &r);
      given(p, 2, u, here, t, c, &z);
      given(p, 3, u, here, t, c, &g);
      add_errors(p, 4, u, here, t, c, ek);
      EACH(count) {
        const vec h = load(before.numbers + j), kept = load(ek + j), error = load(eh + j);
        store(er + j, kept * h);
        store(ez + j, error * (load(g.numbers + j) - h));
        store(eh + j, error * (1 - load(z.numbers + j)) + load(r.numbers + j) * kept);
      }
      add_errors(p, 1, u, here, t, c, er);
      add_errors(p, 2, u, here, t, c, ez);
      bend(p->gate, count, r.numbers, er);
      bend(p->gate, count, z.numbers, ez);
      put(&p->out, u, here, t, p, c, er);
      put(&p->out, units + u, here, t, p, c, ez);
    }
    for (int64_t u = 0; u < units; u += PANEL) {
      const int64_t count = least(PANEL, units - u) * c->width;
      REAL sums[PANEL * MOST] __attribute__((aligned(64)));
      expect_back(p, u, k - 1, 4, c);
      product(p->packed + u * 2 * units, dr, 2 * units, sums, c->width);
      REAL *eh = dh + u * c->width;
      EACH(count) store(eh + j, load(eh + j) + load(sums + j));
    }
  }
  put_initial(p, c, dh, 0);
}

#define ENTRY(name, function)                                                     \
  void name(const uint64_t *words, int64_t begin, int64_t end) {                  \
    const sequence_t *p = (const sequence_t *)words;                              \
    for (int64_t task = begin; task < end; ++task) function(p, task);             \
    if (p->large) NEO_STREAMED();                                                 \
  }
ENTRY(neo_rnn, rnn)
ENTRY(neo_lstm, lstm)
ENTRY(neo_gru, gru)
ENTRY(neo_rnn_backward, rnn_back)
ENTRY(neo_lstm_backward, lstm_back)
ENTRY(neo_gru_backward, gru_back)

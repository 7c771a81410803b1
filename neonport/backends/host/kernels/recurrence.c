/* Recurrences over the steps of sequences, and their adjoints. REAL is defined above. Samples are
   divided into blocks of columns, none of which waits for another; `sharing.h` says who does which.
   What passes from step to step lies in the block's room, as wide as the block and without gaps: in
   the matrices of all steps rows are far apart, often by a power of two. The weights are packed
   before, in panels of rows as the product reads them. The meaning is that of
   `neonport/ops/recurrence.py`. */
#include "prelude.h"
#include "vectors.h"
#include "panel.h"
#include "sequence.h"
#include "sharing.h"

/* ---- recurrences -----------------------------------------------------------------------------*/

static int64_t rnn(const sequence_t *p, int64_t task, int64_t done) {
  const columns_t columns = columns_of(p, task), *c = &columns;
  const int64_t units = p->units;
  REAL *h = room_of(p, task), *next = h + padded(p) * c->width;
  if (!done) begin_with(&p->h0, 0, units, c, h);
  if (done % 2) swap(&h, &next);
  for (int64_t k = done; k < p->steps; ++k) {
    if (is_wanted(p, k - done, k)) return k;
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
    swap(&h, &next);
  }
  return p->steps;
}

/* Rows of the inputs of a gate that are wanted two panels later. */
INLINE void expect_inputs(const sequence_t *p, int64_t gate, int64_t u, int64_t units, int64_t k,
                          const columns_t *c) {
  if (u >= p->units) u -= p->units, ++k;
  if (k < p->steps && u < p->units)
    expect(&p->in, gate * p->units + u, least(units, p->units - u), step_of(p, k), p, c, READ);
}

static int64_t lstm(const sequence_t *p, int64_t task, int64_t done) {
  const columns_t columns = columns_of(p, task), *c = &columns;
  const int64_t units = p->units, most = PANEL / 4, block = most * c->width;
  REAL *h = room_of(p, task), *next = h + padded(p) * c->width, *cells = next + padded(p) * c->width;
  if (!done) {
    begin_with(&p->h0, 0, units, c, h);
    begin_with(&p->c0, 0, units, c, cells);
  }
  if (done % 2) swap(&h, &next);
  for (int64_t k = done; k < p->steps; ++k) {
    if (is_wanted(p, k - done, k)) return k;
    const int64_t t = step_of(p, k);
    for (int64_t u = 0; u < units; u += most) {
      const int64_t here = least(most, units - u);
      REAL sums[PANEL * MOST] __attribute__((aligned(64)));
      for (int64_t g = 0; g < 4; ++g) expect_inputs(p, g, u + 2 * most, most, k, c);
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
    swap(&h, &next);
  }
  return p->steps;
}

static int64_t gru(const sequence_t *p, int64_t task, int64_t done) {
  const columns_t columns = columns_of(p, task), *c = &columns;
  const int64_t units = p->units, most = PANEL / 2, block = most * c->width;
  const REAL *candidates = p->packed + padded(p) * 2 * units;
  REAL *h = room_of(p, task), *kept = h + padded(p) * c->width, *update = kept + padded(p) * c->width;
  REAL sums[PANEL * MOST] __attribute__((aligned(64)));
  if (!done) begin_with(&p->h0, 0, units, c, h);
  for (int64_t k = done; k < p->steps; ++k) {
    if (is_wanted(p, k - done, k)) return k;
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
  return p->steps;
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

/* The rows of a panel of units that the k-th step will want: blocks `first` to before `end`, of
   which `before` is wanted of the step before. */
INLINE void expect_back(const sequence_t *p, int64_t u, int64_t k, int64_t first, int64_t end,
                        int64_t before, const columns_t *c) {
  if (k < 0) return;
  const int64_t t = step_of(p, k), here = least(PANEL, p->units - u);
  for (int64_t b = 0; b < p->blocks; ++b)
    expect(&p->in, b * p->units + u, here, t, p, c, READ);
  for (int64_t b = first; b < end; ++b)
    if (b != before || k)
      expect(&p->states, b * p->units + u, here, b == before ? step_of(p, k - 1) : t, p, c, READ);
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

static int64_t rnn_back(const sequence_t *p, int64_t task, int64_t done) {
  const columns_t columns = columns_of(p, task), *c = &columns;
  const int64_t units = p->units;
  REAL *dh = room_of(p, task), *dz = dh + padded(p) * c->width;
  if (!done) memset(dh, 0, padded(p) * c->width * sizeof(REAL));
  for (int64_t k = p->steps - 1 - done; k >= 0; --k) {
    const int64_t t = step_of(p, k), now = p->steps - 1 - k;
    if (is_wanted(p, now - done, now)) return now;
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
      expect_back(p, u, k - 1, 0, 1, -1, c);
      product(p->packed + u * units, dz, units, dh + u * c->width, c->width);
    }
  }
  put_initial(p, c, dh, 0);
  return p->steps;
}

/* What the adjoint of an LSTM reads at the k-th step, side by side: c before, act(c), i, f, o, g and
   the errors of h. The rows of a step lie so far apart that few of them fit into a cache at a time:
   they are copied while the products of the step after it run. */
enum { BEFORE, BENT, I, F, O, G, ERROR, AHEAD };

INLINE void look_ahead(const sequence_t *p, int64_t u, int64_t k, const columns_t *c, REAL *to) {
  if (k < 0) return;
  const int64_t t = step_of(p, k), here = least(PANEL, p->units - u), apart = p->units * c->width;
  REAL *rows = to + u * c->width;
  if (k) fetch(&p->states, p->units + u, here, step_of(p, k - 1), p, c, rows);
  else begin_with(&p->c0, u, here, c, rows);
  for (int64_t b = BENT; b <= G; ++b)
    fetch(&p->states, (b + 1) * p->units + u, here, t, p, c, rows + b * apart);
  fetch(&p->in, u, here, t, p, c, rows + ERROR * apart);
}

static int64_t lstm_back(const sequence_t *p, int64_t task, int64_t done) {
  const columns_t columns = columns_of(p, task), *c = &columns;
  const int64_t units = p->units, depth = 4 * units, apart = units * c->width;
  REAL *dh = room_of(p, task), *dc = dh + padded(p) * c->width, *dz = dc + padded(p) * c->width;
  REAL *ahead = dz + depth * c->width;
  if (!done) memset(dh, 0, 2 * padded(p) * c->width * sizeof(REAL));
  for (int64_t u = 0; !done && u < units; u += PANEL) look_ahead(p, u, p->steps - 1, c, ahead);
  for (int64_t k = p->steps - 1 - done; k >= 0; --k) {
    const int64_t t = step_of(p, k), now = p->steps - 1 - k;
    if (is_wanted(p, now - done, now)) return now;
    for (int64_t u = 0; u < units; u += UNITS) {
      const int64_t here = least(UNITS, units - u), count = here * c->width;
      const REAL *at = ahead + u * c->width;
      const REAL *before = at + BEFORE * apart, *bent = at + BENT * apart, *error = at + ERROR * apart;
      const REAL *i = at + I * apart, *f = at + F * apart, *o = at + O * apart, *g = at + G * apart;
      part_t e;
      REAL *eh = dh + u * c->width, *ec = dc + u * c->width;
      REAL *di = dz + u * c->width, *df = di + apart, *dout = df + apart, *dg = dout + apart;
      EACH(count) {
        store(eh + j, load(eh + j) + load(error + j));
        store(e.numbers + j, load(o + j) * load(eh + j));
      }
      add_errors(p, 2, u, here, t, c, e.numbers);
      bend(p->act, count, bent, e.numbers);
      add_errors(p, 1, u, here, t, c, ec);
      EACH(count) {
        const vec sum = load(ec + j) + load(e.numbers + j);
        store(di + j, sum * load(g + j));
        store(df + j, sum * load(before + j));
        store(dout + j, load(eh + j) * load(bent + j));
        store(dg + j, sum * load(i + j));
        store(ec + j, sum * load(f + j));
      }
      add_errors(p, 3, u, here, t, c, di);
      add_errors(p, 4, u, here, t, c, df);
      add_errors(p, 5, u, here, t, c, dout);
      add_errors(p, 6, u, here, t, c, dg);
      bend(p->gate, count, i, di);
      bend(p->gate, count, f, df);
      bend(p->gate, count, o, dout);
      bend(p->act, count, g, dg);
      put(&p->out, u, here, t, p, c, di);
      put(&p->out, units + u, here, t, p, c, df);
      put(&p->out, 2 * units + u, here, t, p, c, dout);
      put(&p->out, 3 * units + u, here, t, p, c, dg);
    }
    for (int64_t u = 0; u < units; u += PANEL) {
      expect_back(p, u, k - 1, 1, 7, 1, c);
      product(p->packed + u * depth, dz, depth, dh + u * c->width, c->width);
      look_ahead(p, u, k - 1, c, ahead);
    }
  }
  put_initial(p, c, dh, dc);
  return p->steps;
}

static int64_t gru_back(const sequence_t *p, int64_t task, int64_t done) {
  const columns_t columns = columns_of(p, task), *c = &columns;
  const int64_t units = p->units, all = units * c->width;
  const REAL *candidates = p->packed + padded(p) * 2 * units;
  REAL *dh = room_of(p, task), *dkept = dh + padded(p) * c->width;
  REAL *dr = dkept + padded(p) * c->width, *dz = dr + all, *dg = dz + all;
  if (!done) memset(dh, 0, padded(p) * c->width * sizeof(REAL));
  for (int64_t k = p->steps - 1 - done; k >= 0; --k) {
    const int64_t t = step_of(p, k), now = p->steps - 1 - k;
    if (is_wanted(p, now - done, now)) return now;
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
      expect_back(p, u, k - 1, 0, 4, 0, c);
      product(p->packed + u * 2 * units, dr, 2 * units, sums, c->width);
      REAL *eh = dh + u * c->width;
      EACH(count) store(eh + j, load(eh + j) + load(sums + j));
    }
  }
  put_initial(p, c, dh, 0);
  return p->steps;
}

/* Whichever tasks they are: who comes takes columns that nobody has begun. */
#define ENTRY(name, function)                                                     \
  void name(const uint64_t *words, int64_t begin, int64_t end) {                  \
    const sequence_t *p = (const sequence_t *)words;                              \
    share(p, function);                                                           \
    if (p->large) NEO_STREAMED();                                                 \
  }
ENTRY(neo_rnn, rnn)
ENTRY(neo_lstm, lstm)
ENTRY(neo_gru, gru)
ENTRY(neo_rnn_backward, rnn_back)
ENTRY(neo_lstm_backward, lstm_back)
ENTRY(neo_gru_backward, gru_back)

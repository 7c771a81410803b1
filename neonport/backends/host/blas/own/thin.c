/* Products c = alpha * a @ b + beta * c with short sums and many columns: what all steps of sequences,
   or all places of images, give to a layer. Rows of b and c lie side by side. REAL is defined above.

   a is copied once into panels of rows; it is small. A task makes all rows of some columns, of which it
   copies the rows of b: both b and c are far apart from row to row, often by a power of two. */
#include "prelude.h"
#include "vectors.h"
#include "panel.h"

#define BLOCK (2 * LANES) /* columns of a block of b */
#define COLUMNS (8 * BLOCK) /* of a task, at most */
#define DEPTH 256         /* terms, at most: as THIN_DEPTH in panels.py */
#define LINE (64 / (int64_t)sizeof(REAL))

typedef struct {
  int64_t m, n, k;
  int64_t step_a, step_b, step_c; /* numbers from row to row */
  int64_t columns;                /* of a task: a multiple of BLOCK */
  int64_t turned;                 /* whether a is: its columns lie side by side */
  int64_t large;                  /* whether c is too large for the cache to keep */
  double alpha, beta;
  const REAL *a, *b;
  REAL *c, *packed;
} thin_t;

const int64_t neo_panel = PANEL, neo_block = BLOCK, neo_columns = COLUMNS;
const int64_t neo_bytes = BYTES;

/* The rows of b of a block of columns, and those of the next one, copied between products. Not on the
   stack: that of a thread that calls may be small. */
static _Thread_local REAL blocks[2][DEPTH * BLOCK] __attribute__((aligned(64)));

void neo_thin_pack(const uint64_t *words, int64_t begin, int64_t end) {
  const thin_t *p = (const thin_t *)words;
  for (int64_t task = begin; task < end; ++task) {
    const int64_t m = task * PANEL;
    REAL *to = p->packed + m * p->k;
    for (int64_t k = 0; k < p->k; ++k)
      for (int64_t r = 0; r < PANEL; ++r) {
        const int64_t row = m + r;
        const REAL *from = p->turned ? p->a + k * p->step_a + row : p->a + row * p->step_a + k;
        to[k * PANEL + r] = row < p->m ? *from : 0;
      }
  }
}

APART void product_1(const REAL *panel, const REAL *x, int64_t depth, REAL *out) {
  product_of(panel, PANEL, x, BLOCK, depth, out, 1);
}

APART void product_2(const REAL *panel, const REAL *x, int64_t depth, REAL *out) {
  product_of(panel, PANEL, x, BLOCK, depth, out, 2);
}

/* Some columns of rows of b, zeros behind the last. */
static void copy(const thin_t *p, int64_t n, int64_t first, int64_t last, int64_t count, REAL *to) {
  const REAL *from = p->b + first * p->step_b + n;
  to += first * BLOCK;
  for (int64_t k = first; k < last; ++k, from += p->step_b, to += BLOCK) {
    if (count == BLOCK)
      for (int64_t v = 0; v < BLOCK; v += LANES) store(to + v, load(from + v));
    else
      for (int64_t j = 0; j < BLOCK; ++j) to[j] = j < count ? from[j] : 0;
  }
}

/* Rows of sums into c. */
INLINE void put(const thin_t *p, int64_t m, int64_t n, int64_t high, int64_t count, int64_t width,
                const REAL *sums) {
  const REAL alpha = (REAL)p->alpha, beta = (REAL)p->beta;
  const int64_t step = p->step_c;
  REAL *to = p->c + m * step + n;
  const int whole = count == width, plain = alpha == 1 && beta == 0;
  if (plain && whole && p->large && !(step % LINE) && !((uintptr_t)to % 64)) {
    for (int64_t r = 0; r < high; ++r, to += step, sums += width)
      for (int64_t j = 0; j < width; j += LINE) NEO_STREAM_LINE(to + j, sums + j);
  } else if (plain && whole) {
    for (int64_t r = 0; r < high; ++r, to += step, sums += width)
      for (int64_t v = 0; v < width; v += LANES) store(to + v, load(sums + v));
  } else {
    for (int64_t r = 0; r < high; ++r, to += step, sums += width)
      for (int64_t j = 0; j < count; ++j)
        to[j] = beta == 0 ? alpha * sums[j] : alpha * sums[j] + beta * to[j];
  }
}

/* Rows of the block of b that comes next, fetched between products. */
INLINE void expect(const thin_t *p, int64_t n, int64_t from, int64_t to) {
  const REAL *row = p->b + from * p->step_b + n;
  for (int64_t k = from; k < to; ++k, row += p->step_b)
    for (int64_t j = 0; j < BLOCK; j += LINE) __builtin_prefetch(row + j, 0, 3);
}

/* All rows of some columns of c. */
static void columns(const thin_t *p, int64_t begin, int64_t end) {
  const int64_t each = PANEL * p->k / p->m + 1; /* rows of the next block that are copied a panel */
  copy(p, begin, 0, p->k, least(BLOCK, end - begin), blocks[0]);
  for (int64_t n = begin, turn = 0; n < end; n += BLOCK, turn = !turn) {
    const int64_t count = least(BLOCK, end - n), width = count > LANES ? 2 * LANES : LANES;
    const int64_t next = least(BLOCK, end - n - BLOCK), rows = next > 0 ? p->k : 0;
    int64_t copied = 0, wanted = 0;
    for (int64_t m = 0; m < p->m; m += PANEL) {
      const int64_t seen = least(rows, wanted + each);
      REAL sums[PANEL * BLOCK] __attribute__((aligned(64)));
      expect(p, n + BLOCK, wanted, seen);
      if (width == LANES) product_1(p->packed + m * p->k, blocks[turn], p->k, sums);
      else product_2(p->packed + m * p->k, blocks[turn], p->k, sums);
      copy(p, n + BLOCK, copied, wanted, next, blocks[!turn]);
      copied = wanted;
      wanted = seen;
      put(p, m, n, least(PANEL, p->m - m), count, width, sums);
    }
    copy(p, n + BLOCK, copied, rows, next, blocks[!turn]);
  }
}

void neo_thin(const uint64_t *words, int64_t begin, int64_t end) {
  const thin_t *p = (const thin_t *)words;
  for (int64_t task = begin; task < end; ++task)
    columns(p, task * p->columns, least(p->n, (task + 1) * p->columns));
  if (p->large) NEO_STREAMED();
}

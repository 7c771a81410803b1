/* Products c = alpha * a @ b + beta * c that are long sums: rows of a and columns of b lie side by
   side. REAL is defined above.

   b is copied once into blocks of columns, a some rows at a time: both are far apart from row to row,
   often by a power of two, which a cache holds few of. A task makes some rows of c. */
#include "prelude.h"
#include "vectors.h"
#include "panel.h"

#define GROUP 24    /* rows of a task */
#define BLOCK (2 * LANES) /* columns of a block of b */
#define COLUMNS 256 /* of a task, at most: a multiple of BLOCK */
#define DEPTH 128   /* terms at a time: a block of them and the rows fill the first cache */
#define FEW 4       /* columns behind the last whole vector that are worked out one by one */
#define SPREAD ((GROUP + LANES - 1) / LANES) /* vectors of the rows of a task */

typedef struct {
  int64_t m, n, k;
  int64_t step_a, step_b, step_c; /* numbers from row to row, of b: from column to column */
  int64_t columns;                /* of a task */
  double alpha, beta;
  const REAL *a, *b;
  REAL *c, *packed;
} wide_t;

const int64_t neo_group = GROUP, neo_block = BLOCK, neo_columns = COLUMNS, neo_depth = DEPTH;
const int64_t neo_bytes = BYTES;

/* Not on the stack: that of a thread that calls may be small. */
static _Thread_local REAL rows[DEPTH * GROUP + SPREAD * LANES] __attribute__((aligned(64)));
static _Thread_local REAL totals[GROUP * COLUMNS] __attribute__((aligned(64)));

#if __has_builtin(__builtin_shufflevector)
#define IN_EIGHTS 1 /* blocks are turned in registers */
#else
#define IN_EIGHTS 0
#endif
typedef REAL eight __attribute__((vector_size(8 * sizeof(REAL)), aligned(sizeof(REAL))));

/* to[k][j] = from[j][k], rows of `to` being `across` numbers apart. */
static void turn(const REAL *from, int64_t step, int64_t depth, int64_t count, REAL *to,
                 int64_t across) {
  const int64_t whole_depth = depth & -8, whole = IN_EIGHTS ? count & -8 : 0;
#if IN_EIGHTS
  for (int64_t j = 0; j < whole; j += 8)
    for (int64_t k = 0; k < whole_depth; k += 8) {
      eight v[8], z[8];
      UNROLL for (int i = 0; i < 8; ++i) v[i] = *(const eight *)(from + (j + i) * step + k);
      UNROLL for (int stage = 0; stage < 3; ++stage) {
        UNROLL for (int i = 0; i < 4; ++i) {
          z[2 * i] = NEO_ZIP_LOW(v[i], v[i + 4]);
          z[2 * i + 1] = NEO_ZIP_HIGH(v[i], v[i + 4]);
        }
        UNROLL for (int i = 0; i < 8; ++i) v[i] = z[i];
      }
      UNROLL for (int i = 0; i < 8; ++i) *(eight *)(to + (k + i) * across + j) = v[i];
    }
#endif
  for (int64_t j = 0; j < count; ++j)
    for (int64_t k = j < whole ? whole_depth : 0; k < depth; ++k)
      to[k * across + j] = from[j * step + k];
}

/* How far the rows of a block of columns are apart: few columns lie close together. */
INLINE int64_t across_of(int64_t count) { return count > FEW ? BLOCK : count > 2 ? FEW : count; }

void neo_wide_pack(const uint64_t *words, int64_t begin, int64_t end) {
  const wide_t *p = (const wide_t *)words;
  const int64_t parts = (p->k + DEPTH - 1) / DEPTH;
  for (int64_t task = begin; task < end; ++task) {
    const int64_t n = task / parts * BLOCK, k = task % parts * DEPTH;
    const int64_t count = least(BLOCK, p->n - n), depth = least(DEPTH, p->k - k);
    const int64_t across = across_of(count);
    turn(p->b + n * p->step_b + k, p->step_b, depth, count, p->packed + n * p->k + k * across, across);
  }
}

APART void product_1(const REAL *panel, const REAL *x, int64_t depth, REAL *out) {
  product_of(panel, GROUP, x, BLOCK, depth, out, 1);
}

APART void product_2(const REAL *panel, const REAL *x, int64_t depth, REAL *out) {
  product_of(panel, GROUP, x, BLOCK, depth, out, 2);
}

/* A few columns: the rows lie along the lanes. Terms are added up in several sums, as one waits for
   the addition before. What stands behind the last row is not read. */
INLINE void narrow_of(const REAL *x, int64_t depth, int64_t high, REAL *total, const int count) {
  const int apart = FEW / count;
  vec sums[FEW][SPREAD];
  UNROLL for (int j = 0; j < FEW; ++j) UNROLL for (int v = 0; v < SPREAD; ++v) sums[j][v] = (vec){0};
  const REAL *row = rows;
  int64_t k = 0;
  for (; k + apart <= depth; k += apart)
    UNROLL for (int i = 0; i < apart; ++i, row += GROUP, x += count)
      UNROLL for (int j = 0; j < count; ++j)
        UNROLL for (int v = 0; v < SPREAD; ++v)
          sums[i * count + j][v] += x[j] * load(row + v * LANES);
  for (; k < depth; ++k, row += GROUP, x += count)
    UNROLL for (int j = 0; j < count; ++j)
      UNROLL for (int v = 0; v < SPREAD; ++v) sums[j][v] += x[j] * load(row + v * LANES);
  UNROLL for (int j = 0; j < count; ++j) {
    REAL lanes[SPREAD * LANES];
    UNROLL for (int v = 0; v < SPREAD; ++v) {
      vec sum = sums[j][v];
      UNROLL for (int i = 1; i < apart; ++i) sum += sums[i * count + j][v];
      store(lanes + v * LANES, sum);
    }
    for (int64_t r = 0; r < high; ++r) total[r * COLUMNS + j] += lanes[r];
  }
}

APART void narrow(const REAL *x, int64_t count, int64_t depth, int64_t high, REAL *total) {
  if (count == 1) narrow_of(x, depth, high, total, 1);
  else if (count == 2) narrow_of(x, depth, high, total, 2);
  else narrow_of(x, depth, high, total, FEW); /* what behind the last one gives is not stored */
}

/* Lines of the rows that come next, fetched between products: the rows are so far apart that the
   processor does not see them coming. */
typedef struct {
  const REAL *at;
  int64_t step, high, depth, row, column;
} ahead_t;

INLINE void expect(ahead_t *p, int64_t count) {
  for (; count > 0 && p->row < p->high; --count) {
    __builtin_prefetch(p->at + p->row * p->step + p->column, 0, 2);
    p->column += LANES;
    if (p->column >= p->depth) p->column = 0, ++p->row;
  }
}

void neo_wide(const uint64_t *words, int64_t begin, int64_t end) {
  const wide_t *p = (const wide_t *)words;
  const int64_t across = (p->n + p->columns - 1) / p->columns;
  const REAL alpha = (REAL)p->alpha, beta = (REAL)p->beta;
  for (int64_t task = begin; task < end; ++task) {
    const int64_t m = task / across * GROUP, n = task % across * p->columns;
    const int64_t high = least(GROUP, p->m - m), wide = least(p->columns, p->n - n);
    memset(totals, 0, sizeof totals);
    for (int64_t k = 0; k < p->k; k += DEPTH) {
      const int64_t depth = least(DEPTH, p->k - k);
      turn(p->a + m * p->step_a + k, p->step_a, depth, high, rows, GROUP);
      const int64_t next = least(DEPTH, p->k - k - depth), lines = high * ((next + LANES - 1) / LANES);
      const int64_t each = lines / ((wide + 2 * LANES - 1) / (2 * LANES) * ((high + PANEL - 1) / PANEL)) + 1;
      ahead_t ahead = {p->a + m * p->step_a + k + depth, p->step_a, high, next, next > 0 ? 0 : high, 0};
      for (int64_t j = 0; j < wide; j += 2 * LANES) {
        const REAL *x = p->packed + (n + j) * p->k;
        if (wide - j <= FEW) {
          narrow(x + k * across_of(wide - j), wide - j, depth, high, totals + j);
          break;
        }
        x += k * BLOCK;
        const int64_t width = wide - j > LANES ? 2 * LANES : LANES;
        for (int64_t r = 0; r < high; r += PANEL) {
          REAL out[PANEL * 2 * LANES] __attribute__((aligned(64)));
          expect(&ahead, each);
          if (width == LANES) product_1(rows + r, x, depth, out);
          else product_2(rows + r, x, depth, out);
          for (int64_t i = 0; i < PANEL; ++i)
            for (int64_t v = 0; v < width; v += LANES) {
              REAL *total = totals + (r + i) * COLUMNS + j + v;
              store(total, load(total) + load(out + i * width + v));
            }
        }
      }
    }
    for (int64_t r = 0; r < high; ++r) {
      REAL *c = p->c + (m + r) * p->step_c + n;
      const REAL *total = totals + r * COLUMNS;
      if (beta == 0)
        for (int64_t j = 0; j < wide; ++j) c[j] = alpha * total[j];
      else
        for (int64_t j = 0; j < wide; ++j) c[j] = alpha * total[j] + beta * c[j];
    }
  }
}

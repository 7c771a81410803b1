/* Products c = alpha * a @ b + beta * c that are long sums: rows of a and columns of b lie side by
   side. Several factors b may share one a, each with a target of its own. REAL is defined above.

   The columns of all factors are copied once into blocks, a is copied some rows and terms at a time:
   both are far apart from row to row, often by a power of two, which a cache holds few of. A task makes
   some rows and columns: as many rows that a block, which comes from a far cache, is read by several
   panels. Where there are few of both, it takes a part of the sum, and the parts are joined in order. */
#include "prelude.h"
#include "vectors.h"
#include "panel.h"

#define GROUP 24    /* rows that are copied together: whole vectors, or about */
#define HEIGHT (3 * GROUP) /* rows of a task, at most */
#define BLOCK (2 * LANES) /* columns of a block */
#define COLUMNS 256 /* of a task, at most: a multiple of BLOCK */
#define DEPTH 128   /* terms at a time: a block of them and the rows fill the first cache */
#define FEW 4       /* columns behind the last whole vector that are worked out one by one */
#define FACTORS 4   /* at most */
#define SPREAD ((GROUP + LANES - 1) / LANES) /* vectors of a group of rows */
#define LINE (64 / (int64_t)sizeof(REAL))

typedef struct {
  int64_t n;              /* columns */
  int64_t step_b, step_c; /* numbers from column to column of b, from row to row of c */
  int64_t first, last;    /* the terms that b has: it begins with the first of them */
  const REAL *b;
  REAL *c, *packed;
} factor_t;

/* Columns are counted with what is missing to whole blocks of each factor. */
typedef struct {
  int64_t m, n, k;
  int64_t step_a; /* numbers from row to row */
  int64_t rows, columns, terms; /* of a task: whole blocks, whole DEPTHs */
  double alpha, beta;
  const REAL *a;
  REAL *sums; /* (parts, m, n), where there are several parts of terms */
  factor_t factor[FACTORS];
} wide_t;

const int64_t neo_group = GROUP, neo_block = BLOCK, neo_columns = COLUMNS, neo_depth = DEPTH;
const int64_t neo_height = HEIGHT, neo_factors = FACTORS, neo_bytes = BYTES;

/* Not on the stack: that of a thread that calls may be small. */
static _Thread_local REAL rows[DEPTH * HEIGHT + SPREAD * LANES] __attribute__((aligned(64)));
static _Thread_local REAL totals[HEIGHT * COLUMNS] __attribute__((aligned(64)));

static inline int64_t parts_of(int64_t whole, int64_t part) { return (whole + part - 1) / part; }

/* ---- copies ------------------------------------------------------------------------------------*/

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

/* A block of columns, some terms of it. */
typedef struct {
  const factor_t *factor;
  int64_t first, count;  /* columns of the factor */
  int64_t begin, depth;  /* terms that it has, of those that are asked for */
  REAL *at;              /* the copy of the first of them */
  int64_t across;
} block_t;

static block_t block_of(const wide_t *p, int64_t n, int64_t k, int64_t depth) {
  const factor_t *f = p->factor;
  for (int64_t all; n >= (all = parts_of(f->n, BLOCK) * BLOCK); ++f) n -= all;
  const int64_t whole = f->n / BLOCK * BLOCK, count = least(BLOCK, f->n - n);
  const int64_t begin = f->first > k ? least(depth, f->first - k) : 0;
  const int64_t end = f->last > k ? least(depth, f->last - k) : 0;
  /* blocks of the same terms lie side by side, as they are read; the last one may be narrow */
  REAL *at = f->packed + k * (whole + across_of(f->n - whole)) + n * depth;
  return (block_t){f, n, count, begin, end - begin, at + begin * across_of(count), across_of(count)};
}

void neo_wide_pack(const uint64_t *words, int64_t begin, int64_t end) {
  const wide_t *p = (const wide_t *)words;
  const int64_t across = p->n / BLOCK;
  for (int64_t task = begin; task < end; ++task) {
    const int64_t k = task / across * DEPTH;
    const block_t b = block_of(p, task % across * BLOCK, k, least(DEPTH, p->k - k));
    const factor_t *f = b.factor;
    if (b.depth > 0)
      turn(f->b + b.first * f->step_b + k + b.begin - f->first, f->step_b, b.depth, b.count, b.at,
           b.across);
  }
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
    p->column += LINE;
    if (p->column >= p->depth) p->column = 0, ++p->row;
  }
}

/* ---- products ----------------------------------------------------------------------------------*/

/* Rows of a panel times nv vectors of a block, added to totals. */
INLINE void product_of_rows(const REAL *panel, const REAL *x, int64_t depth, REAL *total,
                            const int high, const int nv) {
  const int most = high < ROWS ? high : ROWS;
  for (int first = 0; first < high; first += most, total += most * COLUMNS) {
    vec sums[ROWS][2];
    UNROLL for (int r = 0; r < most; ++r)
      UNROLL for (int v = 0; v < nv; ++v) sums[r][v] = (vec){0};
    const REAL *w = panel + first, *row = x;
    for (int64_t k = 0; k < depth; ++k, w += GROUP, row += BLOCK) {
      vec values[2];
      UNROLL for (int v = 0; v < nv; ++v) values[v] = load(row + v * LANES);
      UNROLL for (int r = 0; r < most; ++r)
        UNROLL for (int v = 0; v < nv; ++v) sums[r][v] += w[r] * values[v];
    }
    UNROLL for (int r = 0; r < most; ++r)
      UNROLL for (int v = 0; v < nv; ++v) {
        REAL *at = total + r * COLUMNS + v * LANES;
        store(at, load(at) + sums[r][v]);
      }
  }
}

#define PRODUCT(name, high, nv)                                                              \
  APART void name(const REAL *panel, const REAL *x, int64_t depth, REAL *total) {            \
    product_of_rows(panel, x, depth, total, high, nv);                                       \
  }
PRODUCT(whole, PANEL, 2)
PRODUCT(half, PANEL, 1)
PRODUCT(low_whole, PANEL / 3, 2)
PRODUCT(low_half, PANEL / 3, 1)

/* A panel's rows, as many as there are, in steps of the kernels' heights. */
INLINE void product(const REAL *panel, const REAL *x, int64_t depth, int64_t high, int64_t wide,
                    REAL *total) {
  if (high > 2 * PANEL / 3) (wide > LANES ? whole : half)(panel, x, depth, total);
  else
    for (int64_t r = 0; r < high; r += PANEL / 3)
      (wide > LANES ? low_whole : low_half)(panel + r, x, depth, total + r * COLUMNS);
}

/* A few columns: the rows lie along the lanes. Terms are added up in several sums, as one waits for
   the addition before. What stands behind the last row is not read. */
INLINE void narrow_of(const REAL *group, const REAL *x, int64_t depth, REAL *total, const int count) {
  const int apart = FEW / count;
  vec sums[FEW][SPREAD];
  UNROLL for (int j = 0; j < FEW; ++j) UNROLL for (int v = 0; v < SPREAD; ++v) sums[j][v] = (vec){0};
  const REAL *row = group;
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
    for (int64_t r = 0; r < GROUP; ++r) total[r * COLUMNS + j] += lanes[r];
  }
}

APART void narrow(const REAL *group, const REAL *x, int64_t count, int64_t depth, REAL *total) {
  if (count == 1) narrow_of(group, x, depth, total, 1);
  else if (count == 2) narrow_of(group, x, depth, total, 2);
  else narrow_of(group, x, depth, total, FEW); /* what behind the last one gives is not stored */
}

/* Some rows and columns of sums, `step` numbers from row to row, into the targets. */
static void put(const wide_t *p, int64_t m, int64_t high, int64_t n, int64_t wide, const REAL *sums,
                int64_t step) {
  const REAL alpha = (REAL)p->alpha, beta = (REAL)p->beta;
  for (int64_t j = 0; j < wide; j += BLOCK) {
    const block_t b = block_of(p, n + j, 0, 0);
    const REAL *from = sums + j;
    REAL *c = b.factor->c + m * b.factor->step_c + b.first;
    for (int64_t r = 0; r < high; ++r, c += b.factor->step_c, from += step)
      if (beta == 0)
        for (int64_t i = 0; i < b.count; ++i) c[i] = alpha * from[i];
      else
        for (int64_t i = 0; i < b.count; ++i) c[i] = alpha * from[i] + beta * c[i];
  }
}

/* Adds some terms to the totals of a task. */
static void terms(const wide_t *p, int64_t m, int64_t high, int64_t n, int64_t wide, int64_t k) {
  const int64_t depth = least(DEPTH, p->k - k), next = least(DEPTH, p->k - k - depth);
  const REAL *a = p->a + m * p->step_a + k;
  for (int64_t r = 0; r < high; r += GROUP)
    turn(a + r * p->step_a, p->step_a, depth, least(GROUP, high - r), rows + r * DEPTH, GROUP);
  const int64_t lines = high * parts_of(next, LINE);
  const int64_t each = lines / (wide / BLOCK * parts_of(high, PANEL)) + 1;
  ahead_t ahead = {a + depth, p->step_a, high, next, next > 0 ? 0 : high, 0};
  for (int64_t j = 0; j < wide; j += BLOCK) {
    const block_t b = block_of(p, n + j, k, depth);
    const REAL *from = rows + b.begin * GROUP;
    if (b.depth <= 0) continue;
    if (b.count <= FEW)
      for (int64_t r = 0; r < high; r += GROUP)
        narrow(from + r * DEPTH, b.at, b.count, b.depth, totals + r * COLUMNS + j);
    else
      for (int64_t r = 0; r < high; r += PANEL) {
        const int64_t within = r % GROUP;
        expect(&ahead, each);
        product(from + (r - within) * DEPTH + within, b.at, b.depth, least(PANEL, high - r), b.count,
                totals + r * COLUMNS + j);
      }
  }
}

void neo_wide(const uint64_t *words, int64_t begin, int64_t end) {
  const wide_t *p = (const wide_t *)words;
  const int64_t across = parts_of(p->n, p->columns), down = parts_of(p->m, p->rows);
  for (int64_t task = begin; task < end; ++task) {
    const int64_t part = task / (across * down), first = part * p->terms;
    const int64_t m = task / across % down * p->rows, n = task % across * p->columns;
    const int64_t high = least(p->rows, p->m - m), wide = least(p->columns, p->n - n);
    memset(totals, 0, parts_of(high, GROUP) * GROUP * COLUMNS * sizeof(REAL));
    for (int64_t k = first; k < least(p->k, first + p->terms); k += DEPTH)
      terms(p, m, high, n, wide, k);
    if (p->terms >= p->k) put(p, m, high, n, wide, totals, COLUMNS);
    else
      for (int64_t r = 0; r < high; ++r)
        memcpy(p->sums + (part * p->m + m + r) * p->n + n, totals + r * COLUMNS, wide * sizeof(REAL));
  }
}

/* Rows of the targets, from the parts of their sums. */
void neo_wide_join(const uint64_t *words, int64_t begin, int64_t end) {
  const wide_t *p = (const wide_t *)words;
  for (int64_t m = begin; m < end; ++m) {
    REAL *sum = p->sums + m * p->n;
    for (int64_t part = 1; part < parts_of(p->k, p->terms); ++part) {
      const REAL *other = sum + part * p->m * p->n;
      for (int64_t j = 0; j < p->n; ++j) sum[j] += other[j];
    }
    put(p, m, 1, 0, p->n, sum, p->n);
  }
}

/* Products c = alpha * a @ b + beta * c of large matrices, plain or transposed. REAL is defined above.

   A task makes a rectangle of c. Its thread copies the columns of b, which it keeps for the tasks that
   follow, and the rows of a. Nothing is shared: what one core writes and another reads takes longer
   than to copy it twice. Products fetch what comes next meanwhile, also what is copied then. */
#include "prelude.h"
#include <stdatomic.h>
#include "vectors.h"
#include "panel.h"

#define GROUP (2 * PANEL) /* rows that are copied together: whole vectors */
#define BLOCK (2 * LANES) /* columns of a block of b */
#define SEVERAL 4         /* blocks that are copied together */
#define DEPTH (4096 / (int64_t)sizeof(REAL))  /* terms, at most */
#define WIDTH (4096 / (int64_t)sizeof(REAL)) /* columns of a task, at most */
#define HEIGHT (2 * GROUP)                   /* rows of a task, at most */
#define LINE (64 / (int64_t)sizeof(REAL))
#define FAR 2   /* lines from what is turned to what is fetched */
#define BELOW 32 /* the same for what is copied row by row */

typedef struct {
  int64_t m, n, k;
  int64_t step_a, step_b, step_c; /* numbers from row to row */
  int64_t turned_a, turned_b;     /* whether they are transposed */
  int64_t rows, columns;          /* of a task: whole groups and blocks */
  double alpha, beta;
  const REAL *a, *b;
  REAL *c;
  uint64_t call; /* its number in this process */
} large_t;

const int64_t neo_group = GROUP, neo_block = BLOCK, neo_depth = DEPTH, neo_bytes = BYTES;
const int64_t neo_width = WIDTH, neo_height = HEIGHT;
const int64_t neo_copies = (WIDTH + HEIGHT) * DEPTH * sizeof(REAL);

/* Of each thread. `held` says which columns of which call its copy of b is. */
static _Thread_local REAL copy_a[HEIGHT * DEPTH] __attribute__((aligned(64)));
static _Thread_local REAL copy_b[WIDTH * DEPTH] __attribute__((aligned(64)));
static _Thread_local struct {
  uint64_t call;
  int64_t n;
} held;

static inline int64_t parts_of(int64_t whole, int64_t part) { return (whole + part - 1) / part; }

/* ---- copies ------------------------------------------------------------------------------------*/

#if __has_builtin(__builtin_shufflevector)
#define IN_EIGHTS 1 /* rows are turned in registers */
#else
#define IN_EIGHTS 0
#endif
typedef REAL eight __attribute__((vector_size(8 * sizeof(REAL)), aligned(sizeof(REAL))));

/* to[k][j] = from[j][k] for eight j and k. */
INLINE void turn_eight(const REAL *from, int64_t step, REAL *to, const int64_t across) {
#if IN_EIGHTS
  eight v[8], z[8];
  UNROLL for (int i = 0; i < 8; ++i) v[i] = *(const eight *)(from + i * step);
  UNROLL for (int stage = 0; stage < 3; ++stage) {
    UNROLL for (int i = 0; i < 4; ++i) {
      z[2 * i] = NEO_ZIP_LOW(v[i], v[i + 4]);
      z[2 * i + 1] = NEO_ZIP_HIGH(v[i], v[i + 4]);
    }
    UNROLL for (int i = 0; i < 8; ++i) v[i] = z[i];
  }
  UNROLL for (int i = 0; i < 8; ++i) *(eight *)(to + i * across) = v[i];
#endif
}

/* to[k][j] = from[j][k] for j < count: a line of each row at a time, as rows may be a power of two
   apart, of which a cache holds few. Rows of `to` are `across` numbers apart. */
INLINE void turn(const REAL *from, int64_t step, int64_t depth, int64_t count, REAL *to,
                 const int64_t across) {
  const int64_t deep = IN_EIGHTS ? depth & -8 : 0, whole = IN_EIGHTS ? count & -8 : 0;
  for (int64_t first = 0; first < deep; first += LINE)
    for (int64_t j = 0; j < whole; j += 8) {
      const REAL *row = from + j * step + first;
      for (int i = 0; i < 8; ++i) __builtin_prefetch(row + i * step + FAR * LINE, 0, 3);
      for (int64_t k = 0; k < least(LINE, deep - first); k += 8)
        turn_eight(row + k, step, to + (first + k) * across + j, across);
    }
  for (int64_t j = 0; j < count; ++j)
    for (int64_t k = j < whole ? deep : 0; k < depth; ++k) to[k * across + j] = from[j * step + k];
}

/* Some blocks that lie side by side, row by row: a memory gives what is long fastest. */
INLINE void copy(const REAL *from, int64_t step, int64_t depth, int64_t count, REAL *to,
                 const int64_t across) {
  const int64_t below = BELOW * LINE / count * step;
  for (int64_t k = 0; k < depth; ++k, from += step, to += across) {
    for (int64_t j = 0; j < count; j += LINE) __builtin_prefetch(from + below + j, 0, 3);
    for (int64_t j = 0; j < count; j += across) memcpy(to + j * depth, from + j, across * sizeof(REAL));
  }
}

/* `count` rows of a, or columns of b, in blocks of `across`, with zeros behind the last. They lie
   along the sum, and are turned; else across it. */
INLINE void pack(const REAL *from, int64_t step, int along, int64_t depth, int64_t count, REAL *to,
                 const int64_t across) {
  const int64_t whole = along ? 0 : count / across * across;
  for (int64_t first = 0; first < whole; first += SEVERAL * across)
    copy(from + first, step, depth, least(SEVERAL * across, whole - first), to + first * depth, across);
  for (int64_t first = whole; first < count; first += across) {
    const int64_t some = least(across, count - first), rest = across - some;
    REAL *there = to + first * depth;
    if (along) turn(from + first * step, step, depth, some, there, across);
    else
      for (int64_t k = 0; k < depth; ++k)
        memcpy(there + k * across, from + k * step + first, some * sizeof(REAL));
    if (rest)
      for (int64_t k = 0; k < depth; ++k) memset(there + k * across + some, 0, rest * sizeof(REAL));
  }
}

/* ---- products ----------------------------------------------------------------------------------*/

/* What a product fetches for those that follow: a place each term, `step` numbers apart. */
typedef struct {
  const REAL *at;
  int64_t step;
} ahead_t;

/* Into c, and how: c = alpha * sum + beta * c. */
typedef struct {
  REAL *c;
  int64_t step;
  REAL alpha, beta;
} target_t;

/* `high` rows of a panel times nv vectors of a block, into c, which is fetched meanwhile. */
INLINE void product(const REAL *panel, const REAL *x, int64_t depth, target_t to, ahead_t of_a,
                    ahead_t of_b, const int high, const int nv) {
  const int most = high < ROWS ? high : ROWS;
  for (int first = 0; first < high; first += most) {
    vec sums[ROWS][2];
    UNROLL for (int r = 0; r < most; ++r)
      UNROLL for (int v = 0; v < nv; ++v) sums[r][v] = (vec){0};
    REAL *c = to.c + first * to.step;
    const REAL *w = panel + first, *row = x;
    ahead_t one = {c, to.step}, other = {c + nv * LANES - 1, to.step};
    for (int64_t k = 0, until = least(most, depth);;) {
      for (; k < until; ++k, w += GROUP, row += BLOCK, one.at += one.step, other.at += other.step) {
        vec values[2];
        UNROLL for (int v = 0; v < nv; ++v) values[v] = load(row + v * LANES);
        UNROLL for (int r = 0; r < most; ++r)
          UNROLL for (int v = 0; v < nv; ++v) sums[r][v] += w[r] * values[v];
        __builtin_prefetch(one.at, 0, 3);
        __builtin_prefetch(other.at, 0, 3);
      }
      if (k == depth) break;
      one = of_a, other = of_b, until = depth;
    }
    UNROLL for (int r = 0; r < most; ++r, c += to.step)
      UNROLL for (int v = 0; v < nv; ++v) {
        const vec sum = to.alpha * sums[r][v];
        store(c + v * LANES, to.beta == 0 ? sum : sum + to.beta * load(c + v * LANES));
      }
  }
}

APART void whole(const REAL *panel, const REAL *x, int64_t depth, target_t to, ahead_t of_a,
                 ahead_t of_b) {
  product(panel, x, depth, to, of_a, of_b, PANEL, 2);
}

/* At the edges of c: the products of as many rows as there are, about, and of half a block. */
#define EDGE(name, high, nv)                                                                      \
  APART void name(const REAL *panel, const REAL *x, int64_t depth, target_t to, ahead_t of_a,     \
                  ahead_t of_b) {                                                                 \
    product(panel, x, depth, to, of_a, of_b, high, nv);                                           \
  }
EDGE(low_narrow, PANEL / 3, 1)
EDGE(low_wide, PANEL / 3, 2)
EDGE(middle_narrow, PANEL * 2 / 3, 1)
EDGE(middle_wide, PANEL * 2 / 3, 2)
EDGE(high_narrow, PANEL, 1)

static void edge(const REAL *panel, const REAL *x, int64_t depth, target_t to, ahead_t of_a,
                 ahead_t of_b, int64_t high, int64_t wide) {
  REAL out[PANEL * BLOCK] __attribute__((aligned(64)));
  const target_t there = {out, BLOCK, to.alpha, 0};
  const int narrow = wide <= LANES;
  (high <= PANEL / 3 ? narrow ? low_narrow : low_wide
   : high <= PANEL * 2 / 3 ? narrow ? middle_narrow : middle_wide
   : narrow ? high_narrow : whole)(panel, x, depth, there, of_a, of_b);
  const REAL *sums = out;
  for (int64_t r = 0; r < high; ++r, to.c += to.step, sums += BLOCK)
    for (int64_t j = 0; j < wide; ++j)
      to.c[j] = to.beta == 0 ? sums[j] : sums[j] + to.beta * to.c[j];
}

/* One task: a call begins, whose operands may hold new numbers. */
void neo_large_begin(const uint64_t *words, int64_t begin, int64_t end) {
  static atomic_ullong calls;
  ((large_t *)words)->call = atomic_fetch_add(&calls, 1) + 1;
}

/* A rectangle of c, from what was copied; `next` is the first row of the one that follows. */
static void rectangle(const large_t *p, int64_t m, int64_t n, int64_t tall, int64_t across, int64_t next) {
  const int64_t depth = p->k, each = parts_of(BLOCK * PANEL, tall); /* of the next block, each term */
  for (int64_t j = 0; j < across; j += BLOCK) {
    const REAL *x = copy_b + j * depth, *block = j + BLOCK < across ? x + BLOCK * depth : x;
    for (int64_t r = 0; r < tall; r += PANEL, block += each * depth) {
      const int64_t half = r % GROUP, high = least(PANEL, tall - r), wide = least(BLOCK, across - j);
      const REAL *panel = copy_a + (r - half) * depth + half;
      ahead_t of_a = {panel, 0};
      const ahead_t of_b = {block, each};
      if (next < p->m) {
        of_a.at = p->a + (p->turned_a ? next : next * p->step_a);
        of_a.step = p->turned_a ? p->step_a : 1;
        next += p->turned_a ? LINE : 1;
      }
      const target_t to = {p->c + (m + r) * p->step_c + n + j, p->step_c, (REAL)p->alpha, (REAL)p->beta};
      if (high == PANEL && wide == BLOCK) whole(panel, x, depth, to, of_a, of_b);
      else edge(panel, x, depth, to, of_a, of_b, high, wide);
    }
  }
}

void neo_large(const uint64_t *words, int64_t begin, int64_t end) {
  const large_t *p = (const large_t *)words;
  const int64_t down = parts_of(p->m, p->rows);
  for (int64_t task = begin; task < end; ++task) {
    const int64_t m = task % down * p->rows, n = task / down * p->columns;
    const int64_t tall = least(p->rows, p->m - m), across = least(p->columns, p->n - n);
    if (held.call != p->call || held.n != n) {
      const REAL *b = p->b + (p->turned_b ? n * p->step_b : n);
      pack(b, p->step_b, p->turned_b, p->k, across, copy_b, BLOCK);
      held.call = p->call, held.n = n;
    }
    const REAL *a = p->a + (p->turned_a ? m : m * p->step_a);
    pack(a, p->step_a, !p->turned_a, p->k, tall, copy_a, GROUP);
    rectangle(p, m, n, tall, across, (task + 1) % down * p->rows);
  }
}

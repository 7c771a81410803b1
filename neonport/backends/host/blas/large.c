/* Products c = alpha * a @ b + beta * c of large matrices, plain or transposed. REAL is defined above.

   Both operands are copied once, for all tasks: a into groups of rows, b into blocks of columns, each
   by parts of the sum. A task makes a rectangle of c, part after part. Its group of a and some blocks
   of b are then in the second cache; what comes next is fetched while products run. */
#include "prelude.h"
#include "vectors.h"
#include "panel.h"

#define GROUP (2 * PANEL) /* rows that are copied together: whole vectors */
#define BLOCK (2 * LANES) /* columns of a block of b */
#define SEVERAL 4         /* groups or blocks of a task of the copy */
#define DEPTH (4096 / (int64_t)sizeof(REAL)) /* terms of a part, at most */
#define STRIP 256         /* terms of a task of the copy, at most */
#define LINE (64 / (int64_t)sizeof(REAL))
#define FAR 2    /* lines from what is turned to what is fetched */
#define BELOW 4  /* rows from what is copied to what is fetched */

typedef struct {
  int64_t m, n, k;
  int64_t step_a, step_b, step_c; /* numbers from row to row */
  int64_t turned_a, turned_b;     /* whether they are transposed */
  int64_t rows, columns;          /* of a task: whole groups and blocks */
  int64_t depth;                  /* terms of a part */
  double alpha, beta;
  const REAL *a, *b;
  REAL *c, *packed;
} large_t;

const int64_t neo_group = GROUP, neo_block = BLOCK, neo_several = SEVERAL, neo_strip = STRIP;
const int64_t neo_depth = DEPTH, neo_bytes = BYTES;

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
      for (int64_t i = 0; i < LINE * 8; i += LINE) __builtin_prefetch(to + (first + LINE) * across + j * LINE + i, 1, 3);
      for (int64_t k = 0; k < least(LINE, deep - first); k += 8)
        turn_eight(row + k, step, to + (first + k) * across + j, across);
    }
  for (int64_t j = 0; j < count; ++j)
    for (int64_t k = j < whole ? deep : 0; k < depth; ++k) to[k * across + j] = from[j * step + k];
}

/* Several blocks that lie side by side, row by row: a memory gives what is long fastest. Blocks of
   `to` are `apart` numbers apart. */
INLINE void copy(const REAL *from, int64_t step, int64_t depth, REAL *to, int64_t apart,
                 const int64_t across) {
  for (int64_t k = 0; k < depth; ++k, from += step, to += across) {
    for (int64_t j = 0; j < SEVERAL * across; j += LINE) __builtin_prefetch(from + BELOW * step + j, 0, 3);
    for (int64_t i = 0; i < SEVERAL; ++i)
      for (int64_t j = 0; j < across; j += LINE) __builtin_prefetch(to + i * apart + BELOW * across + j, 1, 3);
    for (int64_t i = 0; i < SEVERAL; ++i) memcpy(to + i * apart, from + i * across, across * sizeof(REAL));
  }
}

/* `count` rows of a, or columns of b, from the first number of a part on: in blocks of `across`, with
   zeros behind the last. They lie along the sum, and are turned; else across it. */
INLINE void pack(const REAL *from, int64_t step, int along, int64_t depth, int64_t count, REAL *to,
                 int64_t apart, const int64_t across) {
  if (!along && count == SEVERAL * across) copy(from, step, depth, to, apart, across);
  else
    for (int64_t first = 0; first < count; first += across, to += apart) {
      const int64_t some = least(across, count - first), rest = across - some;
      if (along) turn(from + first * step, step, depth, some, to, across);
      else
        for (int64_t k = 0; k < depth; ++k)
          memcpy(to + k * across, from + k * step + first, some * sizeof(REAL));
      if (rest)
        for (int64_t k = 0; k < depth; ++k) memset(to + k * across + some, 0, rest * sizeof(REAL));
    }
}

static int64_t numbers_of_a(const large_t *p) { return parts_of(p->m, GROUP) * GROUP * p->k; }

/* tasks: strips of some groups of a and of some blocks of b, in turn: a thread then copies most of
   the columns of b that it will read itself */
void neo_large_pack(const uint64_t *words, int64_t begin, int64_t end) {
  const large_t *p = (const large_t *)words;
  const int64_t strips = parts_of(p->depth, STRIP), count = parts_of(p->k, p->depth) * strips;
  const int64_t high = SEVERAL * GROUP, wide = SEVERAL * BLOCK, of_a = parts_of(p->m, high) * count;
  const int64_t all = of_a + parts_of(p->n, wide) * count;
  for (int64_t task = begin; task < end; ++task) {
    const int64_t before = task * of_a / all, is_a = (task + 1) * of_a / all > before;
    const int64_t number = is_a ? before : task - before, part = number % count / strips * p->depth;
    const int64_t within = number % strips * STRIP, k = part + within;
    const int64_t depth = least(STRIP, least(p->depth, p->k - part) - within);
    if (depth <= 0) continue; /* the last part is shorter */
    if (is_a) {
      const int64_t m = number / count * high;
      const REAL *from = p->a + (p->turned_a ? k * p->step_a + m : m * p->step_a + k);
      REAL *to = p->packed + m * p->k + k * GROUP;
      pack(from, p->step_a, !p->turned_a, depth, least(high, p->m - m), to, GROUP * p->k, GROUP);
    } else {
      const int64_t n = number / count * wide;
      const REAL *from = p->b + (p->turned_b ? n * p->step_b + k : k * p->step_b + n);
      REAL *to = p->packed + numbers_of_a(p) + n * p->k + k * BLOCK;
      pack(from, p->step_b, p->turned_b, depth, least(wide, p->n - n), to, BLOCK * p->k, BLOCK);
    }
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

/* The rectangle of a task, or none. */
typedef struct {
  int64_t m, n, high, wide;
} part_t;

static part_t part_of(const large_t *p, int64_t task) {
  const int64_t down = parts_of(p->m, p->rows);
  const int64_t m = task % down * p->rows, n = task / down * p->columns;
  return (part_t){m, n, least(p->rows, p->m - m), least(p->columns, p->n - n)};
}

void neo_large(const uint64_t *words, int64_t begin, int64_t end) {
  const large_t *p = (const large_t *)words;
  const REAL *packed_b = p->packed + numbers_of_a(p);
  for (int64_t task = begin; task < end; ++task) {
    const part_t t = part_of(p, task), u = part_of(p, task + 1);
    const int64_t each = parts_of(BLOCK * PANEL, t.high); /* numbers of the next block, each term */
    for (int64_t k = 0; k < p->k; k += p->depth) {
      const int64_t depth = least(p->depth, p->k - k);
      const REAL *a = p->packed + t.m * p->k + k * GROUP, *b = packed_b + t.n * p->k + k * BLOCK;
      const int follows = k + depth < p->k;
      const REAL *next_a = follows ? a + depth * GROUP : p->packed + u.m * p->k;
      const REAL *next_b = follows ? b + depth * BLOCK : packed_b + u.n * p->k;
      for (int64_t j = 0; j < t.wide; j += BLOCK) {
        const REAL *x = b + j * p->k;
        const int last = j + BLOCK >= t.wide;
        const REAL *block = last ? next_b : x + BLOCK * p->k;
        for (int64_t r = 0; r < t.high; r += PANEL, block += each * depth) {
          const int64_t half = r % GROUP, high = least(PANEL, t.high - r), wide = least(BLOCK, t.wide - j);
          const REAL *group = a + (r - half) * p->k, *panel = group + half;
          /* the next group, half of it while each of the two panels of this one is worked on */
          const REAL *far = last && r < GROUP ? next_a : j ? 0 : group + GROUP * p->k;
          const ahead_t of_a = far ? (ahead_t){far + half * depth, PANEL} : (ahead_t){panel, 0};
          const ahead_t of_b = {block, each};
          REAL *c = p->c + (t.m + r) * p->step_c + t.n + j;
          const target_t to = {c, p->step_c, (REAL)p->alpha, k ? 1 : (REAL)p->beta};
          if (high == PANEL && wide == BLOCK) whole(panel, x, depth, to, of_a, of_b);
          else edge(panel, x, depth, to, of_a, of_b, high, wide);
        }
      }
    }
  }
}

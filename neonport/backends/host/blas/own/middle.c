/* Products c = alpha * a @ b + beta * c of small and middle matrices, plain or transposed, where copies
   take a good part of the time. REAL is defined above.

   a is read where it lies if its rows lie along the sum: a tile has few rows, whose lines a cache holds
   even if they are a power of two apart. Else it is copied. b is copied block by block, while it is
   multiplied with the first rows; if it must be turned, while the block before is multiplied. A tile is
   as wide as few rows let it be: rows of b are read in long pieces.

   If c is turned, its sums are made in memory of the thread first. */
#include "prelude.h"
#include <stdatomic.h>
#include "vectors.h"

#define HIGH 6                 /* rows of a tile, or one less: any number from 20 is a sum of those */
#define WIDE 4                 /* vectors of a tile */
#define BLOCK (WIDE * LANES)   /* columns of a tile, and of a block of b */
#define DEPTH (2048 / (int64_t)sizeof(REAL)) /* terms of a sum at a time, at most */
#define HEIGHT (32 * HIGH)     /* rows of a task, at most, if a is copied or c is turned */
#define LINE (64 / (int64_t)sizeof(REAL))
#define QUARTER (16 / (int64_t)sizeof(REAL)) /* numbers that instructions turn among themselves */
#define HALF (2 * QUARTER)
#define AHEAD 6                /* rows from what is copied of b to what is fetched */
#define BELOW 4                /* the same of a */
#define STRETCH (8 * LINE)     /* terms that are turned together */
#define FAR (4 * LINE)         /* terms from what is turned to what is fetched */
#define INLINE static inline __attribute__((always_inline))
#define APART static __attribute__((noinline)) /* compiled once: for the compiler's sake */

typedef struct {
  int64_t m, n, k;
  int64_t step_a, step_b, step_c;       /* numbers from row to row */
  int64_t turned_a, turned_b, turned_c; /* whether they are transposed; not a and c */
  int64_t down, columns;                /* parts of the rows; columns of a task */
  double alpha, beta;
  const REAL *a, *b;
  REAL *c;
  uint64_t call; /* its number in this process */
} middle_t;

const int64_t neo_block = BLOCK, neo_depth = DEPTH, neo_height = HEIGHT, neo_bytes = BYTES;
const int64_t neo_copies = (2 * BLOCK * DEPTH + HEIGHT * (DEPTH + BLOCK + LINE)) * sizeof(REAL);

/* Of each thread. The others say what they hold: of which call, from which row or column and term. */
static _Thread_local REAL copy_a[HEIGHT / HIGH * (HIGH * DEPTH + 3 * LINE)] __attribute__((aligned(64)));
static _Thread_local REAL copies_b[2][BLOCK * DEPTH] __attribute__((aligned(64)));
static _Thread_local REAL totals[HEIGHT * BLOCK] __attribute__((aligned(64))); /* to be turned */
typedef struct {
  uint64_t call;
  int64_t first, term;
} held_t;
static _Thread_local held_t held_a, held_b;
static _Thread_local int64_t current; /* which copy of b is in use; the other one may be made meanwhile */

/* Whether a copy holds something else; it is said to hold this now. */
static int renew(held_t *held, uint64_t call, int64_t first, int64_t term) {
  if (held->call == call && held->first == first && held->term == term) return 0;
  *held = (held_t){call, first, term};
  return 1;
}

/* ---- copies ------------------------------------------------------------------------------------*/

typedef REAL quarter __attribute__((vector_size(16), aligned(sizeof(REAL))));
typedef REAL half __attribute__((vector_size(32), aligned(sizeof(REAL))));
#define JOINED(left, right) left##right
#define JOIN(left, right) JOINED(left, right)
#define BYTES_OF_float 4
#define BYTES_OF_double 8

#if !__has_builtin(__builtin_shufflevector)
#define IN_REGISTERS 0
#elif JOIN(BYTES_OF_, REAL) == 4
#define IN_REGISTERS 1
#define PAIR(low, high) __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7)
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#else
#define IN_REGISTERS 1
#define PAIR(low, high) __builtin_shufflevector(low, high, 0, 1, 2, 3)
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 2, 6)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 1, 5, 3, 7)
#endif

/* out[k][j] = from[j][k] for HALF j and QUARTER k. */
INLINE void turn_some(const REAL *from, int64_t step, half *out) {
#if IN_REGISTERS
  half z[QUARTER];
  UNROLL for (int i = 0; i < QUARTER; ++i)
    out[i] = PAIR(*(const quarter *)(from + i * step), *(const quarter *)(from + (i + QUARTER) * step));
  UNROLL for (int stage = 1; stage < QUARTER; stage *= 2) {
    UNROLL for (int i = 0; i < QUARTER / 2; ++i) {
      z[2 * i] = ZIP_LOW(out[i], out[i + QUARTER / 2]);
      z[2 * i + 1] = ZIP_HIGH(out[i], out[i + QUARTER / 2]);
    }
    UNROLL for (int i = 0; i < QUARTER; ++i) out[i] = z[i];
  }
#endif
}

INLINE void turn_to_block(const REAL *from, int64_t step, REAL *to) {
  half out[QUARTER];
  turn_some(from, step, out);
  UNROLL for (int i = 0; i < QUARTER; ++i) *(half *)(to + i * BLOCK) = out[i];
}

/* to[k][j] = from[j][k] for j < count. Some terms of all columns at a time: what is written stays in the
   first cache meanwhile. */
static void turn(const REAL *from, int64_t step, int64_t depth, int64_t count, REAL *to) {
  const int64_t deep = IN_REGISTERS ? depth / QUARTER * QUARTER : 0;
  const int64_t whole = IN_REGISTERS ? count / HALF * HALF : 0;
  for (int64_t first = 0; first < deep; first += STRETCH)
    for (int64_t j = 0; j < whole; j += HALF) {
      const REAL *rows = from + j * step + first;
      for (int64_t k = 0; k < least(STRETCH, deep - first); k += LINE) {
        UNROLL for (int i = 0; i < HALF; ++i) __builtin_prefetch(rows + i * step + k + FAR, 0, 3);
        const int64_t until = least(k + LINE, deep - first);
        if (until == k + LINE)
          UNROLL for (int64_t q = 0; q < LINE; q += QUARTER)
            turn_to_block(rows + k + q, step, to + (first + k + q) * BLOCK + j);
        else
          for (int64_t q = k; q < until; q += QUARTER)
            turn_to_block(rows + q, step, to + (first + q) * BLOCK + j);
      }
    }
  for (int64_t j = 0; j < count; ++j)
    for (int64_t k = j < whole ? deep : 0; k < depth; ++k) to[k * BLOCK + j] = from[j * step + k];
}

/* Some terms of a block of b, zeros behind the last column as far as vectors reach. */
static void copy_block(const middle_t *p, int64_t n, int64_t first, int64_t depth, int64_t count, REAL *to) {
  const REAL *from = p->b + (p->turned_b ? n * p->step_b + first : first * p->step_b + n);
  if (p->turned_b) turn(from, p->step_b, depth, count, to);
  const int64_t whole = count / LANES * LANES;
  for (int64_t k = 0; k < depth; ++k, from += p->step_b, to += BLOCK) {
    if (!p->turned_b)
      for (int64_t j = 0; j < whole; j += LANES) store(to + j, load(from + j));
    for (int64_t j = whole; j < count && !p->turned_b; ++j) to[j] = from[j];
    for (int64_t j = count; j % LANES; ++j) to[j] = 0;
  }
}

/* How rows are divided into tiles: some of HIGH rows, then those that lack one. */
typedef struct {
  int64_t whole, all;
} tiles_t;

INLINE tiles_t tiles_of(int64_t rows) {
  const int64_t all = (rows + HIGH - 1) / HIGH;
  return (tiles_t){all - (all * HIGH - rows), all};
}

/* Numbers from a tile of copied rows to the next: not a power of two. */
INLINE int64_t apart(int64_t depth) { return HIGH * depth + 3 * LINE; }

/* Rows of a that lie across the sum, in tiles; all together: a memory gives what is long fastest. */
static void copy_rows(const middle_t *p, int64_t m, tiles_t tiles, int64_t first, int64_t depth) {
  const REAL *from = p->a + first * p->step_a + m;
  const int64_t count = tiles.all * (HIGH - 1) + tiles.whole, step = apart(depth);
  for (int64_t k = 0; k < depth; ++k, from += p->step_a) {
    const REAL *row = from;
    REAL *to = copy_a + k * HIGH;
    int64_t i = 0;
    for (int64_t j = 0; j < count; j += LINE) __builtin_prefetch(from + BELOW * p->step_a + j, 0, 3);
    for (; i < tiles.whole; ++i, row += HIGH, to += step) memcpy(to, row, HIGH * sizeof(REAL));
    for (; i < tiles.all; ++i, row += HIGH - 1, to += step) memcpy(to, row, (HIGH - 1) * sizeof(REAL));
  }
}

/* ---- products ----------------------------------------------------------------------------------*/

/* Into c, and how: c = alpha * sum + beta * c. */
typedef struct {
  REAL *c, *next; /* the next one is fetched meanwhile */
  int64_t step;
  REAL alpha, beta;
  int64_t last;  /* columns of the last vector */
  int64_t plain; /* whether c = sum, and the last vector a whole one */
} target_t;

/* Where rows and terms of an operand lie: numbers from one to the next. */
typedef struct {
  const REAL *at;
  int64_t row, term;
} source_t;

/* Sums of a tile into c. */
APART void put(const REAL *sums, target_t to, int64_t high, int64_t vectors) {
  const int64_t count = (vectors - 1) * LANES + to.last, whole = count / LANES * LANES;
  for (int64_t r = 0; r < high; ++r, to.c += to.step, sums += BLOCK) {
    for (int64_t j = 0; j < whole; j += LANES) {
      const vec sum = to.alpha * load(sums + j);
      store(to.c + j, to.beta == 0 ? sum : sum + to.beta * load(to.c + j));
    }
    for (int64_t j = whole; j < count; ++j) {
      const REAL sum = to.alpha * sums[j];
      to.c[j] = to.beta == 0 ? sum : sum + to.beta * to.c[j];
    }
  }
}

/* The part of b that comes next: piece by piece it is fetched, row by row, or turned, what some rows have
   in a line. */
typedef struct {
  const REAL *from;
  REAL *to;
  int64_t step, turned;    /* as of b */
  int64_t done, each, all; /* pieces, and how many of them at a time */
} ahead_t;

INLINE void go_ahead(ahead_t *p) {
  for (int64_t until = least(p->done + p->each, p->all); p->done < until; ++p->done) {
    if (p->turned) {
      const int64_t j = p->done % (BLOCK / HALF) * HALF, k = p->done / (BLOCK / HALF) * LINE;
      const REAL *rows = p->from + j * p->step + k;
      UNROLL for (int i = 0; i < HALF; ++i) __builtin_prefetch(rows + i * p->step + LINE, 0, 3);
      for (int64_t q = 0; q < LINE; q += QUARTER)
        turn_to_block(rows + q, p->step, p->to + (k + q) * BLOCK + j);
    } else
      for (int64_t j = 0; j < BLOCK; j += LINE) __builtin_prefetch(p->from + p->done * p->step + j, 0, 2);
  }
}

/* `high` rows of a times nv vectors of a block, into c. Whether the block is copied meanwhile. */
INLINE void product(source_t a, source_t b, REAL *copy, int64_t depth, target_t to, ahead_t *ahead,
                    const int high, const int nv, const int copied) {
  vec sums[HIGH][WIDE];
  UNROLL for (int r = 0; r < high; ++r)
    UNROLL for (int v = 0; v < nv; ++v) sums[r][v] = (vec){0};
  const REAL *rows[2] = {a.at, a.at + 3 * a.row};
  for (int64_t k = 0, part = 1; part <= high; ++part, to.next += to.step) {
    UNROLL for (int v = 0; v < nv; ++v) __builtin_prefetch(to.next + v * LANES, 1, 3);
    go_ahead(ahead);
    for (const int64_t until = depth * part / high; k < until; ++k) {
      vec values[WIDE];
      UNROLL for (int v = 0; v < nv; ++v) {
        values[v] = load(b.at + v * LANES);
        if (copied) {
          store(copy + v * LANES, values[v]);
          __builtin_prefetch(b.at + AHEAD * b.term + v * LANES, 0, 3);
        }
      }
      UNROLL for (int r = 0; r < high; ++r) {
        const REAL w = rows[r / 3][r % 3 * a.row];
        UNROLL for (int v = 0; v < nv; ++v) sums[r][v] += w * values[v];
      }
      b.at += b.term, rows[0] += a.term, rows[1] += a.term, copy += BLOCK;
    }
  }
  if (to.plain) {
    UNROLL for (int r = 0; r < high; ++r, to.c += to.step)
      UNROLL for (int v = 0; v < nv; ++v) store(to.c + v * LANES, sums[r][v]);
  } else {
    REAL some[HIGH * BLOCK] __attribute__((aligned(64)));
    UNROLL for (int r = 0; r < high; ++r)
      UNROLL for (int v = 0; v < nv; ++v) store(some + r * BLOCK + v * LANES, sums[r][v]);
    put(some, to, high, nv);
  }
}

/* `copying` reads b where it lies, the others from the copy. */
typedef void tile_t(source_t a, source_t b, REAL *copy, int64_t depth, target_t to, ahead_t *ahead);
#define TILE(way, name, row, term, high, nv, b, copied)                                           \
  APART void way##_##name(source_t a, source_t from, REAL *copy, int64_t depth, target_t to,      \
                          ahead_t *ahead) {                                                       \
    product((source_t){a.at, row, term}, b, copy, depth, to, ahead, high, nv, copied);            \
  }
#define BOTH(name, high, nv, b, copied)                                                           \
  TILE(along, name, a.row, 1, high, nv, b, copied)                                                \
  TILE(across, name, 1, HIGH, high, nv, b, copied)
#define COPIED ((source_t){copy, 0, BLOCK})
#define TILES(nv) BOTH(high_##nv, HIGH, nv, COPIED, 0) BOTH(low_##nv, HIGH - 1, nv, COPIED, 0)
TILES(1)
TILES(2)
TILES(3)
TILES(4)
BOTH(copying, HIGH, WIDE, from, 1)

#define NAMED(name) {along_##name, across_##name}
static tile_t *const tiles_by[2][WIDE][2] = {
    {NAMED(low_1), NAMED(low_2), NAMED(low_3), NAMED(low_4)},
    {NAMED(high_1), NAMED(high_2), NAMED(high_3), NAMED(high_4)}};

/* One task: a call begins, whose operands may hold new numbers. */
void neo_middle_begin(const uint64_t *words, int64_t begin, int64_t end) {
  static atomic_ullong calls;
  ((middle_t *)words)->call = atomic_fetch_add(&calls, 1) + 1;
}

/* A part of b: terms of a block; none if depth is 0. */
typedef struct {
  int64_t n, count, first, depth;
} part_t;

static const REAL *place_of(const middle_t *p, part_t part) {
  return p->b + (p->turned_b ? part.n * p->step_b + part.first : part.first * p->step_b + part.n);
}

/* What is to be done for the next part, about so many times a little. */
static ahead_t ahead_of(const middle_t *p, part_t next, int64_t times) {
  int64_t all = next.count == BLOCK ? next.depth : 0; /* only whole blocks */
  if (p->turned_b) all = IN_REGISTERS && next.depth % LINE == 0 ? all / LINE * (BLOCK / HALF) : 0;
  return (ahead_t){place_of(p, next), copies_b[!current], p->step_b, p->turned_b, 0, all / times + 1, all};
}

/* Rows of a block of c from a part of b. */
static void block(const middle_t *p, int64_t m, tiles_t tiles, part_t part, part_t next, target_t to) {
  const int64_t turned = p->turned_a, vectors = (part.count + LANES - 1) / LANES, depth = part.depth;
  const source_t from = {place_of(p, part), 0, p->step_b};
  source_t a = {turned ? copy_a : p->a + m * p->step_a + part.first, p->step_a, 0};
  int copying = 0;
  if (renew(&held_b, p->call, part.n, part.first)) {
    copying = !p->turned_b && part.count == BLOCK && tiles.whole;
    if (!copying) copy_block(p, part.n, part.first, depth, part.count, copies_b[current]);
  }
  to.plain = to.last == LANES && to.alpha == 1 && to.beta == 0;
  ahead_t ahead = ahead_of(p, next, tiles.all * (HIGH - 1));
  for (int64_t i = 0; i < tiles.all; ++i) {
    const int whole = i < tiles.whole;
    const int64_t high = whole ? HIGH : HIGH - 1;
    tile_t *tile = tiles_by[whole][vectors - 1][turned];
    if (copying) tile = turned ? across_copying : along_copying;
    to.next = to.c + high * to.step;
    tile(a, from, copies_b[current], depth, to, &ahead);
    to.c = to.next, copying = 0;
    a.at += turned ? apart(depth) : high * a.row;
  }
  if (p->turned_b && ahead.all) {
    ahead.each = ahead.all;
    go_ahead(&ahead);
    renew(&held_b, p->call, next.n, next.first);
    current = !current;
  }
}

/* c[j][r] = alpha * totals[r][j] + beta * c[j][r]. */
static void put_turned(const middle_t *p, int64_t m, int64_t rows, int64_t n, int64_t columns) {
  const REAL alpha = (REAL)p->alpha, beta = (REAL)p->beta;
  for (int64_t j = 0; j < columns; j += QUARTER) {
    REAL *c = p->c + (n + j) * p->step_c + m;
    const int64_t count = least(QUARTER, columns - j);
    for (int64_t i = QUARTER; i < 2 * QUARTER; ++i)
      for (int64_t r = 0; r < rows + LINE; r += LINE) __builtin_prefetch(c + i * p->step_c + r, 1, 3);
    for (int64_t r = 0; r < rows; r += HALF) {
      half some[QUARTER];
      if (IN_REGISTERS && count == QUARTER && r + HALF <= rows) {
        turn_some(totals + r * BLOCK + j, BLOCK, some);
        UNROLL for (int i = 0; i < QUARTER; ++i) {
          half *to = (half *)(c + i * p->step_c + r);
          *to = beta == 0 ? alpha * some[i] : alpha * some[i] + beta * *to;
        }
      } else
        for (int64_t i = 0; i < count; ++i)
          for (int64_t q = r; q < least(r + HALF, rows); ++q) {
            const REAL sum = alpha * totals[q * BLOCK + j + i];
            c[i * p->step_c + q] = beta == 0 ? sum : sum + beta * c[i * p->step_c + q];
          }
    }
  }
}

void neo_middle(const uint64_t *words, int64_t begin, int64_t end) {
  const middle_t *p = (const middle_t *)words;
  const int64_t parts = (p->k + DEPTH - 1) / DEPTH;
  const int64_t terms = ((p->k + parts - 1) / parts + LINE - 1) / LINE * LINE;
  const int64_t across = (p->n + p->columns - 1) / p->columns;
  for (int64_t task = begin; task < end; ++task) {
    const int64_t number = task / across, n = task % across * p->columns;
    const int64_t last = least(p->n, n + p->columns);
    const int64_t m = p->m * number / p->down, until = p->m * (number + 1) / p->down;
    const tiles_t tiles = tiles_of(until - m);
    part_t part = {n, least(BLOCK, last - n), 0, least(terms, p->k)}, next;
    for (; part.depth; part = next) {
      const int64_t below = part.first + part.depth, beside = part.n + part.count;
      const int go_on = p->turned_c ? below < p->k : beside == last; /* to the next terms */
      next.first = go_on ? below : p->turned_c ? 0 : part.first;
      next.n = !go_on ? beside : p->turned_c ? part.n : n;
      next.count = least(BLOCK, last - next.n);
      next.depth = next.n < last ? least(terms, p->k - next.first) : 0;
      const int64_t beyond = part.count % LANES;
      if (p->turned_c) {
        block(p, m, tiles, part, next, (target_t){totals, 0, BLOCK, 1, part.first ? 1 : 0, LANES});
        if (below >= p->k) put_turned(p, m, until - m, part.n, part.count);
      } else {
        if (p->turned_a && renew(&held_a, p->call, m, part.first))
          copy_rows(p, m, tiles, part.first, part.depth);
        block(p, m, tiles, part, next,
              (target_t){p->c + m * p->step_c + part.n, 0, p->step_c, (REAL)p->alpha,
                         part.first ? 1 : (REAL)p->beta, beyond ? beyond : LANES});
      }
    }
  }
}

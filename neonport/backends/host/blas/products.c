/* Matrix products as tasks of the pool: a task is one piece, and a piece is one call of a BLAS that
   runs on the thread that calls it. `pieces.py` says which pieces there are. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>

#define ROW_MAJOR 101
#define PLAIN 111 /* otherwise transposed */
#define BUFFER_BYTES (64 << 20) /* twice what a call of OpenBLAS may map for its copies */
#define SPIN 100
#define NAP_NS 50000

/* sizes and steps in elements, jumps in bytes; (m, k) @ (k, n) -> (m, n) */
typedef struct {
  uint64_t call; /* address of the BLAS function */
  int64_t flag_a, flag_b;
  int64_t m, n, k;
  int64_t step_a, step_b, step_c;
  int64_t rows, columns, terms; /* of a piece; terms of the sum, or products if there are several */
  int64_t high, wide, deep;     /* pieces along each */
  int64_t count;                /* products with targets of their own */
  int64_t added;                /* products that are added up in one target */
  int64_t jump_a, jump_b, jump_c; /* from one product to the next */
  double alpha, beta;
  uint64_t a, b, c;
  uint64_t sums; /* (count, deep, m, n), where the sum is cut: of each part */
} product_t;

/* ---- who may call -------------------------------------------------------------------------------

   A lock of OpenBLAS that another thread holds while the process forks stays locked in the child: so
   a fork waits until no call is under way. And OpenBLAS ends the process if it cannot map memory for
   one more thread: so first it is tried whether there is room, and if not, calls take turns. */

static atomic_int inside, forking, most = 1;
static pthread_mutex_t trying = PTHREAD_MUTEX_INITIALIZER;

static int room_for(int callers) {
  pthread_mutex_lock(&trying);
  if (callers > atomic_load(&most)) {
    void *found = mmap(0, BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (found != MAP_FAILED) {
      munmap(found, BUFFER_BYTES);
      atomic_store(&most, callers);
    }
  }
  const int fits = callers <= atomic_load(&most);
  pthread_mutex_unlock(&trying);
  return fits;
}

static void enter(void) {
  for (int tries = 0;; ++tries) {
    int now = atomic_load(&inside);
    if (!atomic_load(&forking) && (now < atomic_load(&most) || room_for(now + 1)) &&
        atomic_compare_exchange_strong(&inside, &now, now + 1)) {
      if (!atomic_load(&forking)) return;
      atomic_fetch_sub(&inside, 1);
    }
    if (tries >= SPIN) nanosleep(&(struct timespec){0, NAP_NS}, 0);
  }
}

static void leave(void) { atomic_fetch_sub(&inside, 1); }

static void before_fork(void) {
  pthread_mutex_lock(&trying);
  atomic_store(&forking, 1);
  while (atomic_load(&inside)) nanosleep(&(struct timespec){0, NAP_NS}, 0);
}

static void after_fork(void) {
  atomic_store(&forking, 0);
  pthread_mutex_unlock(&trying);
}

static void in_child(void) {
  atomic_store(&inside, 0); /* a thread that saw the fork too late may have counted itself */
  after_fork();
}

__attribute__((constructor)) static void hook(void) {
  pthread_atfork(before_fork, after_fork, in_child);
}

/* ---- pieces -----------------------------------------------------------------------------------*/

typedef struct {
  int64_t first, size;
} part_t;

static inline part_t part(int64_t number, int64_t size, int64_t whole) {
  const int64_t first = number * size, left = whole - first;
  return (part_t){first, size < left ? size : left};
}

/* what a task is: which product, and its part of rows, columns and sum */
typedef struct {
  int64_t product, number; /* the number of the part of the sum */
  part_t row, column, term;
} piece_t;

static inline piece_t piece(const product_t *p, int64_t task) {
  const int64_t wide = task % p->wide, high = task / p->wide % p->high;
  const int64_t number = task / (p->wide * p->high) % p->deep;
  return (piece_t){task / (p->wide * p->high * p->deep), number, part(high, p->rows, p->m),
                   part(wide, p->columns, p->n),
                   part(number, p->terms, p->added > 1 ? p->added : p->k)};
}

#define GEMM(real, name)                                                                          \
  static void name(const product_t *p, const real *a, const real *b, real beta, real *c,          \
                   int64_t step_c, int64_t m, int64_t n, int64_t k) {                             \
    ((void (*)(int, int, int, int, int, int, real, const real *, int, const real *, int, real,    \
               real *, int))p->call)(ROW_MAJOR, p->flag_a, p->flag_b, m, n, k, p->alpha, a,       \
                                     p->step_a, b, p->step_b, beta, c, step_c);                   \
  }

#define GEMV(real, name)                                                                          \
  static void name(const product_t *p, const real *a, const real *b, real beta, real *c,          \
                   int64_t step_c, int64_t m, int64_t n, int64_t k) {                             \
    const int plain = p->flag_a == PLAIN;                                                         \
    ((void (*)(int, int, int, int, real, const real *, int, const real *, int, real, real *,      \
               int))p->call)(ROW_MAJOR, p->flag_a, plain ? m : k, plain ? k : m, p->alpha, a,     \
                             p->step_a, b, p->step_b, beta, c, step_c);                           \
  }

/* tasks: pieces. A part of a sum goes to `sums`; `join` adds the parts up. */
#define TASKS(real, name, call)                                                                   \
  void name(const uint64_t *words, int64_t begin, int64_t end) {                                  \
    const product_t *p = (const product_t *)words;                                                \
    for (int64_t task = begin; task < end; ++task) {                                              \
      const piece_t t = piece(p, task);                                                           \
      const int64_t i = t.row.first, j = t.column.first, m = t.row.size, n = t.column.size;       \
      const int64_t first = p->added > 1 ? t.term.first : t.product;                              \
      const int64_t calls = p->added > 1 ? t.term.size : 1;                                       \
      const int64_t q = p->added > 1 ? 0 : t.term.first;                                          \
      const int64_t k = p->added > 1 ? p->k : t.term.size;                                        \
      const real *a = (const real *)(p->a + first * p->jump_a);                                   \
      const real *b = (const real *)(p->b + first * p->jump_b);                                   \
      real *c = (real *)(p->c + t.product * p->jump_c) + i * p->step_c + j;                       \
      int64_t step_c = p->step_c;                                                                 \
      real beta = p->beta;                                                                        \
      a += p->flag_a == PLAIN ? i * p->step_a + q : q * p->step_a + i;                            \
      b += p->flag_b == PLAIN ? q * p->step_b + j : j * p->step_b + q;                            \
      if (p->deep > 1) {                                                                          \
        const int64_t number = t.product * p->deep + t.number;                                    \
        c = (real *)p->sums + number * p->m * p->n + i * p->n + j;                                \
        step_c = p->n;                                                                            \
        beta = 0;                                                                                 \
      }                                                                                           \
      for (int64_t x = 0; x < calls; ++x) {                                                       \
        enter();                                                                                  \
        call(p, a, b, x ? 1 : beta, c, step_c, m, n, k);                                          \
        leave();                                                                                  \
        a = (const real *)((uintptr_t)a + p->jump_a);                                             \
        b = (const real *)((uintptr_t)b + p->jump_b);                                             \
      }                                                                                           \
    }                                                                                             \
  }

/* tasks: rows of the targets */
#define JOIN(real, name)                                                                          \
  void name(const uint64_t *words, int64_t begin, int64_t end) {                                  \
    const product_t *p = (const product_t *)words;                                                \
    const real beta = p->beta;                                                                    \
    for (int64_t task = begin; task < end; ++task) {                                              \
      const int64_t product = task / p->m, i = task % p->m, size = p->m * p->n;                   \
      const real *sums = (const real *)p->sums + product * p->deep * size + i * p->n;             \
      real *c = (real *)(p->c + product * p->jump_c) + i * p->step_c;                             \
      for (int64_t j = 0; j < p->n; ++j) {                                                        \
        real sum = sums[j];                                                                       \
        for (int64_t q = 1; q < p->deep; ++q) sum += sums[q * size + j];                          \
        c[j] = beta == 0 ? sum : beta * c[j] + sum;                                               \
      }                                                                                           \
    }                                                                                             \
  }

#define ALL(real, kind)                                                                           \
  GEMM(real, call_##kind##gemm)                                                                   \
  GEMV(real, call_##kind##gemv)                                                                   \
  TASKS(real, neo_##kind##gemm, call_##kind##gemm)                                                \
  TASKS(real, neo_##kind##gemv, call_##kind##gemv)                                                \
  JOIN(real, neo_##kind##join)

ALL(float, s)
ALL(double, d)

/* ---- a product at addresses that are new each time ---------------------------------------------*/

/* see jit/runtime.c */
typedef struct {
  int64_t count;
  uint64_t fn;
  const product_t *args;
  int64_t tasks, grain, turns, even;
} program_t;

void neo_product(const product_t *plan, const program_t *launch, void (*run)(const program_t *),
                 double alpha, double beta, uint64_t a, uint64_t b, uint64_t c) {
  product_t product = *plan;
  program_t program = *launch;
  product.alpha = alpha;
  product.beta = beta;
  product.a = a;
  product.b = b;
  product.c = c;
  program.args = &product;
  run(&program);
}

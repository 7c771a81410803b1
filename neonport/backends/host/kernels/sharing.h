/* How threads share the columns of a sequence: each takes blocks that nobody has begun, all their steps,
   and who finds none takes over what a slower one has not done yet, between two steps. Processors of a
   machine that others use too differ by half, and there are few blocks. Include `sequence.h` before. */
#include <stdatomic.h>
#include <time.h>
#define LEAST_LEFT 3 /* steps, for fewer of which the columns stay where they are */
#define PATIENCE 4   /* steps, for as long as which a thread waits to be given some */

enum { NOBODY, WAITS, GIVING, GIVEN };

typedef struct sharing {
  atomic_llong begun;  /* blocks of columns */
  atomic_llong ended;
  atomic_int asked;    /* whether a thread waits, and was heard */
  int64_t task, done;  /* what it is given: a block, and how many of its steps are done */
  int64_t given;       /* how often, for tests */
} sharing_t;

typedef int64_t run_t(const sequence_t *p, int64_t task, int64_t done);

INLINE int64_t blocks_of(const sequence_t *p) {
  const int64_t width = p->vectors * LANES;
  return (p->samples + width - 1) / width;
}

/* Before the tasks of a call. */
static void start_sharing(const sequence_t *p) {
  sharing_t *s = p->sharing;
  atomic_store(&s->begun, 0);
  atomic_store(&s->ended, 0);
  atomic_store(&s->asked, NOBODY);
  s->given = 0;
}

INLINE void swap(REAL **one, REAL **other) {
  REAL *was = *one;
  *one = *other;
  *other = was;
}

/* Whether another thread should do the steps that are left. */
INLINE int is_wanted(const sequence_t *p, int64_t mine, int64_t done) {
  return mine && p->steps - done >= LEAST_LEFT &&
         atomic_load_explicit(&p->sharing->asked, memory_order_relaxed) == WAITS;
}

/* The steps of a block that are not done; whether there is time for more. */
static int finish(const sequence_t *p, run_t *run, int64_t task, int64_t done) {
  sharing_t *s = p->sharing;
  while ((done = run(p, task, done)) < p->steps) {
    int expected = WAITS;
    if (!atomic_compare_exchange_strong(&s->asked, &expected, GIVING)) continue;
    s->task = task;
    s->done = done;
    ++s->given;
    atomic_store(&s->asked, GIVEN);
    return 0; /* a slow thread asks for nothing */
  }
  atomic_fetch_add(&s->ended, 1);
  return 1;
}

static int64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Whether a block was given in time; one thread may wait. */
static int ask(const sequence_t *p, int64_t until, int64_t *task, int64_t *done) {
  sharing_t *s = p->sharing;
  int state = NOBODY;
  if (!atomic_compare_exchange_strong(&s->asked, &state, WAITS)) return 0;
  for (;;) {
    state = atomic_load(&s->asked);
    if (state == GIVEN) {
      *task = s->task;
      *done = s->done;
      atomic_store(&s->asked, NOBODY);
      return 1;
    }
    if (state == WAITS && (atomic_load(&s->ended) == blocks_of(p) || nanoseconds() > until) &&
        atomic_compare_exchange_strong(&s->asked, &state, NOBODY))
      return 0;
  }
}

static void share(const sequence_t *p, run_t *run) {
  sharing_t *s = p->sharing;
  const int64_t blocks = blocks_of(p), start = nanoseconds();
  int64_t task, done = 0, steps = 0;
  while ((task = atomic_fetch_add(&s->begun, 1)) < blocks) {
    if (!finish(p, run, task, 0)) return;
    steps += p->steps;
  }
  if (!steps) return; /* it came late: a slower one, or one that waited for its processor */
  const int64_t patience = PATIENCE * (nanoseconds() - start) / steps;
  while (ask(p, nanoseconds() + patience, &task, &done))
    if (!finish(p, run, task, done)) return;
}

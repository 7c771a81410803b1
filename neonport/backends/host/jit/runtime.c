/* Runs rendered kernels: a pool of threads that share the tasks of one launch after the other.

   Every thread has a range of the tasks of its own, the same one in each launch of as many tasks: what
   it wrote or read the last time may still be in its processor's cache. Who is done helps the others.
   Launches that only read walk up and down in turn: each begins with what the one before had last, so
   that of memory larger than the cache a part is still there.

   A launch is closed to late threads before its memory is given up: a thread that enters counts
   itself in `active` first and looks at `open` afterwards; the caller closes and waits for zero.

   Waiting is a short busy loop, for work that follows at once, and then sleep in the kernel: who
   wakes from sleep gets a processor before programs that only compute, who yields gets it after them.
   A thread whose sleeps turn out to be brief waits longer before the next one: to wake it takes as
   long as a small launch. Not where other programs take its processor: who waits in a loop there is
   the one that has to give way when there is work again. No lock is held meanwhile, so a thread that
   lost its processor holds up nobody who has work left. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>
#ifdef __linux__
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

typedef void (*entry_fn)(const uint64_t *, int64_t, int64_t);
typedef struct {
  entry_fn fn;
  const uint64_t *args;
  int64_t tasks;
  int64_t grain; /* tasks handed out together, at least; 0: run on the calling thread */
  int64_t turns; /* whether it walks in the other direction each time */
  int64_t even;  /* whether always so many are handed out: tasks are long, and lost time is theirs */
} launch_t;
typedef struct {
  int64_t count;
  launch_t launches[];
} program_t;

#define MAX_THREADS 256
#define SPIN 3000
#define SPIN_MOST (4 * SPIN) /* where sleeps are brief */
#define BRIEF_NS 200000
#define LOST_NS 1000000   /* without a processor while awake: another program had it */
#define CALM_NS 100000000 /* since then: none has */
#define MOVE_NS 1000000 /* the pool moves no more often */
#define NOWHERE -2
/* into which a thread cuts what is left of its range; while it walks down, pieces must be small, for
   within each it walks up */
#define PIECES 4
#define PIECES_DOWN 16
#define LINE 64 /* bytes of a cache line */

/* what is left of a thread's range, in steps of tasks: the first one above, the end below */
typedef struct {
  _Alignas(LINE) atomic_ullong left;
} range_t;

static pthread_mutex_t caller = PTHREAD_MUTEX_INITIALIZER;
static atomic_int open_now, sleepers;
static atomic_uint epoch, active, waiting;
static range_t ranges[MAX_THREADS];
static int64_t step; /* tasks; above 1 only where 32 bits would not count them */
static int downwards; /* owners begin at the end of their ranges */
static const launch_t *job;
static int wanted = 1, started = 0;
static pthread_t ids[MAX_THREADS];
static int off = NOWHERE; /* the processor that the pool keeps off */

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* sleep while a word has a value; may return early */
#ifdef __linux__
static void sleep_while(atomic_uint *word, unsigned value) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, 0, 0, 0);
}

static void wake_all(atomic_uint *word) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, 0, 0, 0);
}
#else
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void sleep_while(atomic_uint *word, unsigned value) {
  pthread_mutex_lock(&gate);
  if (atomic_load(word) == value) pthread_cond_wait(&changed, &gate);
  pthread_mutex_unlock(&gate);
}

static void wake_all(atomic_uint *word) {
  (void)word;
  pthread_mutex_lock(&gate);
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&gate);
}
#endif

static inline unsigned long long range(int64_t begin, int64_t end) {
  return (unsigned long long)begin << 32 | (unsigned long long)end;
}

/* Take a piece of a range: its owner from one end, so that it walks memory that lies side by side;
   helpers half of what is left, from the other. Pieces begin large and end small: all end at about
   the same time. What a task computes does not depend on the piece it lies in. */
static int take(range_t *r, int own, int64_t grain, int even, int64_t *begin, int64_t *end) {
  const int front = own != downwards, pieces = downwards ? PIECES_DOWN : PIECES;
  unsigned long long seen = atomic_load(&r->left);
  for (;;) {
    const int64_t first = (int64_t)(seen >> 32), last = (int64_t)(seen & 0xffffffffu);
    const int64_t left = last - first;
    const int64_t part = even ? grain : own ? left / pieces : (left + 1) / 2;
    const int64_t piece = part > grain ? part : grain < left ? grain : left;
    if (!left) return 0;
    *begin = front ? first : last - piece;
    *end = *begin + piece;
    const unsigned long long rest = front ? range(*end, last) : range(first, *begin);
    if (atomic_compare_exchange_weak(&r->left, &seen, rest)) return 1;
  }
}

static void work(const launch_t *l, int self) {
  const int64_t grain = (l->grain + step - 1) / step;
  int64_t begin, end;
  for (int i = 0; i < wanted; ++i) {
    range_t *r = &ranges[(self + i) % wanted];
    while (take(r, i == 0, grain, (int)l->even, &begin, &end)) {
      end *= step;
      l->fn(l->args, begin * step, end < l->tasks ? end : l->tasks);
    }
  }
}

static int64_t nanoseconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* How a thread waits: turns of its loop before it sleeps, when it woke last and what time of a
   processor it had had by then, and when it last lost one. */
typedef struct {
  int patience;
  int64_t woke, used, lost;
} habit_t;

/* Sleep until there is another launch. */
static void sleep_through(unsigned seen, habit_t *habit) {
  const int64_t begun = nanoseconds(CLOCK_MONOTONIC);
  const int64_t used = nanoseconds(CLOCK_THREAD_CPUTIME_ID) - habit->used;
  if (begun - habit->woke - used > LOST_NS) habit->lost = begun;
  atomic_fetch_add(&sleepers, 1);
  while (atomic_load(&epoch) == seen) sleep_while(&epoch, seen);
  atomic_fetch_sub(&sleepers, 1);
  habit->woke = nanoseconds(CLOCK_MONOTONIC);
  habit->used = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
  if (habit->woke - habit->lost < CALM_NS) habit->patience = SPIN;
  else if (habit->woke - begun > BRIEF_NS) habit->patience = SPIN;
  else if (habit->patience < SPIN_MOST) habit->patience *= 2;
}

static void *worker(void *number) {
  const int self = (int)(intptr_t)number;
  unsigned seen = 0;
  habit_t habit = {SPIN, nanoseconds(CLOCK_MONOTONIC), 0, 0};
  for (;;) {
    for (int spins = 0; atomic_load(&epoch) == seen; ++spins) {
      if (spins < habit.patience) relax();
      else sleep_through(seen, &habit);
    }
    seen = atomic_load(&epoch);
    atomic_fetch_add(&active, 1);
    if (atomic_load(&open_now) && self < wanted) work(job, self);
    if (atomic_fetch_sub(&active, 1) == 1 && atomic_load(&waiting)) wake_all(&active);
  }
  return 0;
}

/* Which processor a waking thread gets is the system's choice, and it may be the caller's while
   another is idle: then the caller does all the work itself. So the pool keeps off the caller's
   processor, within those that the caller may use. Callers may take turns: looked at anew once in a
   while only. */
static void keep_off(void) {
#ifdef __linux__
  static int64_t last;
  cpu_set_t allowed;
  const int cpu = sched_getcpu();
  if (cpu == off) return;
  const int64_t now = nanoseconds(CLOCK_MONOTONIC);
  if (off != NOWHERE && now - last < MOVE_NS) return;
  last = now;
  off = cpu;
  if (cpu < 0 || sched_getaffinity(0, sizeof allowed, &allowed)) return;
  CPU_CLR(cpu, &allowed);
  if (!CPU_COUNT(&allowed)) return;
  for (int i = 0; i < started; ++i) pthread_setaffinity_np(ids[i], sizeof allowed, &allowed);
#endif
}

/* after fork only the calling thread exists in the child: start over with an empty pool */
static void in_child(void) {
  pthread_mutex_init(&caller, 0);
#ifndef __linux__
  pthread_mutex_init(&gate, 0);
  pthread_cond_init(&changed, 0);
#endif
  atomic_store(&open_now, 0);
  atomic_store(&active, 0);
  atomic_store(&waiting, 0);
  atomic_store(&sleepers, 0);
  started = 0;
}

__attribute__((constructor)) static void hook(void) { pthread_atfork(0, 0, in_child); }

static void start(void) {
  while (started < wanted - 1) {
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    const int failed = pthread_create(&ids[started], &attr, worker, (void *)(intptr_t)(started + 1));
    if (failed) wanted = started + 1; /* the system has no more */
    else ++started;
    off = NOWHERE;
    pthread_attr_destroy(&attr);
  }
}

void neo_set_threads(int64_t count) {
  pthread_mutex_lock(&caller);
  wanted = count < 1 ? 1 : count > MAX_THREADS ? MAX_THREADS : (int)count;
  pthread_mutex_unlock(&caller);
}

static void shared(const launch_t *l) {
  start();
  keep_off();
  job = l;
  static int turn;
  downwards = l->turns && (turn = !turn);
  step = 1 + (l->tasks >> 31);
  const int64_t steps = (l->tasks + step - 1) / step;
  for (int i = 0; i < wanted; ++i)
    atomic_store(&ranges[i].left, range(steps * i / wanted, steps * (i + 1) / wanted));
  atomic_store(&open_now, 1);
  atomic_fetch_add(&epoch, 1);
  if (atomic_load(&sleepers)) wake_all(&epoch);
  work(l, 0);
  atomic_store(&open_now, 0);
  for (int spins = 0; atomic_load(&active) && spins < SPIN; ++spins) relax();
  atomic_store(&waiting, 1);
  for (unsigned left; (left = atomic_load(&active));) sleep_while(&active, left);
  atomic_store(&waiting, 0);
}

void neo_run(const program_t *program) {
  for (int64_t i = 0; i < program->count; ++i) {
    const launch_t *l = &program->launches[i];
    /* a second caller does not wait for the pool: it runs its tasks itself */
    if (l->grain && wanted > 1 && pthread_mutex_trylock(&caller) == 0) {
      shared(l);
      pthread_mutex_unlock(&caller);
    } else {
      l->fn(l->args, 0, l->tasks);
    }
  }
}

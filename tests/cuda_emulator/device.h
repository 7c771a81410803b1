/* CUDA C++ on the host: what rendered and hand-written kernels use of it. Threads of a block are
   fibers that are switched at barriers, in an order that changes at each barrier; blocks run one
   after the other. */
#include <ucontext.h>
#define __global__
#define __device__
#define __shared__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define EMU static inline

struct emu_dim { unsigned x, y, z; };
static emu_dim threadIdx, blockIdx, blockDim, gridDim;

EMU int __float_as_int(float x) { int i; __builtin_memcpy(&i, &x, 4); return i; }
EMU float __int_as_float(int i) { float x; __builtin_memcpy(&x, &i, 4); return x; }
EMU unsigned __float_as_uint(float x) { return (unsigned)__float_as_int(x); }
EMU float __uint_as_float(unsigned i) { return __int_as_float((int)i); }
EMU long long __double_as_longlong(double x) { long long i; __builtin_memcpy(&i, &x, 8); return i; }
EMU double __longlong_as_double(long long i) { double x; __builtin_memcpy(&x, &i, 8); return x; }
EMU unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)(((unsigned long long)a * b) >> 32); }
#define EMU_1(g) \
  EMU float g(float x) { return __builtin_##g##f(x); } \
  EMU double g(double x) { return __builtin_##g(x); }
#define EMU_2(g) \
  EMU float g(float x, float y) { return __builtin_##g##f(x, y); } \
  EMU double g(double x, double y) { return __builtin_##g(x, y); }
EMU_1(fabs) EMU_1(sqrt) EMU_1(rint) EMU_1(exp) EMU_1(exp2) EMU_1(log) EMU_1(log2) EMU_1(tanh)
EMU_1(floor) EMU_1(ceil)
EMU_2(pow) EMU_2(fmin) EMU_2(fmax) EMU_2(copysign)
EMU float fmaf(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
EMU float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
EMU double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
template <class T> EMU T min(T a, T b) { return b < a ? b : a; }
template <class T> EMU T max(T a, T b) { return a < b ? b : a; }

EMU float emu_from_half(unsigned short h) {
  _Float16 x; __builtin_memcpy(&x, &h, 2); return (float)x;
}
EMU unsigned short emu_to_half(float x) {
  _Float16 y = (_Float16)x; unsigned short h; __builtin_memcpy(&h, &y, 2);
  return x != x ? 0x7fff : h;
}

enum { EMU_THREADS = 1024, EMU_STACK = 1 << 16 };
struct emu_fiber { ucontext_t context; int done, waits; };
static emu_fiber emu_fibers[EMU_THREADS];
static char emu_stacks[EMU_THREADS][EMU_STACK] __attribute__((aligned(64)));
static ucontext_t emu_scheduler;
static int emu_current, emu_trouble, emu_fibrous;
static void (*emu_body)(void **);
static void **emu_arguments;

static void __syncthreads() {
  if (!emu_fibrous) { emu_trouble = 2; return; }
  emu_fibers[emu_current].waits = 1;
  swapcontext(&emu_fibers[emu_current].context, &emu_scheduler);
}
static void emu_start() {
  emu_body(emu_arguments);
  emu_fibers[emu_current].done = 1;
}
static void emu_resume(int t) {
  emu_current = t;
  threadIdx.x = (unsigned)t;
  emu_fibers[t].waits = 0;
  swapcontext(&emu_scheduler, &emu_fibers[t].context);
}
static void emu_block(unsigned group) {
  for (unsigned t = 0; t < group; ++t) {
    emu_fiber &f = emu_fibers[t];
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = emu_stacks[t];
    f.context.uc_stack.ss_size = EMU_STACK;
    f.context.uc_link = &emu_scheduler;
    f.done = 0;
    makecontext(&f.context, emu_start, 0);
  }
  for (int backwards = 0;; backwards ^= 1) {
    unsigned waiting = 0, done = 0;
    for (unsigned i = 0; i < group; ++i) {
      const int t = backwards ? (int)(group - 1 - i) : (int)i;
      if (!emu_fibers[t].done) emu_resume(t);
    }
    for (unsigned t = 0; t < group; ++t) {
      done += emu_fibers[t].done;
      waiting += emu_fibers[t].waits && !emu_fibers[t].done;
    }
    if (done == group) return;
    if (done) emu_trouble = 1; /* some threads left, others wait for them at a barrier */
  }
}
static int emu_run(int fibers, void (*body)(void **), void **arguments, unsigned groups, unsigned group) {
  emu_body = body;
  emu_arguments = arguments;
  emu_trouble = 0;
  emu_fibrous = fibers;
  blockDim = {group, 1, 1};
  gridDim = {groups, 1, 1};
  for (unsigned b = 0; b < groups; ++b) {
    blockIdx = {b, 0, 0};
    if (fibers) { emu_block(group); continue; }
    for (unsigned t = 0; t < group; ++t) { threadIdx.x = t; body(arguments); }
  }
  return emu_trouble;
}

template <int... I> struct emu_list {};
template <int N, int... I> struct emu_make { using type = typename emu_make<N - 1, N - 1, I...>::type; };
template <int... I> struct emu_make<0, I...> { using type = emu_list<I...>; };
template <class... A, int... I> EMU void emu_spread(void (*f)(A...), void **p, emu_list<I...>) {
  f(*(A *)p[I]...);
}
template <class... A> EMU void emu_call(void (*f)(A...), void **p) {
  emu_spread(f, p, typename emu_make<sizeof...(A)>::type());
}
template <class... A> EMU int emu_sizes(void (*)(A...), int *out) {
  const int sizes[] = {(int)sizeof(A)..., 0};
  for (unsigned i = 0; i < sizeof...(A); ++i) out[i] = sizes[i];
  return (int)sizeof...(A);
}
#define EMU_KERNEL(NAME, FIBERS) \
  extern "C" int emu_launch_##NAME(void **p, unsigned groups, unsigned group) { \
    return emu_run(FIBERS, [](void **q) { emu_call(NAME, q); }, p, groups, group); } \
  extern "C" int emu_sizes_##NAME(int *out) { return emu_sizes(NAME, out); }

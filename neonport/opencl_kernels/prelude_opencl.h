/* OpenCL C 1.2: the words that rendered and hand-written kernels use. */
#pragma OPENCL FP_CONTRACT OFF
#define KERNEL __kernel
#define GLOBAL __global
#define LOCAL __local
#define BARRIER() barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
#define NEO_GROUP(n) __attribute__((reqd_work_group_size(n, 1, 1)))
/* no vectors of neighbouring items: rows are far apart, and Intel's compiler of 2026 ends the process
   over some of them */
#ifdef cl_intel_vec_len_hint
#define NEO_ALONE __attribute__((intel_vec_len_hint(1)))
#else
#define NEO_ALONE
#endif
#define GLOBAL_ID get_global_id(0)
#define GROUP_ID get_group_id(0)
#define LOCAL_ID get_local_id(0)
#define NEO_FN static inline
#define NEO_INF INFINITY
typedef long neo_i64;
typedef ulong neo_word;
/* totals of integers before there is any element */
#define NEO_MAX_START_i64 (-0x7fffffffffffffffL - 1)
#define NEO_MIN_START_i64 0x7fffffffffffffffL
#if defined(FP_FAST_FMAF) || defined(NEO_FUSED) /* an option of the device */
#define NEO_FMA(a, b, c) fma(a, b, c)
#else
#define NEO_FMA(a, b, c) ((a) * (b) + (c))
#endif
/* A long as the nearest int, without comparing it with another constant than 0: rusticl (Mesa 22.3)
   takes an int, made a long, for not below a constant, so that convert_uchar_sat gives 255. */
#define NEO_TO_INT(INT, x) \
  select(convert_##INT(x), convert_##INT(((x) >> 63) ^ 0x7fffffff), \
         convert_##INT((((x) ^ ((x) >> 63)) >> 31) != 0))
#define NEO_MUL_HI(a, b) mul_hi(a, b)
#define NEO_ANY(mask) any(mask)
/* Half vectors pass through memory of the work-item: OpenCL lets their address be that of any half,
   PoCL 3.1 takes it for one of an aligned vector and crashes. */
#define NEO_HALF_VECTORS(W) \
  NEO_FN float##W neo_load_half##W(const GLOBAL half *p) { \
    const ushort##W bits = vload##W(0, (const GLOBAL ushort *)p); \
    return vload_half##W(0, (const half *)&bits); \
  } \
  NEO_FN void neo_store_half##W(float##W x, GLOBAL half *p) { \
    ushort##W bits; \
    vstore_half##W##_rte(x, 0, (half *)&bits); \
    vstore##W(bits, 0, (GLOBAL ushort *)p); \
  }
#define neo_load_half(p) vload_half(0, p)
#define neo_store_half(x, p) vstore_half_rte(x, 0, p)
/* Past the cache, where the compiler knows how. Such stores are seen once the processor that made
   them has done a locked instruction, as all drivers do when a work-group ends. */
#define NEO_STORE_PAST(x, p) (*(p) = (x))
#ifdef __has_builtin
#if __has_builtin(__builtin_nontemporal_store)
#undef NEO_STORE_PAST
#define NEO_STORE_PAST(x, p) __builtin_nontemporal_store(x, p)
#endif
#endif

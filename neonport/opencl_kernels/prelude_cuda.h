/* CUDA C++: the words that rendered and hand-written kernels use. */
#define KERNEL extern "C" __global__
#define GLOBAL
#define LOCAL __shared__
#define BARRIER() __syncthreads()
#define NEO_GROUP(n) __launch_bounds__(n)
#define GLOBAL_ID ((neo_i64)blockIdx.x * blockDim.x + threadIdx.x)
#define GROUP_ID blockIdx.x
#define LOCAL_ID threadIdx.x
#define NEO_FN static __device__ __forceinline__
#define NEO_INF __int_as_float(0x7f800000)
typedef long long neo_i64;
typedef unsigned long long neo_word;
typedef unsigned char uchar;
typedef unsigned short ushort, neo_half;
typedef unsigned int uint;
typedef unsigned long long ulong;
/* totals of integers before there is any element */
#define NEO_MAX_START_i64 (-0x7fffffffffffffffLL - 1)
#define NEO_MIN_START_i64 0x7fffffffffffffffLL
#define NEO_FMA(a, b, c) fmaf(a, b, c)
#define NEO_MUL_HI(a, b) __umulhi(a, b)
#define NEO_ANY(mask) ((mask) != 0)

/* several elements that are loaded and stored together, at most 16 bytes at a time */
template <typename T, int N> struct __align__(sizeof(T) * N < 16 ? sizeof(T) * N : 16) neo_pack {
  T x[N];
};

NEO_FN float neo_from_half(neo_half h) {
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(h));
  return x;
}
NEO_FN neo_half neo_to_half(float x) {
  neo_half h;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(x));
  return h;
}

/* stores into integers: nearest even, saturating, nan to 0 */
#define NEO_TO_FROM(NAME, T, LO, HI, F, S) \
NEO_FN T neo_to_##NAME##_##S(F x) { \
  const F r = rint(x); \
  return r >= (F)(HI) ? (T)(HI) : (r <= (F)(LO) ? (T)(LO) : (x != x ? (T)0 : (T)r)); }
#define NEO_TO(NAME, T, LO, HI) \
NEO_TO_FROM(NAME, T, LO, HI, float, f32) \
NEO_FN T neo_to_##NAME##_i64(neo_i64 x) { \
  return x > (neo_i64)(HI) ? (T)(HI) : (x < (neo_i64)(LO) ? (T)(LO) : (T)x); } \
NEO_FN T neo_to_##NAME##_i32(int x) { return neo_to_##NAME##_i64(x); }
NEO_TO(int8, signed char, -128, 127)
NEO_TO(int16, short, -32768, 32767)
NEO_TO(int32, int, -2147483647 - 1, 2147483647)
NEO_TO(int64, neo_i64, -0x7fffffffffffffffLL - 1, 0x7fffffffffffffffLL)
NEO_TO(uint8, uchar, 0, 255)
NEO_TO(uint16, ushort, 0, 65535)
NEO_TO(uint32, uint, 0, 4294967295LL)
NEO_TO_FROM(uint64, ulong, 0, 0xffffffffffffffffULL, float, f32)
NEO_FN ulong neo_to_uint64_i64(neo_i64 x) { return x < 0 ? 0 : (ulong)x; }
NEO_FN ulong neo_to_uint64_i32(int x) { return neo_to_uint64_i64(x); }

/* ---- stores into integers: nearest even, saturating, nan to 0 ---- */
#define NEO_TO(NAME, T, LO, HI) \
NEO_FN T neo_to_##NAME##_f64(double x) { \
  const double r = __builtin_rint(x); \
  return r >= (double)(HI) ? (T)(HI) : (r <= (double)(LO) ? (T)(LO) : (x != x ? (T)0 : (T)r)); } \
NEO_FN T neo_to_##NAME##_f32(float x) { return neo_to_##NAME##_f64((double)x); } \
NEO_FN T neo_to_##NAME##_i64(neo_i64 x) { \
  return x > (neo_i64)(HI) ? (T)(HI) : (x < (neo_i64)(LO) ? (T)(LO) : (T)x); }
NEO_TO(int8, signed char, -128, 127)
NEO_TO(int16, short, -32768, 32767)
NEO_TO(int32, int, -2147483647 - 1, 2147483647)
NEO_TO(int64, neo_i64, -0x7fffffffffffffffLL - 1, 0x7fffffffffffffffLL)
NEO_TO(uint8, unsigned char, 0, 255)
NEO_TO(uint16, unsigned short, 0, 65535)
NEO_TO(uint32, unsigned, 0, 4294967295LL)
NEO_FN neo_word neo_to_uint64_f64(double x) {
  const double r = __builtin_rint(x);
  return r >= 18446744073709551616.0 ? 0xffffffffffffffffULL : (r > 0 ? (neo_word)r : 0);
}
NEO_FN neo_word neo_to_uint64_f32(float x) { return neo_to_uint64_f64((double)x); }
NEO_FN neo_word neo_to_uint64_i64(neo_i64 x) { return x < 0 ? 0 : (neo_word)x; }

/* ---- Philox 4x32-10 (Salmon et al., 2011): lane i % 4 of block off + i / 4, top 24 bits ---- */
NEO_FN void neo_philox(neo_word key, neo_word block, float *u0, float *u1, float *u2, float *u3) {
  neo_u32 x0 = (neo_u32)block, x1 = (neo_u32)(block >> 32), x2 = 0, x3 = 0;
  neo_u32 k0 = (neo_u32)key, k1 = (neo_u32)(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const neo_word p = (neo_word)0xD2511F53u * x0, q = (neo_word)0xCD9E8D57u * x2;
    x0 = (neo_u32)(q >> 32) ^ x1 ^ k0;
    x1 = (neo_u32)q;
    x2 = (neo_u32)(p >> 32) ^ x3 ^ k1;
    x3 = (neo_u32)p;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  *u0 = (float)(x0 >> 8) * 5.9604644775390625e-8f;
  *u1 = (float)(x1 >> 8) * 5.9604644775390625e-8f;
  *u2 = (float)(x2 >> 8) * 5.9604644775390625e-8f;
  *u3 = (float)(x3 >> 8) * 5.9604644775390625e-8f;
}
NEO_FN float neo_uniform(neo_word key, neo_word off, neo_word i) {
  float u0, u1, u2, u3;
  neo_philox(key, off + (i >> 2), &u0, &u1, &u2, &u3);
  const neo_u32 lane = (neo_u32)i & 3u;
  return lane == 0 ? u0 : lane == 1 ? u1 : lane == 2 ? u2 : u3;
}
/* the numbers first .. last - 1 and up to 3 on either side; `to` begins with the one before `first`
   whose index is a multiple of 4 */
NEO_FN void neo_uniforms(neo_word key, neo_word off, neo_i64 first, neo_i64 last, float *to) {
  const neo_i64 begin = first >> 2, count = ((last + 3) >> 2) - begin;
  NEO_SIMD()
  for (neo_i64 i = 0; i < count; ++i) {
    float u0, u1, u2, u3;
    neo_philox(key, off + (neo_word)(begin + i), &u0, &u1, &u2, &u3);
    to[4 * i] = u0;
    to[4 * i + 1] = u1;
    to[4 * i + 2] = u2;
    to[4 * i + 3] = u3;
  }
}

/* ---- memory that is read soon, into the second cache; a place behind the end does no harm ---- */
NEO_FN void neo_ahead(const void *p, neo_i64 bytes) {
  for (neo_i64 i = 0; i < bytes; i += 64) __builtin_prefetch((const char *)p + i, 0, 2); }

/* ---- turned blocks: to[row * 64 + r] = from[r * step + row] ---- */
#define NEO_TURN(to, from, step, rows, count) \
  (sizeof *(to) == 1 ? neo_turn_u8(to, from, step, rows, count) \
   : sizeof *(to) == 2 ? neo_turn_u16(to, from, step, rows, count) \
   : sizeof *(to) == 4 ? neo_turn_u32(to, from, step, rows, count) \
                       : neo_turn_u64(to, from, step, rows, count))
#if __has_builtin(__builtin_shufflevector)
#define NEO_ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define NEO_ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define NEO_TURN_8(T, to, from, step) { \
    T##_8 neo_v[8], neo_z[8]; \
    for (int k = 0; k < 8; ++k) neo_v[k] = *(const T##_8 *)((from) + k * (step)); \
    for (int stage = 0; stage < 3; ++stage) { \
      for (int k = 0; k < 4; ++k) { \
        neo_z[2 * k] = NEO_ZIP_LOW(neo_v[k], neo_v[k + 4]); \
        neo_z[2 * k + 1] = NEO_ZIP_HIGH(neo_v[k], neo_v[k + 4]); \
      } \
      for (int k = 0; k < 8; ++k) neo_v[k] = neo_z[k]; \
    } \
    for (int k = 0; k < 8; ++k) *(T##_8 *)((to) + k * 64) = neo_v[k]; \
  }
#else
#define NEO_TURN_8(T, to, from, step) \
  for (int k = 0; k < 8; ++k) \
    for (int m = 0; m < 8; ++m) (to)[k * 64 + m] = (from)[m * (step) + k];
#endif
#define NEO_TURN_OF(T, BASE) \
  typedef BASE T __attribute__((may_alias)); \
  typedef BASE T##_8 \
      __attribute__((vector_size(8 * sizeof(BASE)), may_alias, aligned(sizeof(BASE)))); \
  NEO_FN void neo_turn_##T(void *out, const void *in, neo_i64 step, neo_i64 rows, neo_i64 count) { \
    T *to = (T *)out; \
    const T *from = (const T *)in; \
    const neo_i64 whole_rows = rows & -8, whole = count & -8; \
    for (neo_i64 r = 0; r < whole; r += 8) \
      for (neo_i64 i = 0; i < whole_rows; i += 8) \
        NEO_TURN_8(T, to + i * 64 + r, from + r * step + i, step) \
    for (neo_i64 r = 0; r < count; ++r) \
      for (neo_i64 i = r < whole ? whole_rows : 0; i < rows; ++i) \
        to[i * 64 + r] = from[r * step + i]; \
  }
NEO_TURN_OF(u8, unsigned char)
NEO_TURN_OF(u16, unsigned short)
NEO_TURN_OF(u32, unsigned int)
NEO_TURN_OF(u64, unsigned long long)

/* ---- stores past the cache: whole lines go to memory without being read first ---- */
typedef int neo_line __attribute__((vector_size(64), may_alias));
typedef int neo_line_anywhere __attribute__((vector_size(64), may_alias, aligned(1)));
#if __has_builtin(__builtin_nontemporal_store)
#define NEO_STREAM_LINE(to, from) \
  __builtin_nontemporal_store(*(const neo_line_anywhere *)(from), (neo_line *)(to))
#elif defined(__AVX512F__)
typedef long long neo_v8 __attribute__((vector_size(64), may_alias));
typedef long long neo_v8_anywhere __attribute__((vector_size(64), may_alias, aligned(1)));
#define NEO_STREAM_LINE(to, from) \
  __builtin_ia32_movntdq512((neo_v8 *)(to), *(const neo_v8_anywhere *)(from))
#elif defined(__AVX__)
typedef long long neo_v4 __attribute__((vector_size(32), may_alias));
typedef long long neo_v4_anywhere __attribute__((vector_size(32), may_alias, aligned(1)));
#define NEO_STREAM_LINE(to, from) \
  (__builtin_ia32_movntdq256((neo_v4 *)(to), *(const neo_v4_anywhere *)(from)), \
   __builtin_ia32_movntdq256((neo_v4 *)(to) + 1, ((const neo_v4_anywhere *)(from))[1]))
#else
#define NEO_STREAM_LINE(to, from) (*(neo_line *)(to) = *(const neo_line_anywhere *)(from))
#endif
#if defined(__x86_64__) || defined(__i386__)
#define NEO_STREAMED() __builtin_ia32_sfence() /* before another thread may look */
#else
#define NEO_STREAMED() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif
/* elements of `size` bytes between the start of a cache line and `at` */
NEO_FN neo_i64 neo_past_line(const void *at, neo_i64 size) {
  return (neo_i64)((neo_word)at & 63) / size;
}
NEO_FN void neo_stream(void *to, const void *from, neo_i64 bytes) {
  char *d = (char *)to;
  const char *s = (const char *)from;
  neo_i64 i = neo_lesser((neo_i64)(-(neo_word)d & 63), bytes);
  __builtin_memcpy(d, s, (unsigned long)i);
  for (; i + 64 <= bytes; i += 64) NEO_STREAM_LINE(d + i, s + i);
  __builtin_memcpy(d + i, s + i, (unsigned long)(bytes - i));
}

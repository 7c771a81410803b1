/* Vectors of the widest registers, for hand-written C. REAL is defined above. */
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif
#define LANES (BYTES / (int64_t)sizeof(REAL))
#define UNROLL _Pragma("GCC unroll 16")

typedef REAL vec __attribute__((vector_size(BYTES)));
typedef __typeof__((vec){0} < (vec){0}) mask; /* all bits of a lane, or none */

static inline vec load(const REAL *p) {
  vec v;
  memcpy(&v, p, sizeof v);
  return v;
}

static inline void store(REAL *p, vec v) { memcpy(p, &v, sizeof v); }

static inline REAL total(vec v) {
  REAL parts[LANES];
  memcpy(parts, &v, sizeof v);
  for (int64_t half = LANES / 2; half; half /= 2)
    for (int64_t i = 0; i < half; ++i) parts[i] += parts[i + half];
  return parts[0];
}

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* OpenCL C: what hand-written kernels use besides the prelude. STORED, REAL, LOAD, CONVERTED are given. */
#define LOCAL_POINTER __local
/* VEC elements (1 or 4) of p from `at` on */
#define NEO_FETCH(VEC, p, at, x) \
  if (VEC == 4) { \
    neo_load4((p) + (at), x); \
  } else { \
    (x)[0] = LOAD(p, at); \
  }
#define NEO_ALIGNED __attribute__((aligned(32)))
#define REAL4 NEO_JOIN(REAL, 4)
#define NEO_VECTOR8(T) NEO_JOIN(T, 8)
#define NEO_JOIN(a, b) NEO_JOIN_(a, b)
#define NEO_JOIN_(a, b) a##b
NEO_FN void neo_load4(GLOBAL const STORED *p, REAL *x) {
#if CONVERTED
  for (int i = 0; i < 4; ++i) x[i] = LOAD(p, i);
#else
  const REAL4 v = vload4(0, p);
  x[0] = v.x, x[1] = v.y, x[2] = v.z, x[3] = v.w;
#endif
}
/* p lies on a border of four */
NEO_FN void neo_local4(LOCAL_POINTER const REAL *p, REAL *x) {
  const REAL4 v = *(LOCAL const REAL4 *)p;
  x[0] = v.x, x[1] = v.y, x[2] = v.z, x[3] = v.w;
}
/* an index of any integer type as a position below `size`, -1 if it is none */
NEO_FN INT neo_named(neo_i64 index, INT size) {
  return index >= 0 && index < (neo_i64)size ? (INT)index : -1;
}

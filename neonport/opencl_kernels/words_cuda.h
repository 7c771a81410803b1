/* CUDA C++: what hand-written kernels use besides the prelude. STORED, REAL, LOAD are given. */
#define LOCAL_POINTER
/* VEC elements (1 or 4) of p from `at` on */
#define NEO_FETCH(VEC, p, at, x) \
  if (VEC == 4) { \
    neo_load4((p) + (at), x); \
  } else { \
    (x)[0] = LOAD(p, at); \
  }
#define NEO_ALIGNED __align__(16)
NEO_FN void neo_load4(const STORED *p, REAL *x) {
  const neo_pack<STORED, 4> v = *(const neo_pack<STORED, 4> *)p;
  for (int i = 0; i < 4; ++i) x[i] = LOAD(v.x, i);
}
/* p lies on a border of four */
NEO_FN void neo_local4(const REAL *p, REAL *x) {
  const neo_pack<REAL, 4> v = *(const neo_pack<REAL, 4> *)p;
  for (int i = 0; i < 4; ++i) x[i] = v.x[i];
}
/* an index of any integer type as a position below `size`, -1 if it is none */
NEO_FN INT neo_named(neo_i64 index, INT size) {
  return index >= 0 && index < (neo_i64)size ? (INT)index : -1;
}

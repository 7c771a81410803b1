/* NEO_BLOCK(NAME, T, V, TO) defines NAME: a block of 8 x 8 elements of type T with its axes swapped, in
   registers. V is the vector of eight, TO the kind of memory that is written. */
#define SIDE 8
#define ZIP(V, a, b) (V)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3)
/* three times, halves are merged element by element: the perfect shuffle of 8 x 8 */
#define NEO_BLOCK(NAME, T, V, TO) \
NEO_FN void NAME(GLOBAL const T *x, const neo_i64 x_step, TO T *y, const neo_i64 y_step) { \
  V r[SIDE], t[SIDE]; \
  _Pragma("unroll") for (int k = 0; k < SIDE; ++k) r[k] = vload8(0, x + k * x_step); \
  _Pragma("unroll") for (int stage = 0; stage < 3; ++stage) { \
    _Pragma("unroll") for (int k = 0; k < SIDE / 2; ++k) { \
      t[2 * k] = ZIP(V, r[k].lo, r[k + SIDE / 2].lo); \
      t[2 * k + 1] = ZIP(V, r[k].hi, r[k + SIDE / 2].hi); \
    } \
    _Pragma("unroll") for (int k = 0; k < SIDE; ++k) r[k] = t[k]; \
  } \
  _Pragma("unroll") for (int k = 0; k < SIDE; ++k) vstore8(r[k], 0, y + k * y_step); \
}

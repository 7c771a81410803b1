/* The product of a panel of packed rows with columns, in registers. Include `vectors.h` before. */
#define PANEL 12 /* rows of a panel */
#if defined(__AVX512F__)
#define ROWS 12 /* at a time, with 2 vectors of columns: as many sums as registers hold */
#elif defined(__AVX__)
#define ROWS 6
#else
#define ROWS 4
#endif
#define INLINE static inline __attribute__((always_inline))
#define APART static __attribute__((noinline)) /* compiled once: for the compiler's sake */

/* out = panel @ x: x has `depth` rows of nv vectors, out PANEL of them, without gaps.

   panel, x: their rows are `across` and `along` numbers apart. */
INLINE void product_of(const REAL *panel, int64_t across, const REAL *x, int64_t along,
                       int64_t depth, REAL *out, const int nv) {
  for (int first = 0; first < PANEL; first += ROWS) {
    vec sums[ROWS][2];
    UNROLL for (int r = 0; r < ROWS; ++r)
      UNROLL for (int v = 0; v < nv; ++v) sums[r][v] = (vec){0};
    const REAL *w = panel + first, *row = x;
    for (int64_t k = 0; k < depth; ++k, w += across, row += along) {
      vec values[2];
      UNROLL for (int v = 0; v < nv; ++v) values[v] = load(row + v * LANES);
      UNROLL for (int r = 0; r < ROWS; ++r)
        UNROLL for (int v = 0; v < nv; ++v) sums[r][v] += w[r] * values[v];
    }
    UNROLL for (int r = 0; r < ROWS; ++r)
      UNROLL for (int v = 0; v < nv; ++v) store(out + ((first + r) * nv + v) * LANES, sums[r][v]);
  }
}

#define NEO_ON_LINE __attribute__((aligned(64)))
/* NEO_TURN(T) defines neo_turn_T: `rows` x `columns` elements, whose neighbours lie along the rows' axis
   and whose columns are `step` apart, as rows of `line` in memory of the work-item. */
#define NEO_TURN(T) \
NEO_BLOCK(neo_block_##T, T, T##8, ) \
NEO_FN void neo_turn_##T( \
    T *to, const int line, GLOBAL const T *from, const neo_i64 step, const int rows, \
    const int columns) { \
  for (int c = 0; c < columns; c += SIDE) \
    for (int r = 0; r < rows; r += SIDE) { \
      if (r + SIDE <= rows && c + SIDE <= columns) { \
        neo_block_##T(from + c * step + r, step, to + r * line + c, line); \
        continue; \
      } \
      for (int v = c; v < c + SIDE && v < columns; ++v) \
        for (int u = r; u < r + SIDE && u < rows; ++u) to[u * line + v] = from[v * step + u]; \
    } \
}

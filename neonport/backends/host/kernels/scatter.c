/* Rows of g (n, inner) added up at their indices into y (size, inner). REAL is defined above. A task
   is a block of columns, so each sum is made in the order of the indices by one thread. */
#include <stdint.h>

#define BLOCK 64

typedef struct {
  const REAL *g;
  const int64_t *at;
  REAL *y;
  int64_t n, inner, size, row, column; /* row, column: strides of g, in elements */
} scatter_t;

const int64_t neo_scatter_block = BLOCK;

void neo_scatter_add(const uint64_t *words, int64_t begin, int64_t end) {
  const scatter_t *p = (const scatter_t *)words;
  for (int64_t task = begin; task < end; ++task) {
    const int64_t first = task * BLOCK;
    const int64_t last = first + BLOCK < p->inner ? first + BLOCK : p->inner;
    for (int64_t i = 0; i < p->size; ++i)
      for (int64_t c = first; c < last; ++c) p->y[i * p->inner + c] = 0;
    if (p->column == 1)
      for (int64_t j = 0; j < p->n; ++j) {
        const int64_t i = p->at[j];
        if (i < 0 || i >= p->size) continue;
        REAL *y = p->y + i * p->inner;
        const REAL *g = p->g + j * p->row;
        for (int64_t c = first; c < last; ++c) y[c] += g[c];
      }
    else
      for (int64_t c = first; c < last; ++c) {
        const REAL *g = p->g + c * p->column;
        for (int64_t j = 0; j < p->n; ++j) {
          const int64_t i = p->at[j];
          if (i >= 0 && i < p->size) p->y[i * p->inner + c] += g[j * p->row];
        }
      }
  }
}

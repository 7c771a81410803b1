/* Local response normalisation over maps of x (maps, n). REAL is defined above. A task is a block
   of columns, all maps of it. The meaning is that of `normalization.py`. */
#include <math.h>
#include <stdint.h>

#define BLOCK 256

typedef struct {
  const REAL *x, *e;
  REAL *y, *shares;
  int64_t maps, n, width;
  double share, power;
} lrn_t;

const int64_t neo_lrn_block = BLOCK;

/* The sum over the maps around c, of squares for the denominators. */
static void around(const lrn_t *p, const REAL *x, int64_t c, int64_t first, int64_t count,
                   int squares, REAL *out) {
  const int64_t half = p->width / 2;
  const int64_t begin = c > half ? c - half : 0;
  const int64_t end = c + half + 1 < p->maps ? c + half + 1 : p->maps;
  for (int64_t j = 0; j < count; ++j) out[j] = 0;
  for (int64_t i = begin; i < end; ++i) {
    const REAL *row = x + i * p->n + first;
    if (squares)
      for (int64_t j = 0; j < count; ++j) out[j] += row[j] * row[j];
    else
      for (int64_t j = 0; j < count; ++j) out[j] += row[j];
  }
}

static void denominators(const lrn_t *p, int64_t c, int64_t first, int64_t count, REAL *d) {
  const REAL share = (REAL)p->share;
  around(p, p->x, c, first, count, 1, d);
  for (int64_t j = 0; j < count; ++j) d[j] = 1 + share * d[j];
}

/* d^-power; the usual powers are roots, which processors have vectors for. */
static void powers(double power, int64_t count, const REAL *d, REAL *out) {
  if (power == 0.75)
    for (int64_t j = 0; j < count; ++j) {
      const REAL r = sizeof(REAL) == 4 ? sqrtf(d[j]) : sqrt(d[j]);
      out[j] = 1 / (r * (sizeof(REAL) == 4 ? sqrtf(r) : sqrt(r)));
    }
  else if (power == 0.5)
    for (int64_t j = 0; j < count; ++j)
      out[j] = 1 / (sizeof(REAL) == 4 ? (REAL)sqrtf(d[j]) : (REAL)sqrt(d[j]));
  else if (power == 1)
    for (int64_t j = 0; j < count; ++j) out[j] = 1 / d[j];
  else
    for (int64_t j = 0; j < count; ++j) out[j] = (REAL)pow((double)d[j], -power);
}

#define EACH_ROW(p)                                                              \
  for (int64_t task = begin; task < end; ++task)                                 \
    for (int64_t c = 0, first = task * BLOCK,                                    \
                 count = p->n - first < BLOCK ? p->n - first : BLOCK;            \
         c < p->maps; ++c)

void neo_lrn_denominator(const uint64_t *words, int64_t begin, int64_t end) {
  const lrn_t *p = (const lrn_t *)words;
  EACH_ROW(p) denominators(p, c, first, count, p->y + c * p->n + first);
}

void neo_lrn(const uint64_t *words, int64_t begin, int64_t end) {
  const lrn_t *p = (const lrn_t *)words;
  REAL d[BLOCK], f[BLOCK];
  EACH_ROW(p) {
    const REAL *x = p->x + c * p->n + first;
    REAL *y = p->y + c * p->n + first;
    denominators(p, c, first, count, d);
    powers(p->power, count, d, f);
    for (int64_t j = 0; j < count; ++j) y[j] = x[j] * f[j];
  }
}

/* Windows do not leave a block of columns, so a task has all that it needs. */
void neo_lrn_backward(const uint64_t *words, int64_t begin, int64_t end) {
  const lrn_t *p = (const lrn_t *)words;
  REAL d[BLOCK], f[BLOCK], sum[BLOCK];
  const REAL factor = (REAL)(2 * p->power * p->share);
  EACH_ROW(p) {
    const int64_t at = c * p->n + first;
    denominators(p, c, first, count, d);
    powers(p->power, count, d, f);
    for (int64_t j = 0; j < count; ++j) {
      p->y[at + j] = p->e[at + j] * f[j];
      p->shares[at + j] = p->x[at + j] * p->y[at + j] / d[j];
    }
  }
  EACH_ROW(p) {
    const int64_t at = c * p->n + first;
    around(p, p->shares, c, first, count, 0, sum);
    for (int64_t j = 0; j < count; ++j) p->y[at + j] -= factor * p->x[at + j] * sum[j];
  }
}

/* A tile of a product, TILE_M x TILE_N, by a work-group: slices of DEPTH pass through local memory,
   an item has ITEM_M x ITEM_N of the tile in registers, and fetches the next slice while it works
   on this one. Who includes this says how slices are fetched: FETCH(p) fills `next_left` and
   `next_right`, zeros outside. LEFT_ROWS: neighbours in the left slice are fetched along the
   depth, else along the rows; RIGHT_ROWS: in the right slice along the columns, else along the
   depth. LEFT_VEC, RIGHT_VEC: how many at a time.
   An element of the result is one sum in the order of the depth, whatever the tile. */
#define GROUP ((TILE_M / ITEM_M) * (TILE_N / ITEM_N))
#define LEFT_EACH (TILE_M * DEPTH / GROUP)
#define RIGHT_EACH (TILE_N * DEPTH / GROUP)
#define LEFT_LINE (TILE_M + 4)
#define RIGHT_LINE (TILE_N + 4)
/* where in its slice the entry e of `next_left` or `next_right` lies: e counts vectors */
#define LEFT_FIRST(e) ((LOCAL_ID + GROUP * (e)) * LEFT_VEC)
#define RIGHT_FIRST(e) ((LOCAL_ID + GROUP * (e)) * RIGHT_VEC)
#define LEFT_ROW(e) ((int)(LEFT_ROWS ? LEFT_FIRST(e) / DEPTH : LEFT_FIRST(e) % TILE_M))
#define LEFT_DEPTH(e) ((int)(LEFT_ROWS ? LEFT_FIRST(e) % DEPTH : LEFT_FIRST(e) / TILE_M))
#define RIGHT_COLUMN(e) ((int)(RIGHT_ROWS ? RIGHT_FIRST(e) % TILE_N : RIGHT_FIRST(e) / DEPTH))
#define RIGHT_DEPTH(e) ((int)(RIGHT_ROWS ? RIGHT_FIRST(e) / TILE_N : RIGHT_FIRST(e) % DEPTH))
/* row and column in the tile of an item's i-th row and j-th column */
#define RUN_M (ITEM_M < 4 ? ITEM_M : 4)
#define RUN_N (ITEM_N < 4 ? ITEM_N : 4)
#define ITEM_ROW(i) (((i) / RUN_M * (TILE_M / ITEM_M) + ti) * RUN_M + (i) % RUN_M)
#define ITEM_COLUMN(j) (((j) / RUN_N * (TILE_N / ITEM_N) + tj) * RUN_N + (j) % RUN_N)

#define TILE_MEMORY \
  LOCAL REAL NEO_ALIGNED left[DEPTH * LEFT_LINE]; \
  LOCAL REAL NEO_ALIGNED right[DEPTH * RIGHT_LINE]; \
  const int ti = (int)LOCAL_ID / (TILE_N / ITEM_N), tj = (int)LOCAL_ID % (TILE_N / ITEM_N); \
  REAL next_left[LEFT_EACH], next_right[RIGHT_EACH], sum[ITEM_M][ITEM_N]; \
  for (int i = 0; i < ITEM_M; ++i) \
    for (int j = 0; j < ITEM_N; ++j) sum[i][j] = 0

NEO_FN void neo_put(
    LOCAL_POINTER REAL *left, LOCAL_POINTER REAL *right, const REAL *next_left,
    const REAL *next_right) {
  for (int e = 0; e < LEFT_EACH / LEFT_VEC; ++e) {
    const int at = LEFT_DEPTH(e) * LEFT_LINE + LEFT_ROW(e);
    for (int v = 0; v < LEFT_VEC; ++v)
      left[at + v * (LEFT_ROWS ? LEFT_LINE : 1)] = next_left[e * LEFT_VEC + v];
  }
  for (int e = 0; e < RIGHT_EACH / RIGHT_VEC; ++e) {
    const int at = RIGHT_DEPTH(e) * RIGHT_LINE + RIGHT_COLUMN(e);
    for (int v = 0; v < RIGHT_VEC; ++v)
      right[at + v * (RIGHT_ROWS ? 1 : RIGHT_LINE)] = next_right[e * RIGHT_VEC + v];
  }
}

NEO_FN void neo_pick(LOCAL_POINTER const REAL *line, REAL *x, int first, int step, int run, int count) {
  for (int i = 0; i < count; i += run) {
    if (run == 4)
      neo_local4(line + first + i / run * step, x + i);
    else
      for (int v = 0; v < run; ++v) x[i + v] = line[first + i / run * step + v];
  }
}

NEO_FN void neo_multiply(
    LOCAL_POINTER const REAL *left, LOCAL_POINTER const REAL *right, int ti, int tj,
    REAL sum[ITEM_M][ITEM_N]) {
  for (int p = 0; p < DEPTH; ++p) {
    REAL x[ITEM_M], y[ITEM_N];
    neo_pick(left + p * LEFT_LINE, x, ti * RUN_M, TILE_M / ITEM_M * RUN_M, RUN_M, ITEM_M);
    neo_pick(right + p * RIGHT_LINE, y, tj * RUN_N, TILE_N / ITEM_N * RUN_N, RUN_N, ITEM_N);
    for (int i = 0; i < ITEM_M; ++i)
      for (int j = 0; j < ITEM_N; ++j) sum[i][j] = MULTIPLY_ADD(x[i], y[j], sum[i][j]);
  }
}

/* add the product of the slices from `first` to `end` to `sum` */
#define TILE_PRODUCT(first, end) \
  FETCH(first); \
  for (INT p = first; p < end; p += DEPTH) { \
    neo_put(left, right, next_left, next_right); \
    BARRIER(); \
    if (p + DEPTH < end) { FETCH(p + DEPTH); } \
    neo_multiply(left, right, ti, tj, sum); \
    BARRIER(); \
  }

/* which tile a work-group has: bands of 8 tile rows, so that neighbours share what they read */
NEO_FN void neo_place(INT g, INT m, INT n, INT *i, INT *j) {
  const INT down = (m + TILE_M - 1) / TILE_M, across = (n + TILE_N - 1) / TILE_N;
  const INT band = g / (8 * across), height = down - band * 8 < 8 ? down - band * 8 : 8;
  const INT within = g - band * 8 * across;
  *i = (band * 8 + within % height) * TILE_M;
  *j = within / height * TILE_N;
}

/* One step of a recurrence over sequences, or of its adjoint; the products with the recurrent weights
   are made before and after. An item has one unit of one sample. Matrices begin at the step: x0 is
   its first number, x_r and x_n are the strides of rows and samples. `a` are sums of products, a row
   for each gate and unit, without gaps. ACT(x) and GATE(x) are the functions, ACT_SLOPE(y) and
   GATE_SLOPE(y) their slopes, of their results. The meaning is that of neonport/ops/recurrence.py. */
#define MATRIX(t) const INT t##0, const INT t##_r, const INT t##_n
#define AT(t, block) (t##0 + ((block) * units + u) * t##_r + n * t##_n)
#define IN(t, block) LOAD(t, AT(t, block))
#define SUM(block) LOAD(a, ((block) * units + u) * samples + n)
#define PLACE \
  const INT item = (INT)GROUP_ID * GROUP + (INT)LOCAL_ID; \
  if (item >= units * samples) return; \
  const INT u = item / samples, n = item % samples
#define TANH(x) tanh(x)
#define LOGISTIC(x) ((REAL)1 / ((REAL)1 + exp(-(x))))
#define RECTLIN(x) ((x) > 0 || (x) != (x) ? (x) : (REAL)0)
#define IDENTITY(x) (x)
#define TANH_SLOPE(y) ((REAL)1 - (y) * (y))
#define LOGISTIC_SLOPE(y) ((y) * ((REAL)1 - (y)))
#define RECTLIN_SLOPE(y) ((y) > 0 ? (REAL)1 : (REAL)0)
#define IDENTITY_SLOPE(y) ((REAL)1)
#define SIZES const INT units, const INT samples
#define INPUTS \
  GLOBAL const STORED *z, GLOBAL const STORED *a, GLOBAL const STORED *b, GLOBAL STORED *s
/* what a gate's function is applied to */
#define PRE(block) (IN(z, block) + SUM(block) + IN(b, block))
#define ERROR(block) ((block) < blocks ? IN(e, block) : (REAL)0)

KERNEL NEO_GROUP(GROUP) void neo_rnn(INPUTS, SIZES, MATRIX(z), MATRIX(b), MATRIX(s)) {
  PLACE;
  const REAL sum = PRE(0);
  STORE(s, AT(s, 0), ACT(sum));
}

KERNEL NEO_GROUP(GROUP) void neo_lstm(
    INPUTS, GLOBAL const STORED *c, SIZES, MATRIX(z), MATRIX(b), MATRIX(s), MATRIX(c)) {
  PLACE;
  const REAL zi = PRE(0), zf = PRE(1), zo = PRE(2), zg = PRE(3);
  const REAL i = GATE(zi), f = GATE(zf), o = GATE(zo), g = ACT(zg);
  const REAL cell = f * IN(c, 0) + i * g, bent = ACT(cell);
  STORE(s, AT(s, 0), o * bent);
  STORE(s, AT(s, 1), cell);
  STORE(s, AT(s, 2), bent);
  STORE(s, AT(s, 3), i);
  STORE(s, AT(s, 4), f);
  STORE(s, AT(s, 5), o);
  STORE(s, AT(s, 6), g);
}

/* Both gates, and what they keep of h, the state of the step before. */
KERNEL NEO_GROUP(GROUP) void neo_gru_gates(
    INPUTS, GLOBAL const STORED *h, SIZES, MATRIX(z), MATRIX(b), MATRIX(s), MATRIX(h)) {
  PLACE;
  const REAL zr = PRE(0), zz = PRE(1), r = GATE(zr);
  STORE(s, AT(s, 1), r);
  STORE(s, AT(s, 2), GATE(zz));
  STORE(s, AT(s, 4), r * IN(h, 0));
}

KERNEL NEO_GROUP(GROUP) void neo_gru_state(
    INPUTS, GLOBAL const STORED *h, SIZES, MATRIX(z), MATRIX(b), MATRIX(s), MATRIX(h)) {
  PLACE;
  const REAL zg = PRE(2), g = ACT(zg), update = IN(s, 2);
  STORE(s, AT(s, 0), ((REAL)1 - update) * IN(h, 0) + update * g);
  STORE(s, AT(s, 3), g);
}

/* Adjoints: e are the errors of the first `blocks` blocks of s, a what comes from the step after, y
   the gradient of z at the step. */
#define ERRORS \
  GLOBAL const STORED *e, GLOBAL const STORED *s, GLOBAL STORED *a, GLOBAL STORED *y

KERNEL NEO_GROUP(GROUP) void neo_rnn_backward(
    ERRORS, SIZES, const INT blocks, MATRIX(e), MATRIX(s), MATRIX(y)) {
  PLACE;
  const REAL h = IN(s, 0);
  STORE(y, AT(y, 0), ACT_SLOPE(h) * (SUM(0) + ERROR(0)));
}

/* The second block of a is the gradient of the cells. */
KERNEL NEO_GROUP(GROUP) void neo_lstm_backward(
    ERRORS, GLOBAL const STORED *c, SIZES, const INT blocks, MATRIX(e), MATRIX(s), MATRIX(y),
    MATRIX(c)) {
  PLACE;
  const REAL bent = IN(s, 2), i = IN(s, 3), f = IN(s, 4), o = IN(s, 5), g = IN(s, 6);
  const REAL dh = SUM(0) + ERROR(0);
  const REAL dc = SUM(1) + ERROR(1) + ACT_SLOPE(bent) * (o * dh + ERROR(2));
  STORE(y, AT(y, 0), GATE_SLOPE(i) * (dc * g + ERROR(3)));
  STORE(y, AT(y, 1), GATE_SLOPE(f) * (dc * IN(c, 0) + ERROR(4)));
  STORE(y, AT(y, 2), GATE_SLOPE(o) * (dh * bent + ERROR(5)));
  STORE(y, AT(y, 3), ACT_SLOPE(g) * (dc * i + ERROR(6)));
  STORE(a, (units + u) * samples + n, dc * f);
}

/* The gradient of h, which becomes that of this step, and that of the candidate. */
KERNEL NEO_GROUP(GROUP) void neo_gru_backward_candidate(
    ERRORS, SIZES, const INT blocks, MATRIX(e), MATRIX(s), MATRIX(y)) {
  PLACE;
  const REAL dh = SUM(0) + ERROR(0), g = IN(s, 3);
  STORE(y, AT(y, 2), ACT_SLOPE(g) * (dh * IN(s, 2) + ERROR(3)));
  STORE(a, u * samples + n, dh);
}

/* The second block of a is the gradient of r * h. */
KERNEL NEO_GROUP(GROUP) void neo_gru_backward_gates(
    ERRORS, GLOBAL const STORED *h, SIZES, const INT blocks, MATRIX(e), MATRIX(s), MATRIX(y),
    MATRIX(h)) {
  PLACE;
  const REAL r = IN(s, 1), update = IN(s, 2), g = IN(s, 3), before = IN(h, 0);
  const REAL dh = SUM(0), kept = SUM(1) + ERROR(4);
  STORE(y, AT(y, 0), GATE_SLOPE(r) * (kept * before + ERROR(1)));
  STORE(y, AT(y, 1), GATE_SLOPE(update) * (dh * (g - before) + ERROR(2)));
  STORE(a, u * samples + n, dh * ((REAL)1 - update) + r * kept);
}

/* What stands behind the last step: the first `states` blocks of a, and zeros up to block `gates`. */
KERNEL NEO_GROUP(GROUP) void neo_recurrence_initial(
    GLOBAL const STORED *a, GLOBAL STORED *y, SIZES, const INT states, const INT gates, MATRIX(y)) {
  PLACE;
  for (INT block = 0; block < gates; ++block)
    STORE(y, AT(y, block), block < states ? SUM(block) : (REAL)0);
}

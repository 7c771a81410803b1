/* Philox 4x32-10 (Salmon et al., 2011) for positions of type WORD: lane i % 4 of block off + i / 4,
   top 24 bits; UINT are 32-bit words. */
NEO_FN REAL neo_uniform_SUFFIX(neo_word key, neo_word off, WORD i) {
  const WORD block = off + (i >> 2);
  UINT x0 = TO_UINT(block & 0xffffffffu), x1 = TO_UINT(block >> 32), x2 = (UINT)0, x3 = (UINT)0;
  uint k0 = (uint)key, k1 = (uint)(key >> 32);
  for (int step = 0; step < 10; ++step) {
    const UINT p = NEO_MUL_HI((UINT)0xD2511F53u, x0), q = NEO_MUL_HI((UINT)0xCD9E8D57u, x2);
    const UINT a = 0xD2511F53u * x0, b = 0xCD9E8D57u * x2;
    x0 = q ^ x1 ^ k0;
    x1 = b;
    x2 = p ^ x3 ^ k1;
    x3 = a;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  const UINT lane = TO_UINT(i & 3u);
  const UINT low = lane == (UINT)0 ? x0 : x1, high = lane == (UINT)2 ? x2 : x3;
  const UINT u = lane < (UINT)2 ? low : high;
  return TO_REAL(u >> 8) * 5.9604644775390625e-8f;
}

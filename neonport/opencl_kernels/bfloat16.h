/* bfloat16 in the low bits of an INT, the upper half of a float32: to nearest even, nan stays nan. */
NEO_FN REAL neo_from_bf16_SUFFIX(INT h) { return AS_REAL(h << 16); }
NEO_FN INT neo_to_bf16_SUFFIX(REAL x) {
  const INT bits = AS_INT(x), a = bits & 0x7fffffff, high = a >> 16;
  const INT nearest = high + (((a & 0xffff) + 0x7fff + (high & 1)) >> 16);
  return ((bits >> 16) & 0x8000) | (a > 0x7f800000 ? (INT)0x7fc0 : nearest);
}

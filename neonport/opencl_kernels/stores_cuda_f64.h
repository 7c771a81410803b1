/* ---- stores of float64 into integers ---- */
NEO_TO_FROM(int8, signed char, -128, 127, double, f64)
NEO_TO_FROM(int16, short, -32768, 32767, double, f64)
NEO_TO_FROM(int32, int, -2147483647 - 1, 2147483647, double, f64)
NEO_TO_FROM(int64, neo_i64, -0x7fffffffffffffffLL - 1, 0x7fffffffffffffffLL, double, f64)
NEO_TO_FROM(uint8, uchar, 0, 255, double, f64)
NEO_TO_FROM(uint16, ushort, 0, 65535, double, f64)
NEO_TO_FROM(uint32, uint, 0, 4294967295LL, double, f64)
NEO_TO_FROM(uint64, ulong, 0, 0xffffffffffffffffULL, double, f64)

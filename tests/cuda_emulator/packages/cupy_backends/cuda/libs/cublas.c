/* The entries of cuBLAS that neonport calls, with the types of its header; Python does the work. */
#include <stddef.h>
typedef int (*emu_simple)(int, void *, void *, size_t);
typedef int (*emu_gemm)(void *, int, int, int, int, int, const void *, const void *, int, int, long long,
    const void *, int, int, long long, const void *, void *, int, int, long long, int, int, int);
static emu_simple simple;
static emu_gemm gemm;
void emu_set(emu_simple s, emu_gemm g) { simple = s; gemm = g; }
int cublasCreate_v2(void **handle) { *handle = (void *)&simple; return simple(0, *handle, 0, 0); }
int cublasDestroy_v2(void *handle) { return simple(1, handle, 0, 0); }
int cublasSetStream_v2(void *handle, void *stream) { return simple(2, handle, stream, 0); }
int cublasSetWorkspace_v2(void *handle, void *p, size_t n) { return simple(3, handle, p, n); }
int cublasGemmEx(void *h, int ta, int tb, int m, int n, int k, const void *alpha, const void *A,
    int at, int lda, const void *B, int bt, int ldb, const void *beta, void *C, int ct, int ldc,
    int compute, int algo) {
  return gemm(h, ta, tb, m, n, k, alpha, A, at, lda, 0, B, bt, ldb, 0, beta, C, ct, ldc, 0, 1,
      compute, algo);
}
int cublasGemmStridedBatchedEx(void *h, int ta, int tb, int m, int n, int k, const void *alpha,
    const void *A, int at, int lda, long long sa, const void *B, int bt, int ldb, long long sb,
    const void *beta, void *C, int ct, int ldc, long long sc, int batch, int compute, int algo) {
  return gemm(h, ta, tb, m, n, k, alpha, A, at, lda, sa, B, bt, ldb, sb, beta, C, ct, ldc, sc,
      batch, compute, algo);
}

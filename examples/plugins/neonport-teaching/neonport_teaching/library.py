"""Level 2: library calls."""

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from neonport.backends.backend import Backend
from neonport.tensor.tensor import Tensor
from neonport_teaching.kernels import KernelDevice

LIBRARY = r"""
typedef unsigned long long word;
typedef long long whole;
#define EACH(i, n) for (whole i = 0; i < (n); ++i)
#define AT(w, i) ((REAL *)(w)[i])

/* Rows of c = alpha * a @ b + beta * c.
   Words: depth, columns, alpha, beta, then address and strides of a, b and c. */
void product(const word *w, whole begin, whole end) {
  const whole *n = (const whole *)w;
  const double alpha = ((const double *)w)[2], beta = ((const double *)w)[3];
  for (whole i = begin; i < end; ++i) EACH(j, n[1]) {
    double sum = 0;
    EACH(p, n[0]) sum += (double)AT(w, 4)[i * n[5] + p * n[6]] * AT(w, 7)[p * n[8] + j * n[9]];
    REAL *c = AT(w, 10) + i * n[11] + j * n[12];
    *c = (REAL)(beta ? alpha * sum + beta * *c : alpha * sum);
  }
}

/* Position of a filter's cell in an image along one axis, if it is inside. */
static int inside(const whole *n, int axis, whole m, whole t, whole *at) {
  *at = m * n[14 + axis] - n[11 + axis] + t * n[17 + axis];
  return *at >= 0 && *at < n[1 + axis];
}

/* Maps of y[k, m.., b] = sum of f[c, t.., k] * x[c, m * stride - padding + t * dilation.., b].
   Words: maps, image (3), window (3), counts (3), batch, padding (3), stride (3), dilation (3),
   then address and strides of x, f and y. */
void convolution(const word *w, whole begin, whole end) {
  const whole *n = (const whole *)w, *x = n + 21, *f = n + 27, *y = n + 33;
  for (whole k = begin; k < end; ++k)
  EACH(m0, n[7]) EACH(m1, n[8]) EACH(m2, n[9]) EACH(b, n[10]) {
    double sum = 0;
    whole h0, h1, h2;
    EACH(t0, n[4]) if (inside(n, 0, m0, t0, &h0))
    EACH(t1, n[5]) if (inside(n, 1, m1, t1, &h1))
    EACH(t2, n[6]) if (inside(n, 2, m2, t2, &h2))
    EACH(c, n[0])
      sum += (double)AT(w, 20)[c * x[0] + h0 * x[1] + h1 * x[2] + h2 * x[3] + b * x[4]] *
             AT(w, 26)[c * f[0] + t0 * f[1] + t1 * f[2] + t2 * f[3] + k * f[4]];
    AT(w, 32)[k * y[0] + m0 * y[1] + m1 * y[2] + m2 * y[3] + b * y[4]] = (REAL)sum;
  }
}
"""
REALS = {"float32": "float", "float64": "double"}


class Command(NamedTuple):
    """A function of the library with its argument words."""

    entry: Callable[[np.ndarray, int], None]
    words: np.ndarray
    tasks: int

    def __call__(self):
        """Run it."""
        self.entry(self.words, self.tasks)


def packed(*parts: Any) -> np.ndarray:
    """Argument words: integers, floats, and address and strides of tensors."""
    values: list[Any] = []
    for part in parts:
        values += [part.raw(), *part.strides] if isinstance(part, Tensor) else [part]
    kinds = "".join("d" if isinstance(value, float) else "q" for value in values)
    return np.frombuffer(struct.pack(kinds, *values), np.uint64)


class LibraryDevice(KernelDevice):
    """Level 1, and a library: matrix products and convolution of float32 and float64."""

    def library(self, name, *tensors):
        """A function of the library, if it has one for these dtypes."""
        dtypes = {t.dtype.name for t in tensors}
        if not self.compiles or len(dtypes) > 1 or not dtypes <= set(REALS):
            return None
        (entry,) = self.compile_c(f"#define REAL {REALS[dtypes.pop()]}\n{LIBRARY}", [name])
        return entry

    def matmul(self, a, b, c, alpha, beta):
        """The library's product."""
        entry = self.library("product", a, b, c)
        if entry is None:
            return super().matmul(a, b, c, alpha, beta)
        return Command(entry, packed(*b.shape, alpha, beta, a, b, c), c.shape[0])

    def library_call(self, op, operands, target, params):
        """The library's convolution; None leaves an op to NumPy."""
        entry = self.library("convolution", *operands, target) if op == "conv" else None
        if entry is None:
            return None
        x, f = operands
        geometry = [params[name] for name in ("padding", "stride", "dilation")]
        sizes = [*x.shape[:4], *f.shape[1:4], *target.shape[1:], *sum(geometry, ())]
        return Command(entry, packed(*sizes, x, f, target), f.shape[4])


class LibraryBackend(Backend):
    """Tensors in bytearrays; kernels and a library compute."""

    backend_name = "library"
    device_class = LibraryDevice

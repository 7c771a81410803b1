"""A matrix product as BLAS sees it, and what runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from neonport.backends.host.blas.pieces import (
    SERIAL_WORK,
    VECTOR_SERIAL,
    Pieces,
    cut,
)

Bound = Callable[[], None]
Addresses = tuple[int, int, int]
Matrices = tuple[np.ndarray, np.ndarray, np.ndarray]
KINDS = {np.dtype(np.float32): "s", np.dtype(np.float64): "d"}


@dataclass(frozen=True)
class Product:
    """(m, k) @ (k, n) -> (m, n) of views laid out in a certain way, at any addresses.

    Attributes:
        dtype: float32 or float64.
        vector: whether it is a matrix times a column: `gemv`, with increments as steps of b and c.
        transposed: whether a and b are.
        sizes: m, n, k.
        steps: leading dimensions of a, b and c in elements.
        count: products with targets of their own.
        added: products that are added up in one target; count or this is 1.
        jumps: bytes from one product to the next in a, b and c.
    """

    dtype: np.dtype
    vector: bool
    transposed: tuple[bool, bool]
    sizes: tuple[int, int, int]
    steps: tuple[int, int, int]
    count: int = 1
    added: int = 1
    jumps: tuple[int, int, int] = (0, 0, 0)

    @property
    def function(self) -> str:
        """Name of the BLAS function, without `cblas_`."""
        return KINDS[self.dtype] + ("gemv" if self.vector else "gemm")

    @property
    def work(self) -> int:
        """Multiplications."""
        m, n, k = self.sizes
        return m * n * k * self.added * self.count

    def pieces(self, small_kernels: bool) -> Pieces:
        """How each product is cut; see `pieces.cut`."""
        m, n, k = self.sizes
        return cut(m, n, k, self.added, vector=self.vector, small_kernels=small_kernels)

    def grain(self, tasks: int) -> int:
        """Of so many tasks, those handed out together; 0 if one thread does them all."""
        serial = VECTOR_SERIAL if self.vector else SERIAL_WORK
        if tasks == 1 or self.work < serial:
            return 0
        return max(1, min(serial // 4 * tasks // self.work, tasks // 4))


class Prepared(Protocol):
    """A product that is ready to run."""

    def call(self, alpha: float, beta: float, addresses: Addresses) -> None:
        """Compute c = alpha * a @ b + beta * c for matrices at these addresses."""

    def bind(self, alpha: float, beta: float, addresses: Addresses, keep: Any) -> Bound:
        """Make a call without arguments for these addresses; it keeps something alive."""


class Runner(Protocol):
    """Runs pieces of products on threads."""

    def prepare(self, product: Product) -> Prepared:
        """Cut a product into pieces."""

    def bind_together(self, products: Sequence[Matrices]) -> tuple[list[Bound], list[Matrices]]:
        """Calls for those of several products c = a @ b that gain by it, and the others.

        Args:
            products: a, b and c of each; no c shares memory with another array.
        """


class Plan(NamedTuple):
    """A product of views of given shapes and strides.

    Attributes:
        prepared: it, for BLAS.
        swapped: whether BLAS takes b before a.
        extents: bytes from the first to the last byte of a, b and c.
    """

    prepared: Prepared
    swapped: bool
    extents: tuple[int, int, int]

    def call(self, alpha: float, beta: float, addresses: Addresses) -> None:
        """Compute c = alpha * a @ b + beta * c for matrices a, b, c at these addresses."""
        a, b, c = addresses
        self.prepared.call(alpha, beta, (b, a, c) if self.swapped else addresses)

    def bind(self, alpha: float, beta: float, addresses: Addresses, keep: Any) -> Bound:
        """Make a call without arguments for these addresses; it keeps something alive."""
        a, b, c = addresses
        return self.prepared.bind(alpha, beta, (b, a, c) if self.swapped else addresses, keep)

"""Creating tensors: the derived part of a backend that hands out memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np

from neonport.backends.arguments import check_tensors
from neonport.dtypes import as_dtype, cast, host_numbers, is_float
from neonport.errors import ConfigurationError, DtypeError, ShapeError
from neonport.shape import (
    Shape,
    as_shape,
    at_least_2d,
    contiguous_strides,
    integers,
    overlaps_itself,
)
from neonport.tensor.storage import Storage
from neonport.tensor.tensor import Tensor


class Creation:
    """`empty`, `zeros`, `ones`, `array`, `*_like`, `iobuf`, `from_dlpack`."""

    # what the other parts of a backend give
    allocate: Any
    bsz: Any
    check_open: Any
    copy_in: Any
    default_dtype: Any
    default_dtypes: Any
    stochastic_round: Any
    unrecordable: Any
    _activation_dtype: Any = None

    def empty(
        self,
        shape: Any,
        dtype: Any = None,
        name: str | None = None,
        persist_values: bool = True,
        parallel: bool = False,
        distributed: bool = False,
    ) -> Tensor:
        """A new tensor; its contents are zeros today but should not be relied on.

        Args:
            shape: sizes; an int or one size n is a column (n, 1).
            dtype: storage dtype, default `default_dtype`.
            name: label for printing.
            persist_values, parallel, distributed: accepted for neon.

        Raises:
            ShapeError, DtypeError, TypeError: naming shape or dtype.
            OutOfDeviceMemory: no room.

        Example:
            out = be.empty((3, 4), dtype=np.float16)
            out[:] = x * 2
        """
        self.check_open()
        kind = self.default_dtype if dtype is None else as_dtype(dtype)
        self.check_dtype(kind)
        sizes = as_shape(shape)
        self.unrecordable(f"it allocates a tensor of shape {sizes}; allocate before the step")
        storage = self.allocate(prod(sizes) * kind.itemsize)
        out = Tensor(self, storage, kind, (sizes, contiguous_strides(sizes), 0), name)
        out.persist_values = persist_values
        out.rounding = self.stochastic_round
        return out

    def check_dtype(self, dtype: np.dtype) -> None:
        """Raise DtypeError for a dtype that the device cannot store."""
        if is_float(dtype) and dtype.name not in self.default_dtypes:
            raise DtypeError(
                f"{self}: the device has no {dtype}; use one of {', '.join(self.default_dtypes)}"
            )

    def zeros(
        self,
        shape: Any,
        dtype: Any = None,
        name: str | None = None,
        persist_values: bool = True,
        parallel: bool = False,
        distributed: bool = False,
    ) -> Tensor:
        """A new tensor of zeros; arguments as `empty`.

        Example:
            total = be.zeros((3, 1), name="total")
        """
        return self.empty(shape, dtype, name, persist_values, parallel, distributed)

    def ones(
        self,
        shape: Any,
        dtype: Any = None,
        name: str | None = None,
        persist_values: bool = True,
        parallel: bool = False,
        distributed: bool = False,
    ) -> Tensor:
        """A new tensor of ones; arguments as `empty`.

        Example:
            weights = be.ones((5, 3))
        """
        return self.empty(shape, dtype, name, persist_values, parallel, distributed).fill(1)

    def array(
        self,
        ary: Any,
        dtype: Any = None,
        name: str | None = None,
        persist_values: bool = True,
        parallel: bool = False,
        distributed: bool = False,
    ) -> Tensor:
        """A new tensor with the values of `ary` (array, list, number, tensor of any backend).

        dtype None means `default_dtype`, never the dtype of the input.

        Example:
            labels = be.array([[0, 2, 1, 1]], dtype=np.int32)
        """
        values = ary.get() if isinstance(ary, Tensor) else host_numbers(ary, "array")
        out = self.empty(values.shape, dtype, name, persist_values, parallel, distributed)
        self.copy_in(out, cast(values.reshape(out.shape), out.dtype))
        return out

    def empty_like(
        self,
        ary: Any,
        dtype: Any = None,
        name: str | None = None,
        persist_values: bool = True,
    ) -> Tensor:
        """A new tensor of the shape of `ary`, a tensor or an array.

        The dtype is the given one, else a tensor's own, else the default.

        Raises:
            DtypeError: `ary` has no shape.

        Example:
            slope = be.empty_like(x)
        """
        if not hasattr(ary, "shape"):
            raise DtypeError(f"empty_like: a {type(ary).__name__} has no shape; pass an array")
        if dtype is None and isinstance(ary, Tensor):
            dtype = ary.dtype
        return self.empty(ary.shape, dtype, name=name, persist_values=persist_values)

    def zeros_like(
        self,
        ary: Any,
        dtype: Any = None,
        name: str | None = None,
        persist_values: bool = True,
    ) -> Tensor:
        """A new tensor of zeros of the shape of `ary`; dtype as `empty_like`.

        Example:
            velocity = be.zeros_like(x)
        """
        return self.empty_like(ary, dtype, name, persist_values)

    def shared_iobuf_size(self, shape: Any, parallelism: Any = None) -> int:
        """Features of a buffer of `shape`, batch excluded."""
        return prod(shape) if isinstance(shape, (tuple, list)) else int(shape)

    def iobuf(
        self,
        dim0: Any,
        x: Tensor | None = None,
        dtype: Any = None,
        name: str | None = None,
        persist_values: bool = True,
        shared: Tensor | None = None,
        parallelism: Any = None,
    ) -> Tensor:
        """A zero-filled activation buffer: features in rows, samples in columns.

        Args:
            dim0: int f -> (f, bsz); (f, steps) -> (f, steps * bsz); other tuples -> (prod, bsz).
            x: returned unchanged if given.
            shared: tensor whose memory to use; the result is itself or a view of its beginning.

        Raises:
            ConfigurationError: the batch size is not set, or `dim0` is a list.
            DtypeError: `shared` is no tensor.

        Example:
            activations = be.iobuf(10)  # (10, be.bsz)
        """
        if x is not None:
            return x
        if self.bsz is None:
            raise ConfigurationError(
                "iobuf: the batch size is not set; be.bsz = N or gen_backend(batch_size=N)"
            )
        if shared is not None:
            check_tensors("iobuf", shared=shared)
        if isinstance(dim0, list):
            raise ConfigurationError(f"iobuf: shape {dim0} must be an int or a tuple, not a list")
        sizes = integers(dim0 if isinstance(dim0, tuple) else (dim0,), "iobuf")
        two = len(sizes) == 2
        shape = (sizes[0], sizes[1] * self.bsz) if two else (prod(sizes), self.bsz)
        dtype = self._activation_dtype if dtype is None else dtype
        if shared is None:
            return self.zeros(shape, dtype, name, persist_values)
        same = shared.shape == shape and dtype in (None, shared.dtype)
        return (shared if same else shared.share(shape, dtype)).fill(0)

    @contextmanager
    def activations(self, dtype: Any) -> Iterator[None]:
        """Inside, `iobuf` makes buffers of another dtype; all else stays of the default one.

        Layers take their outputs and errors from `iobuf`, and their parameters from `empty`: so
        this is how a network computes in 16 bits on float32 weights.

        Args:
            dtype: of the buffers.

        Raises:
            DtypeError: the device does not store it.

        Example:
            with be.activations("float16"):
                assert be.iobuf(3).dtype == np.float16
                assert be.empty((3, 1)).dtype == np.float32
        """
        kind = as_dtype(dtype)
        self.check_dtype(kind)
        before, self._activation_dtype = self._activation_dtype, kind
        try:
            yield
        finally:
            self._activation_dtype = before

    def from_dlpack(self, x: Any, copy: bool | None = None) -> Tensor:
        """A tensor over the memory of another library's array: both see every write.

        Args:
            x: object with `__dlpack__` and `__dlpack_device__`.
            copy: None or False share the memory; True copies, also from another device.

        Raises:
            DLPackError: the memory cannot be shared and `copy` is not True.

        Example:
            host = np.ones((3, 4), np.float32)
            shared = be.from_dlpack(host)  # on the host: writes to one are seen by the other
        """
        from neonport.tensor.dlpack import adopt

        return adopt(self, x, copy)

    def wrap(
        self, storage: Storage, dtype: np.dtype, shape: Shape, strides: Shape, offset: int
    ) -> Tensor:
        """A tensor over existing storage; shapes below rank 2 become columns.

        Raises:
            ShapeError: elements repeat in memory (stride 0).
        """
        if 0 in shape:
            strides = contiguous_strides(tuple(shape))
        if any(s == 0 and n > 1 for n, s in zip(shape, strides, strict=True)):
            raise ShapeError(
                "memory in which elements repeat (stride 0) cannot be a tensor; copy it first"
            )
        storage.overlapping |= overlaps_itself(shape, strides)
        sizes = at_least_2d(tuple(shape))
        steps = tuple(strides) + (1,) * (len(sizes) - len(strides))
        return Tensor(self, storage, as_dtype(dtype), (sizes, steps, offset))

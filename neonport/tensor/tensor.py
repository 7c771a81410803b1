"""Tensor: neon's handle over the memory of a backend: shape, views, assignment, transfer."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from math import prod
from typing import Any

import numpy as np

from neonport.dtypes import as_dtype
from neonport.errors import AliasError, FrozenError, ReadOnlyError, ShapeError
from neonport.optree.node import OpTreeNode, apply
from neonport.shape import (
    Shape,
    as_shape,
    contiguous_strides,
    integers,
    is_contiguous,
    overlaps_itself,
    reshape_strides,
    resolve_reshape,
)
from neonport.tensor.backend_protocol import TensorBackend
from neonport.tensor.exchanged import Exchanged
from neonport.tensor.indexing import check_indices, parse
from neonport.tensor.storage import Layout, Storage

# how a view was made from its base: op name and parameters of the op that does the same to a tree
Derivation = tuple[str, dict[str, Any]]


class TensorSlots(Exchanged):
    """What a tensor holds, while it is being made."""

    backend: TensorBackend
    storage: Storage
    dtype: np.dtype
    shape: Shape
    strides: Shape
    offset: int
    name: str | None
    base: Tensor | None
    derivation: Derivation | None
    persist_values: bool
    rounding: int | bool
    kahan_count: int
    kahan_reset: int
    token: int
    _native: Any

    __slots__ = (
        "__weakref__",
        "_native",
        "backend",
        "base",
        "derivation",
        "dtype",
        "kahan_count",
        "kahan_reset",
        "name",
        "offset",
        "persist_values",
        "rounding",
        "shape",
        "sig",
        "storage",
        "strides",
        "token",
        "tokens",
    )
    scalars = ()


_WAYS_OUT = {
    "shape": "; t.reshape(shape) is a view of another shape",
    "strides": "; slices and t.permute(axes) are views of other strides",
    "dtype": "; t.astype(dtype) converts into a new tensor, t.share(shape, dtype) shares the bytes",
}
_FREE = frozenset({"_native", "kahan_count", "kahan_reset", "name", "persist_values", "rounding"})


class Tensor(TensorSlots):
    """An array of at least two dimensions in the memory of a backend.

    Made by a backend (`be.zeros`, `be.array`, ...) or as a view of another tensor. `t[:] = tree`
    evaluates: the whole right-hand side first, then the store, whatever shares memory. `t += x` and
    its kin do the same and leave `t` the tensor that it was. What says where the elements are and
    what they are is read-only.

    Attributes:
        backend: where the memory is.
        shape, strides, offset: layout in elements.
        dtype: storage type.
        name: label for printing.
        base: the tensor this is a view of, or None.
        persist_values, rounding: kept for neon; see `neonport.backends`.
    """

    __slots__ = ()
    _min_dims = 2

    def __new__(
        cls,
        backend: Any,
        storage: Storage,
        dtype: np.dtype,
        layout: Layout,
        name: str | None = None,
        base: Tensor | None = None,
        derivation: Derivation | None = None,
    ) -> Tensor:
        """A tensor over a layout of a storage; backends and views call it."""
        self: Any = TensorSlots()
        self.backend = backend
        self.storage = storage
        self.dtype = dtype
        self.shape, self.strides, self.offset = layout
        self.name = name
        self.base = base
        self.derivation = derivation
        self.persist_values = True
        self.rounding = False if base is None else base.rounding
        self.kahan_count = self.kahan_reset = 0
        self._native = None
        self.sig = backend.leaf_signature(dtype, self.shape)
        self.token = storage.token(dtype, layout)
        self.tokens = (self.token,)
        self.__class__ = cls  # from here on `__setattr__` guards what is set
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _FREE and hasattr(type(self), name):
            way = _WAYS_OUT.get(name, "")
            raise FrozenError(f"tensor: the attribute {name} is read-only{way}")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise FrozenError(f"tensor: the attribute {name} cannot be deleted")

    # ---- facts -------------------------------------------------------------------------------

    @property
    def layout(self) -> Layout:
        """Shape, strides and offset in elements."""
        return self.shape, self.strides, self.offset

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that the elements take."""
        return self.size * self.dtype.itemsize

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def is_contiguous(self) -> bool:
        """Whether elements lie in row-major order without gaps."""
        return is_contiguous(self.shape, self.strides)

    @property
    def readonly(self) -> bool:
        """Whether writes raise ReadOnlyError."""
        return self.storage.readonly

    @property
    def _original_base(self) -> Tensor:
        """The tensor at the root of the views."""
        root = self
        while root.base is not None:
            root = root.base
        return root

    @property
    def native(self) -> Any:
        """The backend's own view object of this layout (an ndarray on the CPU)."""
        found = self._native
        if found is None:
            self.backend.check_open()
            found = self._native = self.backend.view(self.storage, self.dtype, self.layout)
        return found

    def raw(self) -> int:
        """Address (or handle plus offset) of the first element."""
        self.backend.check_open()
        return self.storage.address + self.offset * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(self.shape[0]))

    def __str__(self) -> str:
        return self.name or f"tensor-{id(self):x}"

    def __repr__(self) -> str:
        label = f" {self.name!r}" if self.name else ""
        head = f"<Tensor{label} {self.shape} {self.dtype} on {self.backend}"
        if self.backend.closed:
            return f"{head}, backend cleaned up>"
        values = np.array2string(self.get(), threshold=100, edgeitems=3, precision=6)
        return f"{head}\n{values}>"

    # ---- views -------------------------------------------------------------------------------

    def _view(self, layout: Layout, how: Derivation | None) -> Tensor:
        return Tensor(self.backend, self.storage, self.dtype, layout, self.name, self, how)

    def __getitem__(self, key: Any) -> Any:
        if type(key) is slice and key.start is None and key.stop is None and key.step is None:
            return self
        region = parse(key, self.shape)
        strides = tuple(s * k for s, k in zip(self.strides, region.steps, strict=True))
        offset = self.offset + sum(a * s for a, s in zip(region.starts, self.strides, strict=True))
        whole = region.sizes == self.shape and strides == self.strides
        cut = self
        if not whole:
            params = {"starts": region.starts, "steps": region.steps, "shape": region.sizes}
            cut = self._view((region.sizes, strides, offset), ("slice", params))
        if region.gather is None:
            return cut.reshape(region.view_shape(region.sizes))
        axis, indices = region.gather
        picked = cut.take(indices, axis)
        shape = region.view_shape(picked.shape)
        return picked if shape == picked.shape else apply("reshape", picked, shape=shape)

    def reshape(self, *shape: Any) -> Tensor:
        """A view with the same elements in row-major order; one size may be -1.

        Raises:
            ShapeError: the sizes differ, or this layout has no such view (copy it first).
        """
        request = (
            shape[0] if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)) else shape
        )
        target = resolve_reshape(self.shape, request)
        if target == self.shape:
            return self
        strides = reshape_strides(self.shape, self.strides, target)
        if strides is None:
            raise ShapeError(
                f"reshape of {self.shape} to {target}: this view (strides {self.strides}) is not "
                "contiguous enough; copy it first: be.array(t).reshape(...)"
            )
        return self._view((target, strides, self.offset), ("reshape", {"shape": target}))

    def dimension_reorder(self, new_order: Any) -> Tensor:
        """A reshape to the permuted shape; no element moves."""
        return self.reshape(tuple(self.shape[p] for p in self._order(new_order)))

    @property
    def T(self) -> Tensor:
        """Transpose view: both axes swapped; above rank 2 axis 0 stays, the others are reversed."""
        rank = len(self.shape)
        if rank == 2:  # what layers ask for in each step
            layout = self.shape[::-1], self.strides[::-1], self.offset
            return self._view(layout, ("transpose", {"perm": (1, 0)}))
        return self.permute((0, *range(rank - 1, 0, -1)))

    def permute(self, perm: Any) -> Tensor:
        """A view with the axes in order `perm`."""
        order = self._order(perm)
        layout = (
            tuple(self.shape[p] for p in order),
            tuple(self.strides[p] for p in order),
            self.offset,
        )
        return self._view(layout, ("transpose", {"perm": order}))

    def _order(self, perm: Any) -> tuple[int, ...]:
        order = integers(perm, "order of axes")
        if sorted(order) != list(range(self.ndim)):
            raise ShapeError(f"permute: {order} is not an order of the axes of shape {self.shape}")
        return order

    def transpose(self, out: Tensor | None = None) -> Tensor:
        """The transpose view, or `out` after it was copied there."""
        if out is None:
            return self.T
        out[:] = self.T
        return out

    def share(self, shape: Any, dtype: Any = None, name: str | None = None) -> Tensor:
        """A view of the first elements (bytes, if `dtype` differs) with another shape.

        Raises:
            ShapeError: `shape` needs more memory, or this tensor is not contiguous.
        """
        target, kind = as_shape(shape), self.dtype if dtype is None else as_dtype(dtype)
        if not self.is_contiguous:
            raise ShapeError(
                f"share: a view of shape {self.shape} is not contiguous; share its base"
            )
        if prod(target) * kind.itemsize > self.nbytes:
            raise ShapeError(
                f"share: shape {target} of {kind} does not fit into {self.shape} of {self.dtype}"
            )
        first = self.offset * self.dtype.itemsize
        if first % kind.itemsize:
            raise ShapeError(f"share: byte {first} is not aligned for {kind}")
        layout = (target, contiguous_strides(target), first // kind.itemsize)
        how: Derivation | None = ("share", {"shape": target}) if kind == self.dtype else None
        return Tensor(self.backend, self.storage, kind, layout, name or self.name, self, how)

    def take(self, indices: Any, axis: int, out: Tensor | None = None) -> Any:
        """Entries picked along an axis: a lazy gather, also writable: `t.take(i, 0)[:] = v`.

        Args:
            indices: integers (list, ndarray or integer tensor) with one non-unit axis.
            axis: axis of this tensor.
            out: assign there and return it.

        Raises:
            IndexRangeError: a host index is out of range. Indices in a tensor are not read back:
                one out of range, or negative, picks 0.
        """
        node = self.backend.take(self, indices, axis)
        if out is None:
            return node
        out[:] = node
        return out

    # ---- writing -----------------------------------------------------------------------------

    def __setitem__(self, key: Any, value: Any) -> None:
        if type(key) is slice and key.start is None and key.stop is None and key.step is None:
            target = self
        else:
            target = self[key]
            if isinstance(target, OpTreeNode):
                target[:] = value
                return
        if type(value) is OpTreeNode:
            sig = value.sig
            tokens, scalars = value._found or sig.read(value)
            bound = target.backend.bound.get((target.token, sig, tokens))
            if bound is not None and bound(scalars):
                return
        elif type(value) is Tensor:
            bound = target.backend.bound.get((target.token, value.sig, value.tokens))
            if bound is not None and bound(()):
                return
        target.backend.assign(target, value)

    def fill(self, value: float) -> Tensor:
        """Set every element; returns self."""
        self[:] = value
        return self

    def set(self, ary: Any) -> Tensor:
        """Copy host data in, cast to the own dtype; returns self.

        Raises:
            ShapeError: another number of elements, or (both at least 2-D) another shape.
        """
        self.backend.set_host(self, ary)
        return self

    def copy(self, a: Any) -> Tensor:
        """Assign `a` into this tensor and return it (neon's meaning of the name)."""
        self[:] = a
        return self

    def copy_from(self, a: Any) -> Tensor:
        """Assign an array or tensor, of any backend, into this tensor and return it."""
        if isinstance(a, Tensor) and a.backend is not self.backend:
            return self.set(a.get())
        self[:] = a
        return self

    def scatter_into(self, indices: Any, axis: int, value: Any, shape: Shape) -> None:
        """Store `value` where a gather along an axis reads: `t.take(indices, axis)[:] = value`.

        Later entries win where an index occurs twice.

        Args:
            indices: integer tensor or tree.
            axis: axis of this tensor.
            value: what can be assigned to a tensor of `shape`.
            shape: of the gather, or one with as many elements that it was reshaped to.

        Raises:
            IndexRangeError: an index is out of range.
        """
        self.check_writable("scatter")
        entries = check_indices(_host_indices(indices), self.shape[axis], axis, wrap=False)
        picked = self.backend.empty(shape, dtype=self.dtype)
        picked[:] = value
        rows = (*self.shape[:axis], entries.size, *self.shape[axis + 1 :])
        self.backend.scatter(self, entries, axis, picked.reshape(rows))

    def check_writable(self, op: str) -> None:
        """Raise unless this tensor may be written.

        Raises:
            ReadOnlyError, AliasError, ClosedBackendError: the memory is read-only, elements share
                some of it, the backend was cleaned up.
        """
        self.backend.check_open()
        if self.storage.readonly:
            raise ReadOnlyError(
                f"{op}: the target of shape {self.shape} is read-only; copy it: be.array(t)"
            )
        if self.storage.overlapping and overlaps_itself(self.shape, self.strides):
            raise AliasError(
                f"{op}: elements of the target of shape {self.shape} share memory (strides "
                f"{self.strides}); it can be read only, copy it: be.array(t)"
            )

    # ---- reading -----------------------------------------------------------------------------

    def get(self) -> np.ndarray:
        """A new NumPy array with the tensor's shape and dtype; waits for pending work."""
        self.backend.check_open()
        self.backend.unrecordable("it reads a tensor on the host (get, float(t), ...)")
        return self.backend.copy_out(self)

    def asnumpyarray(self) -> np.ndarray:
        """Like `get`; neon's older name."""
        return self.get()

    def numpy(self) -> np.ndarray:
        """Like `get`; the name that users of other libraries look for."""
        return self.get()

    def __copy__(self) -> Tensor:
        """An own copy of the elements on the same backend."""
        out: Tensor = self.backend.empty(self.shape, dtype=self.dtype)
        out.name, out.rounding = self.name, self.rounding
        out[:] = self
        return out

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """An own copy; tensors that are copied together share memory where they did before."""
        path = [self]
        while id(path[-1]) not in memo and path[-1].base is not None:
            path.append(path[-1].base)
        root = path.pop()
        own = memo.get(id(root)) or memo.setdefault(id(root), copy(root))
        first = root.offset * root.dtype.itemsize - own.offset * own.dtype.itemsize
        alike = own.strides == root.strides or (own.is_contiguous and root.is_contiguous)
        if path and not (alike and all(first % view.dtype.itemsize == 0 for view in path)):
            return memo.setdefault(id(self), copy(self))  # foreign memory, laid out otherwise
        for view in reversed(path):  # no recursion: a view of a view has no limit
            layout = (view.shape, view.strides, view.offset - first // view.dtype.itemsize)
            own = Tensor(
                view.backend, own.storage, view.dtype, layout, view.name, own, view.derivation
            )
            own.rounding = view.rounding
            memo[id(view)] = own
        return own

    def astype(self, dtype: Any) -> Tensor:
        """A new tensor of another dtype with the values of this one."""
        out: Tensor = self.backend.empty(self.shape, dtype=dtype)
        out[:] = self
        return out

    def __float__(self) -> float:
        return float(self._only())

    def __int__(self) -> int:
        return int(self._only())

    def item(self) -> Any:
        """The value of a tensor with one element."""
        return self._only()

    def _only(self) -> Any:
        if self.size != 1:
            raise ShapeError(f"a tensor of shape {self.shape} is not one number; use .get()")
        return self.get().item()

    def hist(self, tag: str) -> Tensor:
        """Histogram of rounded log2 magnitudes, stored under `tag`; see `be.dump_hist_data`."""
        counts: Tensor = self.backend.histogram(self, tag)
        return counts


def _host_indices(indices: Any) -> np.ndarray:
    if isinstance(indices, OpTreeNode) and indices.backend is not None:
        exact = indices.backend.empty(indices.shape, dtype=np.int64)
        exact[:] = indices
        indices = exact
    values: np.ndarray = indices.get()
    return values

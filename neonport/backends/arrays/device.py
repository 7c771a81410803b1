"""`ArrayDevice`: a device over an array library; its author gives a namespace and memory."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from neonport.backends.arrays.graph_program import Computer, GraphProgram, host_number
from neonport.backends.arrays.namespace import ArrayNamespace
from neonport.compiler.graph import Graph, MemoryView, Value
from neonport.dtypes import ROWS
from neonport.engine.device import Bound, Device, Launch, Place
from neonport.ops.op import OPS
from neonport.ops.philox import uniform
from neonport.shape import Shape
from neonport.tensor.storage import Layout, Storage
from neonport.tensor.tensor import Tensor

BYTE = np.dtype(np.uint8)
GRANULE = 64  # bytes: a multiple of every item size, and a cache line


class GraphLaunch:
    """A statement bound to memory, run by the library function by function.

    Args:
        device: where it runs.
        graph: what it computes.
        places: (native memory, first byte) of each slot.
    """

    def __init__(
        self, device: ArrayDevice, graph: Graph, places: Sequence[tuple[Any, int]]
    ) -> None:
        self.device = device
        self.program = GraphProgram(graph, device.computer)
        self.targets = [_placed(leaf, places) for _, leaf in graph.outputs]
        self.sources = {leaf: _placed(leaf, places) for leaf in self.program.leaves()}
        written = {id(native) for native, _, _ in self.targets}
        meets = any(id(native) in written for native, _, _ in self.sources.values())
        alias = meets and not device.arrays.immutable
        self.copied = [alias and view for view in self.program.views]
        self.numbers: Sequence[float] = ()
        self.rands: Sequence[tuple[int, int]] = ()

    def set_numbers(self, numbers: Sequence[float]) -> None:
        """Replace the number arguments."""
        self.numbers = numbers

    def set_rands(self, sources: Sequence[tuple[int, int]]) -> None:
        """Replace key and offset of each random source."""
        self.rands = sources

    def __call__(self) -> None:
        """Compute everything, then store."""
        arrays, device = self.device.arrays, self.device

        def number(slot: int, dtype: np.dtype) -> Any:
            return arrays.from_host(host_number(self.numbers[slot], arrays.held(dtype)))

        def drawn(slot: int, count: int) -> Any:
            return arrays.from_host(uniform(*self.rands[slot], count))

        found = self.program.run(lambda leaf: device.load(*self.sources[leaf]), number, drawn)
        if True in self.copied:  # a value may be a view of what is written
            found = [arrays.copy(v) if c else v for v, c in zip(found, self.copied, strict=True)]
        for place, value in zip(self.targets, found, strict=True):
            device.store(*place, value)


def _placed(leaf: MemoryView, places: Sequence[tuple[Any, int]]) -> tuple[Any, np.dtype, Layout]:
    """Memory, dtype and layout of a view, its offset counted from the start of the memory."""
    native, start = places[leaf.slot]
    shape, strides, offset = leaf.layout
    return native, leaf.dtype, (shape, strides, offset + start // leaf.dtype.itemsize)


class ArrayDevice(Device):
    """Memory of an array library, and statements computed by its functions.

    A subclass sets `arrays` before anything else is called and gives `probe`, `allocate`,
    `strided`, `synchronize` and DLPack; for immutable arrays `load` and `store` too.

    Attributes:
        arrays: the library's namespace.
        computer: runs the definitions of ops; its `fallbacks` say which ran on the host, and why.
    """

    arrays: ArrayNamespace

    def __init__(self, device_id: int = 0) -> None:
        super().__init__(device_id)
        self.computer = Computer(self.arrays)

    # ---- what a library gives ----------------------------------------------------------------

    @abstractmethod
    def strided(self, native: Any, dtype: np.dtype, layout: Layout) -> Any:
        """The library's view of memory, as `Storage.native` holds it.

        Args:
            native: the memory.
            dtype: of the elements.
            layout: shape, strides and offset in elements; no stride is negative.
        """

    def load(self, native: Any, dtype: np.dtype, layout: Layout) -> Any:
        """The library's array of a layout; a copy where it runs backward."""
        forward, axes = forward_layout(layout)
        view = self.strided(native, dtype, forward)
        return self.arrays.xp.flip(view, axis=axes) if axes else view

    def store(self, native: Any, dtype: np.dtype, layout: Layout, value: Any) -> None:
        """Store an array of the layout's shape and dtype."""
        forward, axes = forward_layout(layout)
        view = self.strided(native, dtype, forward)
        view[...] = self.arrays.xp.flip(value, axis=axes) if axes else value

    # ---- what follows ------------------------------------------------------------------------

    def view(self, storage: Storage, dtype: np.dtype, layout: Layout) -> Any:
        """The library's array of a layout; a copy where the library has no such view."""
        return self.load(storage.native, dtype, layout)

    def read(self, storage: Storage, start: int, out: np.ndarray) -> None:
        """Copy memory to the host."""
        out[...] = self.arrays.to_host(self.load(storage.native, BYTE, ((out.size,), (1,), start)))

    def write(self, storage: Storage, start: int, values: np.ndarray) -> None:
        """Copy from the host to memory."""
        layout = ((values.size,), (1,), start)
        self.store(storage.native, BYTE, layout, self.arrays.from_host(np.array(values)))

    def copy_in(self, target: Tensor, values: np.ndarray) -> None:
        """Copy host values in."""
        array = self.arrays.from_host(values)
        self.store(target.storage.native, target.dtype, target.layout, array)

    def copy_out(self, source: Tensor) -> np.ndarray:
        """A new host array of the values."""
        array = self.load(source.storage.native, source.dtype, source.layout)
        return np.array(self.arrays.to_host(array), order="C")

    @property
    def compiles(self) -> bool:
        """Statements are bound, though not to kernels."""
        return True

    def bind_graph(self, graph: Graph, places: Sequence[Place]) -> Launch:
        """The statement as a whole."""
        return GraphLaunch(self, graph, [(storage.native, start) for storage, start in places])

    def matmul(self, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Bound:
        """The product of the definition, in the compute dtype, as a statement."""
        compute = np.dtype(ROWS[c.dtype.name].compute)
        values = [_leaf(slot, t, compute) for slot, t in enumerate((a, b))]

        def add(op: str, args: tuple[int, ...], attr: Any = None, shape: Shape = c.shape) -> int:
            values.append(Value(op, args, shape, compute, attr))
            return len(values) - 1

        root = add("dot", (0, 1))
        if alpha != 1:
            root = add("mul", (root, add("scalar", (), 0, (1, 1))))
        if beta:
            values.append(_leaf(2, c, compute))
            old = add("mul", (len(values) - 1, add("scalar", (), 1, (1, 1))))
            root = add("add", (root, old))
        return self._bound([a, b, c], values, root, (alpha, beta))

    def batched_matmul(self, a: Tensor, b: Tensor, c: Tensor) -> Bound:
        """The definition of `batched_dot`."""
        return self.library_call("batched_dot", [a, b], c, {"reduce": c.ndim == 2})

    def library_call(
        self, op: str, operands: list[Tensor], target: Tensor, params: dict[str, Any]
    ) -> Bound:
        """The definition of the op, by the library's functions, as a statement."""
        row = OPS[op]
        compute = row.result or np.dtype(ROWS[target.dtype.name].compute)
        values = [_leaf(slot, t, t.dtype) for slot, t in enumerate(operands)]
        args = tuple(range(len(operands)))
        values.append(Value(op, args, target.shape, compute, tuple(params.items()) or None))
        return self._bound([*operands, target], values, len(args))

    def _bound(
        self, tensors: list[Tensor], values: list[Value], root: int, numbers: Any = ()
    ) -> Bound:
        """A statement of which each tensor has a slot of its own, the target's the last one."""
        target = tensors[-1]
        view = MemoryView(len(tensors) - 1, target.dtype, (target.shape, target.strides, 0))
        graph = Graph(tuple(values), ((root, view),), len(tensors), 0)
        places = [(t.storage, t.offset * t.dtype.itemsize) for t in tensors]
        launch = self.bind_graph(graph, places)
        launch.set_numbers(numbers)
        return launch


def _leaf(slot: int, tensor: Tensor, dtype: np.dtype) -> Value:
    """A tensor as a value that is read in a dtype."""
    view = MemoryView(slot, tensor.dtype, (tensor.shape, tensor.strides, 0))
    return Value("leaf", (), tensor.shape, dtype, view)


def forward_layout(layout: Layout) -> tuple[Layout, Shape]:
    """The same elements without negative strides, and the axes that then run the other way."""
    shape, strides, offset = layout
    axes = tuple(a for a, s in enumerate(strides) if s < 0)
    if not axes:
        return layout, axes
    first = offset + sum((shape[a] - 1) * strides[a] for a in axes if shape[a])
    return (shape, tuple(map(abs, strides)), first), axes


def padded(nbytes: int) -> int:
    """Bytes to allocate, so that memory can be seen as any dtype."""
    return -(-nbytes // GRANULE) * GRANULE

"""The device: memory of JAX arrays, and each statement as one compiled function."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from neonport.backends.arrays.device import ArrayDevice
from neonport.backends.arrays.graph_program import GraphProgram, host_number
from neonport.backends.arrays.namespace import ArrayNamespace
from neonport.backends.backend import Backend
from neonport.compiler.graph import Graph, MemoryView
from neonport.engine.device import Capabilities, ProbeResult
from neonport.errors import BackendUnavailable, OutOfDeviceMemory
from neonport.foundation.bounded_table import BoundedTable
from neonport.ops.philox import uniform
from neonport.tensor.storage import Layout, Storage
from neonport_jax import accuracy, memory
from neonport_jax.memory import Cell

MAX_COMPILED = 256  # statements of a generation; XLA keeps megabytes for each


def wide() -> Any:
    """While this lasts, arrays may be of 64 bits; the setting of everybody else is left alone."""
    return jax.enable_x64(True)


class JaxNamespace(ArrayNamespace):
    """JAX's functions."""

    immutable = True

    def __init__(self, device: Any) -> None:
        super().__init__(jnp, library={"erf": jax.scipy.special.erf})
        self.device = device

    def upload(self, values: np.ndarray) -> Any:
        """An array of the device; a constant while a statement is traced."""
        return jnp.asarray(np.array(values))

    def function(self, name: str) -> Callable[..., Any]:
        """JAX's function for a ufunc of NumPy's."""
        found = accuracy.FUNCTIONS.get(name)
        if found is None:
            return super().function(name)

        def exact(*operands: Any) -> Any:
            values = (x.astype(np.float64) for x in operands)
            return found(*values).astype(operands[0].dtype)

        return exact

    def bitcast(self, array: Any, dtype: np.dtype) -> Any:
        """The same bits as another dtype."""
        return jax.lax.bitcast_convert_type(array, dtype)

    def set_item(self, array: Any, key: Any, value: Any) -> Any:
        """A new array in which a part is replaced."""
        forward, _ = self._key(array, key, value.ndim)
        return array.at[forward].set(self._flipped(array, key, value))

    def on_host(
        self, function: Callable[..., Any], operands: Sequence[Any], shape: Any, dtype: np.dtype
    ) -> Any:
        """A call of the host from inside the compiled statement."""

        def call(*values: Any) -> np.ndarray:
            with np.errstate(all="ignore"):
                found = np.asarray(function(*map(np.asarray, values)))
            return found.reshape(shape).astype(dtype, copy=False)

        return jax.pure_callback(call, jax.ShapeDtypeStruct(shape, dtype), *operands)


class Compiled:
    """A statement compiled by `jax.jit`, for any memory.

    Args:
        device: where it runs.
        graph: what it computes.
        cells: for each slot of the graph the number of its block of memory.
    """

    def __init__(self, device: JaxDevice, graph: Graph, cells: tuple[int, ...]) -> None:
        self.program = GraphProgram(graph, device.computer)
        self.cells = cells
        self.numbers = self.program.numbers()
        self.draws = self.program.draws()
        views = [*(leaf for _, leaf in graph.outputs), *self.program.leaves()]
        self.dtypes = {cells[leaf.slot]: leaf.dtype for leaf in reversed(views)}
        self.written = sorted({cells[leaf.slot] for _, leaf in graph.outputs})
        self.run = jax.jit(self._run)

    def _run(self, blocks: list[Any], starts: list[Any], numbers: Any, draws: Any) -> list[Any]:
        """Traced once: blocks of memory in, those that were written out."""
        blocks = list(blocks)

        def place(leaf: MemoryView) -> tuple[Any, Any, Any, Any]:
            shape, strides, offset = leaf.layout
            flat = memory.seen_as(blocks[self.cells[leaf.slot]], leaf.dtype)
            return flat, starts[leaf.slot] // leaf.dtype.itemsize + offset, shape, strides

        values = self.program.run(
            lambda leaf: memory.read(*place(leaf)),
            lambda *key: numbers[self.numbers.index(key)],
            lambda *key: draws[self.draws.index(key)],
        )
        for (_, leaf), value in zip(self.program.outputs, values, strict=True):
            blocks[self.cells[leaf.slot]] = memory.write(*place(leaf), value)
        return [blocks[i] for i in self.written]


class JitLaunch:
    """A compiled statement and its memory."""

    def __init__(
        self, device: JaxDevice, compiled: Compiled, cells: list[Cell], starts: Any
    ) -> None:
        self.device = device
        self.compiled = compiled
        self.cells = cells
        self.starts = starts
        self.set_numbers(())
        self.set_rands(())

    def set_numbers(self, numbers: Sequence[float]) -> None:
        """Replace the number arguments."""
        wanted = self.compiled.numbers if numbers else ()
        self.numbers = [host_number(numbers[slot], dtype) for slot, dtype in wanted]

    def set_rands(self, sources: Sequence[tuple[int, int]]) -> None:
        """Replace key and offset of each random source."""
        self.rands = sources

    def __call__(self) -> None:
        """Compute everything, then replace the arrays of the blocks that were written."""
        compiled = self.compiled
        drawn = [uniform(*self.rands[slot], count) for slot, count in compiled.draws]
        with wide():
            blocks = [cell.now(compiled.dtypes[i]) for i, cell in enumerate(self.cells)]
            found = compiled.run(blocks, self.starts, self.numbers, drawn)
        for i, array in zip(compiled.written, found, strict=True):
            self.cells[i].array = array
        self.device.pending = found


class JaxDevice(ArrayDevice):
    """Tensors over JAX arrays.

    Args:
        device_id: which device of JAX's default platform.
        platform: another one of JAX's platforms, such as "cpu".
    """

    capabilities = Capabilities(("float16", "bfloat16", "float32", "float64"))

    def __init__(self, device_id: int = 0, platform: str | None = None) -> None:
        devices = jax.devices(platform)
        if device_id >= len(devices):
            raise BackendUnavailable(
                f"JAX has {len(devices)} devices here, none of number {device_id}"
            )
        self.device = devices[device_id]
        self.arrays = JaxNamespace(self.device)
        self.space = object()
        self.addresses = itertools.count(1)
        self.pending: list[Any] = []
        self.compiled: BoundedTable[Any, Compiled] = BoundedTable(MAX_COMPILED)
        super().__init__(device_id)

    @classmethod
    def probe(cls) -> ProbeResult:
        """The processor is always there."""
        devices = jax.devices()
        words = f"{devices[0].platform} {devices[0].device_kind}, JAX {jax.__version__}"
        return ProbeResult("ready", words, count=len(devices))

    def allocate(self, nbytes: int) -> Storage:
        """Memory that holds zeros; JAX makes an array of it when it is first used."""
        if nbytes >= 1 << 48:
            raise OutOfDeviceMemory(f"cannot allocate {nbytes} bytes on {self.device}")
        address = next(self.addresses) << 48  # blocks never overlap
        return Storage(Cell(nbytes, self.device), nbytes, self.space, address)

    def load(self, native: Cell, dtype: np.dtype, layout: Layout) -> Any:
        """The array of a layout, as it is now."""
        shape, strides, offset = layout
        with wide():
            flat = memory.seen_as(native.now(dtype), dtype)
            return memory.read(flat, offset, shape, strides)

    def store(self, native: Cell, dtype: np.dtype, layout: Layout, value: Any) -> None:
        """Replace the array of the memory by one with other values in a layout."""
        shape, strides, offset = layout
        with wide():
            flat = memory.seen_as(native.now(dtype), dtype)
            native.array = memory.write(flat, offset, shape, strides, value)

    def strided(self, native: Cell, dtype: np.dtype, layout: Layout) -> Any:
        """As `load`: JAX has no views."""
        return self.load(native, dtype, layout)

    def copy_in(self, target: Any, values: np.ndarray) -> None:
        """Copy host values in."""
        with wide():
            super().copy_in(target, values)

    def bind_graph(self, graph: Graph, places: Sequence[tuple[Storage, int]]) -> JitLaunch:
        """The statement, compiled when it runs first with arrays of these sizes."""
        natives = [storage.native for storage, _ in places]
        cells = list(dict.fromkeys(natives))
        key = graph, tuple(map(cells.index, natives))
        compiled = self.compiled.find(key)
        if compiled is None:
            compiled = Compiled(self, *key)
            self.compiled.keep(key, compiled)
        starts = [np.int64(start) for _, start in places]
        return JitLaunch(self, compiled, cells, starts)

    def synchronize(self) -> None:
        """Wait for the statement that was given last, and so for those before it."""
        jax.block_until_ready(self.pending)


class JaxBackend(Backend):
    """Tensors on a device of JAX."""

    backend_name = "jax"
    device_class = JaxDevice

"""`Device`: what the author of a backend writes.

Memory and copies are required; NumPy, on the host, does whatever else a device has no way of its
own for. What users call stands in `neonport.backends.backend.Backend`, which *has* a device; a new
backend is a subclass of `Device` and three lines:

    class NpuBackend(Backend):
        backend_name = "npu"
        device_class = NpuDevice
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from neonport.compiler.codegen.dialect import Dialect
from neonport.compiler.graph import Graph
from neonport.compiler.kernel import BoundKernel
from neonport.engine.c_kernels import CKernels, Entry, render_c
from neonport.engine.host_buffer import HostBuffer
from neonport.engine.host_copies import Bound, product_on_copies
from neonport.engine.owner import Runner
from neonport.engine.recording import Recorder, bound_calls
from neonport.errors import CompileError, ConfigurationError, DLPackError
from neonport.plugins.info import ProbeResult as ProbeResult
from neonport.shape import Shape, span
from neonport.tensor.dlpack import EXTENSION, copied, is_empty
from neonport.tensor.storage import Layout, Storage, array_over
from neonport.tensor.tensor import Tensor

Place = tuple[Storage, int]


class Launch(Protocol):
    """A kernel bound to memory."""

    def __call__(self) -> None:
        """Run it."""

    def set_numbers(self, numbers: Sequence[float]) -> None:
        """Replace the number arguments."""

    def set_rands(self, sources: Sequence[tuple[int, int]]) -> None:
        """Replace key and offset of each random source."""


@dataclass(frozen=True)
class Capabilities:
    """Abilities of a device.

    Attributes:
        dtypes: names of the float types that it stores.
        device_type: neon's number: 0 for the host, 1 for a device with memory of its own.
        host_memory: whether `view` gives NumPy arrays over the live memory at any time.
        pinned_memory: whether copies to the device want page-locked host memory.
        runs: whether kernels are executed; the `null` backend only renders them.
    """

    dtypes: tuple[str, ...] = ("float16", "float32", "float64")
    device_type: int = 1
    host_memory: bool = False
    pinned_memory: bool = False
    runs: bool = True


class Device(ABC):
    """Memory, copies, kernels, matrix products and DLPack of one device.

    Args:
        device_id: which device of its kind.

    Attributes:
        capabilities: what it can do; a class attribute, or set by `__init__`.
        executor: runs statements on this device; set when the backend is made.
        dialect: the language of its kernels, where that is C for `compile_c`; None: it has none.
        dlpack_data: what `data` of a DLPack capsule is: "pointer", or the kind of handle.
    """

    capabilities: Capabilities = Capabilities()
    executor: Runner
    dialect: Dialect | None = None
    dlpack_data: str = "pointer"

    def __init__(self, device_id: int = 0) -> None:
        self.device_id = device_id
        self._c_kernels = CKernels()

    def __str__(self) -> str:
        return str(self.executor.owner)

    # ---- what every device gives -------------------------------------------------------------

    @classmethod
    @abstractmethod
    def probe(cls) -> ProbeResult:
        """Say whether this kind of device can be used here, without raising."""

    @abstractmethod
    def allocate(self, nbytes: int) -> Storage:
        """Zero-filled memory; `OutOfDeviceMemory` when there is no room."""

    @abstractmethod
    def read(self, storage: Storage, start: int, out: np.ndarray) -> None:
        """Copy memory to the host, after the work given so far is done.

        Args:
            storage: memory of this device.
            start: first byte.
            out: bytes to fill: one-dimensional, uint8, without gaps, at least one.
        """

    @abstractmethod
    def write(self, storage: Storage, start: int, values: np.ndarray) -> None:
        """Copy from the host to memory, after the work given so far and before any later.

        Args:
            storage: memory of this device.
            start: first byte.
            values: bytes, as in `read`; they may change as soon as this returns.
        """

    # ---- memory and copies -------------------------------------------------------------------

    def view(self, storage: Storage, dtype: np.dtype, layout: Layout) -> Any:
        """The device's own array object for a layout (strides and offset in elements).

        It becomes `tensor.native`. Without one it is the whole block, as `allocate` gave it.
        """
        return storage.native

    def copy_in(self, target: Tensor, values: np.ndarray) -> None:
        """Copy host values of the target's shape and dtype in.

        Of a target with gaps, all bytes that it spans are read and written back.
        """
        if 0 in target.shape:
            return
        start, count, layout = _span_in_bytes(target)
        if target.is_contiguous:
            part = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        else:
            part = np.empty(count, np.uint8)
            self.read(target.storage, start, part)
            array_over(part, target.dtype, layout)[...] = values
        self.write(target.storage, start, part)

    def copy_out(self, source: Tensor) -> np.ndarray:
        """Wait for pending work and return a new host array."""
        if 0 in source.shape:
            return np.empty(source.shape, source.dtype)
        start, count, layout = _span_in_bytes(source)
        part: np.ndarray = np.empty(count, np.uint8)
        self.read(source.storage, start, part)
        values = array_over(part, source.dtype, layout)
        return values if source.is_contiguous else np.array(values, order="C")

    def synchronize(self) -> None:  # noqa: B027
        """Wait until all work given to the device is done; none is left where calls wait."""

    # ---- kernels -----------------------------------------------------------------------------

    @property
    def compiles(self) -> bool:
        """Whether kernels can be compiled at all; NumPy evaluates statements where they cannot."""
        return self.dialect is not None or type(self).bind_kernel is not Device.bind_kernel

    def compile_c(self, source: str, names: Sequence[str]) -> Sequence[Entry]:
        """Compile C in the words of `dialect`; all that is needed for kernels on the device.

        Args:
            source: a whole text, which begins with the prelude of `dialect`. Each of its entries
                is `void name(const neo_word *words, neo_i64 begin, neo_i64 end)` and runs a range
                of tasks; ranges may run at the same time, in any order.
            names: the entries that are wanted.

        Returns:
            For each name a call `entry(words, tasks)` that runs the tasks 0 to `tasks`. `words` is
            a host array of uint64 that the function gets a copy of, or a pointer to; addresses in
            it are those of `Storage.address`.

        Raises:
            CompileError: with the compiler's words.
        """
        raise CompileError(f"{self} compiles no kernels; assign the statement instead: y[:] = tree")

    def bind_kernel(self, kernel: BoundKernel, places: Sequence[Place | None]) -> Launch:
        """Compile a kernel (or find it compiled) and bind it to memory; by default with C.

        Args:
            kernel: what to compute.
            places: (storage, byte offset) of each access; None where it has no memory. A launch
                must not keep a `Storage` alive, unless its `space` is "arena".

        Raises:
            CompileError: with the compiler's words.
        """
        if self.dialect is None:
            raise CompileError(
                f"{self} compiles no kernels, so a statement cannot be bound; assign it instead: "
                "y[:] = tree"
            )
        return self._c_kernels.bind(self, self.dialect, kernel, places)

    def bind_graph(self, graph: Graph, places: Sequence[Place]) -> Launch | None:
        """A call that runs a whole statement; None: it is cut into kernels and library calls.

        For devices over an array library, which fuses and compiles by itself; `compiles` is true.

        Args:
            graph: what is computed, and what is stored where.
            places: (storage, byte offset) of each slot of the graph. The launch must not keep a
                `Storage` alive.
        """
        return None

    def give_up_kernels(self, error: CompileError) -> bool:
        """Whether NumPy takes over after this error; it is raised if not."""
        return False

    def prefetch(self, kernels: Sequence[BoundKernel]) -> None:  # noqa: B027
        """Compile several kernels at the same time, before each of them is bound: a hint."""

    def render_kernel(self, kernel: BoundKernel, prelude: bool = False) -> str:
        """The text of a kernel for `be.explain(source=True)`; "" if there is none.

        Args:
            kernel: what is computed.
            prelude: whether the functions that stand in front of every kernel are shown too.
        """
        return render_c(kernel, self.dialect, prelude) if self.dialect else ""

    # ---- library calls -----------------------------------------------------------------------

    def matmul(self, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Bound:
        """A call that does `c = alpha * a @ b + beta * c`; with `beta == 0` `c` is not read.

        All three are floats of one dtype, of any layout. By default NumPy multiplies host copies.
        """
        return product_on_copies(self, a, b, c, alpha, beta)

    def matmuls(self, products: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Bound:
        """A call that does `c = a @ b` for several products, of which none reads another's `c`.

        The default calls `matmul` for each. A device may make those together that share an operand.
        """
        return one_by_one([self.matmul(a, b, c, 1.0, 0.0) for a, b, c in products])

    def batched_matmul(self, a: Tensor, b: Tensor, c: Tensor) -> Bound:
        """A call that multiplies the matrices of `a` and `b`, at least one of which has a batch.

        Args:
            a, b: 3-D with the batch in front, or one matrix for all of the batch.
            c: 3-D for all products, 2-D for their sum.
        """
        batch = next(t.shape[0] for t in (a, b) if t.ndim == 3)
        calls = []
        for i in range(batch):
            x, y, z = (t[i] if t.ndim == 3 else t for t in (a, b, c))
            beta = 0.0 if c.ndim == 3 or i == 0 else 1.0
            calls.append(self.matmul(x, y, z, 1.0, beta))
        return one_by_one(calls)

    def library_call(
        self, op: str, operands: list[Tensor], target: Tensor, params: dict[str, Any]
    ) -> Bound | None:
        """A call that stores `op(operands)` in `target`; None: NumPy's definition runs.

        It must not keep the memory of tensors alive: hold native arrays or weak references.

        Args:
            op: name in the op table: a window op, an op along an axis or a scatter-add.
            operands: tensors of any layout, in the dtypes that the row says (`Op.reads`).
            target: tensor of the result's shape and dtype; shares no memory with the operands.
            params: parameters of the op.
        """
        return None

    # ---- copies and exchange -----------------------------------------------------------------

    def scatter(self, target: Tensor, indices: np.ndarray, axis: int, values: Tensor) -> bool:
        """Store entries at their indices along an axis; False: one assignment an entry does it."""
        return False

    def host_array(self, tensor: Tensor, dtype: Any, copy: bool | None) -> np.ndarray:
        """Array that `np.asarray(tensor)` gives: a host copy, unless the memory is the host's."""
        if copy is False:
            raise ConfigurationError(
                f"a tensor of dtype {tensor.dtype} on {self} cannot become an array of dtype "
                f"{dtype or tensor.dtype} without a copy; leave copy out"
            )
        values = tensor.get()
        return values if dtype is None else values.astype(dtype)

    def host_buffer(self, shape: Shape, dtype: np.dtype) -> HostBuffer:
        """Memory of the host for values that are sent to the device, page-locked where that helps.

        Args:
            shape: of the array.
            dtype: of the array.
        """
        return HostBuffer(shape, dtype)

    def dlpack_device(self) -> tuple[int, int]:
        """DLPack device type and ordinal of this device's memory; `kDLExtDev` by default."""
        return (EXTENSION, self.device_id)

    def cuda_array_interface(self, tensor: Tensor) -> dict[str, Any] | None:
        """What `tensor.__cuda_array_interface__` is; None: the memory is not CUDA's."""
        return None

    def dlpack_shares(self, device: tuple[int, int]) -> bool:
        """Whether `dlpack_adopt` can use memory on a DLPack device in place."""
        return device == self.dlpack_device()

    def dlpack_export(
        self, tensor: Tensor, *, stream: Any, max_version: Any, copy: bool | None
    ) -> Any:
        """A capsule of the tensor on its own device, after pending work was ordered before it.

        Raises:
            DLPackError: by default; then only host copies can be had.
        """
        raise DLPackError(
            f"dlpack: {self} does not share its memory with other libraries; export host memory: "
            "tensor.host(), or np.from_dlpack(t, device='cpu')"
        )

    def dlpack_adopt(self, x: Any, **options: Any) -> Tensor:
        """A tensor over the memory of a DLPack producer on the same device.

        Raises:
            DLPackError: by default, for all but tensors of this backend.
        """
        if isinstance(x, Tensor) and x.backend is self.executor.owner:
            return self.tensor(x.storage, x.dtype, x.layout)
        if is_empty(x):
            return copied(self.executor.owner, x)
        raise DLPackError(
            f"from_dlpack: {self} does not share foreign memory; copy it: "
            "be.from_dlpack(x, copy=True)"
        )

    # ---- recording, time, life ---------------------------------------------------------------

    def start_recording(self, recorder: Recorder) -> None:  # noqa: B027
        """Prepare what the device keeps with a recording."""

    def make_replay(self, recorder: Recorder) -> tuple[Bound, str]:
        """A replay of what was recorded, and how it is done."""
        return bound_calls(recorder), "bound calls"

    def init_mark(self) -> Any:
        """A mark in time for `record_mark`."""
        return {"time": 0.0}

    def record_mark(self, marker: Any) -> None:
        """Store the time at which the work given so far is done."""
        self.synchronize()
        marker["time"] = time.perf_counter()

    def synchronize_mark(self, marker: Any) -> None:  # noqa: B027
        """Wait for a mark."""

    def get_time(self, start: Any, end: Any) -> float:
        """Milliseconds between two recorded marks."""
        return float((end["time"] - start["time"]) * 1000.0)

    def memory_stats(self) -> dict[str, int]:
        """Bytes in use and at peak, as far as the device knows."""
        return {}

    def check_alive(self) -> None:  # noqa: B027
        """Raise if the device cannot be used any more, for example after a fork."""

    def close(self) -> None:  # noqa: B027
        """Release what the device holds."""

    # ---- for devices -------------------------------------------------------------------------

    def tensor(self, storage: Storage, dtype: np.dtype, layout: Layout) -> Tensor:
        """A tensor of this device's backend over some memory."""
        return Tensor(self.executor.owner, storage, dtype, layout)

    def adopted(
        self, storage: Storage, dtype: np.dtype, shape: Shape, strides: Shape, offset: int
    ) -> Tensor:
        """A tensor over foreign memory; see `Backend.wrap`."""
        return self.executor.owner.wrap(storage, dtype, shape, strides, offset)

    def forget_statements(self) -> None:
        """Unbind all statements, so that each is checked again before it runs."""
        self.executor.owner.bound.clear()


def one_by_one(calls: Sequence[Bound]) -> Bound:
    """A call that makes several."""

    def run() -> None:
        for call in calls:
            call()

    return run


def _span_in_bytes(tensor: Tensor) -> tuple[int, int, Layout]:
    """First byte and number of bytes that a tensor spans in its storage, and its layout there."""
    shape, strides, offset = tensor.layout
    low, high = span(shape, strides, offset)
    step = tensor.dtype.itemsize
    return low * step, (high - low) * step, (shape, strides, offset - low)

"""`GpuDevice`: rendered and hand-written kernels on whatever runs work-items.

A device on this base gives `dialect` and `traits`, `build` and `bind_launch`, memory, copies,
`synchronize` and DLPack. Everything else is here.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from neonport.backends.gpu import matmul, transpose
from neonport.backends.gpu.autotune import first_tile, tuned
from neonport.backends.gpu.kernel_text import in_order, rendered
from neonport.backends.gpu.kernels.dispatch import BINDERS
from neonport.backends.gpu.launch import Box, BoxedLaunch, NativeLaunch, RenderedLaunch
from neonport.backends.gpu.matmul import WORTH, Tile, kind_of
from neonport.compiler.codegen.gpu.dialects import DeviceDialect
from neonport.compiler.codegen.gpu.launch_shape import DeviceTraits, LaunchShape, launch_shape
from neonport.compiler.codegen.gpu.reductions import scratch_words
from neonport.compiler.codegen.gpu.writer import DeviceWriter
from neonport.compiler.kernel import BoundKernel
from neonport.engine.device import Bound, Device, Launch, Place
from neonport.foundation.bounded_table import BoundedTable
from neonport.shape import contiguous_strides
from neonport.tensor.storage import Storage, views_overlap
from neonport.tensor.tensor import Tensor

MAX_TABLES = 128  # of a generation, as below
MAX_WRITERS = 128  # kernels; a driver may need megabytes for each


class GpuDevice(Device):
    """A device whose kernels are text in a work-item language.

    Attributes:
        dialect: the language.
        traits: what rendering has to know about the device.
        identity: what measured times depend on: device and driver.
        tiles: tiles of products that are known by now.
    """

    dialect: DeviceDialect
    traits: DeviceTraits
    identity: str

    def __init__(self, device_id: int = 0) -> None:
        super().__init__(device_id)
        self.tiles: dict[Any, Tile] = {}
        self._writers: BoundedTable[Any, tuple[DeviceWriter, Any]] = BoundedTable(MAX_WRITERS)
        self._tables: BoundedTable[Any, Storage] = BoundedTable(MAX_TABLES)
        self._scratch: Storage | None = None
        self._scratch_lock = threading.RLock()

    # ---- what a device gives -----------------------------------------------------------------

    @abstractmethod
    def build(self, source: str, options: tuple[str, ...]) -> Any:
        """The program of a text, the same one for the same text.

        Args:
            source: the whole text, prelude included.
            options: those of the dialect; options of the device are added by `build`.

        Raises:
            CompileError: with the lines at fault and the compiler's words.
        """

    @abstractmethod
    def bind_launch(
        self,
        program: Any,
        name: str,
        groups: int,
        group: int,
        arguments: Sequence[Any],
        keep: Any,
        elements: int | None = None,
    ) -> NativeLaunch:
        """A launch of an entry of a program, everything prepared.

        Args:
            program: what `build` gave.
            name: the entry.
            groups, group: work-groups, and work-items in each.
            arguments: a Storage stands for its memory, all others are NumPy scalars. The launch
                must not keep a Storage alive, else the memory of forgotten tensors stays in use.
            keep: what must live as long as the launch.
            elements: how many of them the entry goes over, if that says how much there is to do.
        """

    # ---- statements --------------------------------------------------------------------------

    def close(self) -> None:
        """Forget programs, tables and scratch memory."""
        self._writers.clear()
        self._tables.clear()
        self._scratch = None

    def compile(self, source: str) -> Any:
        """The program of a text, with the options that suit it."""
        options = self.dialect.options
        if "double" not in source:
            options = (*options, *self.dialect.single)
        return self.build(source, options)

    def tiled(self, spec: BoundKernel) -> bool:
        """Whether a kernel is a copy between turned views that goes by tiles."""
        return transpose.gains(self.traits) and transpose.turned_axes(spec) is not None

    def _code(self, spec: BoundKernel, shape: LaunchShape) -> tuple[DeviceWriter, Any]:
        key = (spec.kernel, shape.variant)
        found = self._writers.find(key)
        if found is None:
            writer = DeviceWriter(spec.kernel, self.dialect, shape.variant)
            found = writer, self.compile(writer.source())
            self._writers.keep(key, found)
        return found

    def render_kernel(self, spec: BoundKernel, prelude: bool = False) -> str:
        """The kernel in the language of the device."""
        return rendered(spec, self.dialect, self.traits, prelude)

    def bind_kernel(self, spec: BoundKernel, places: Sequence[Place | None]) -> Launch:
        """A launch with all its arguments, of the variant that fits the addresses."""
        starts = tuple(
            0 if place is None else place[1] // np.dtype(access.dtype).itemsize
            for place, access in zip(places, spec.kernel.accesses, strict=True)
        )
        if self.tiled(spec):
            return transpose.bind_turned(self, spec, starts, places)
        shape = launch_shape(spec, starts, self.traits)
        box = self._box(spec)
        if box is not None:
            shape = replace(shape, variant=replace(shape.variant, boxed=True))
        writer, program = self._code(spec, shape)
        buffers: dict[int, Storage] = {}
        for access, place in zip(spec.kernel.accesses, places, strict=True):
            if place is not None:
                buffers[access.buffer] = place[0]
        words: list[Any] = [buffers[i] for i in range(len(buffers))]
        scratch = None
        if shape.variant.split:
            count = scratch_words(spec.kernel, shape.rows, shape.columns, shape.chunks)
            scratch = self.allocate(count * (8 if writer.float64 else 4))
            words.append(scratch)
        whole = np.int64 if shape.variant.wide else np.int32
        words += [
            whole(i) for i in writer.args.values(shape, spec.sizes, starts, spec.strides)
        ]  # fmt: skip
        real = np.float64 if writer.float64 else np.float32
        types = [np.int64 if integer else real for integer in writer.k.whole_scalars]
        first = len(words)
        if box is not None:
            at = box.take(writer.k.scalars + 2 * writer.k.rands)
            words += [box.storage, np.int32(at)]
        else:
            words += [kind(0) for kind in types] + [np.uint64(0)] * (2 * writer.k.rands)
        keep = (kept(buffers.values()), scratch)
        entries = [
            self.bind_launch(program, name, groups, group, words, keep, prod(spec.sizes))
            for name, groups, group in writer.launches(shape)
        ]
        if box is not None:
            return BoxedLaunch(entries, box, at, types)
        return RenderedLaunch(entries, first, types)

    def _box(self, spec: BoundKernel) -> Box | None:
        """Where a launch finds its numbers, if it is recorded and they change from run to run."""
        recorder = self.executor.owner.recorder
        if recorder is None or not recorder.here or not isinstance(recorder.extra, Box):
            return None
        changes = spec.kernel.rands or (spec.kernel.scalars and recorder.traced)
        return recorder.extra if changes else None

    # ---- products and other calls ------------------------------------------------------------

    def matmul(self, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Bound:
        """Our tiled kernel."""
        return self.own_product(a, b, c, alpha, beta)

    def batched_matmul(self, a: Tensor, b: Tensor, c: Tensor) -> Bound:
        """Our tiled kernel: one launch for all of the batch."""
        return self.own_product(a, b, c, 1.0, 0.0)

    def own_product(self, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Bound:
        """Our tiled kernel for one product or a batch."""
        matmul.check(a, b, c)
        if 0 in c.shape:
            return lambda: None
        tile = self.tile_for(c.dtype, a.shape[-2], b.shape[-1], a.shape[-1])

        def bind(x: Tensor, y: Tensor) -> Bound:
            return matmul.bind_product(self, x, y, c, alpha, beta, tile)

        return self.copied([a, b], bind, c)

    def library_call(
        self, op: str, operands: list[Tensor], target: Tensor, params: dict[str, Any]
    ) -> Bound | None:
        """A hand-written kernel."""
        binder = BINDERS.get(op)
        return None if binder is None else binder(self, operands, target, **params)

    def tile_for(self, dtype: np.dtype, m: int, n: int, depth: int) -> Tile:
        """The tile for a product of this size; it may be measured now."""
        kind = kind_of(m, n, self.traits.units)
        return tuned(self, dtype, kind) if m * n * depth >= WORTH else first_tile(kind)

    # ---- memory of calls ---------------------------------------------------------------------

    def scratch(self, nbytes: int) -> Storage:
        """Memory for what passes between launches that run `together`; all of them share it."""
        with self._scratch_lock:
            if self._scratch is None or self._scratch.nbytes < nbytes:
                self._scratch = self.allocate(nbytes)
                self._scratch.space = "arena"  # kept by the launches that use it
            return self._scratch

    def together(self, calls: Sequence[Bound]) -> Bound:
        """Several calls as one that no other thread's calls come between."""

        def run() -> None:
            with self._scratch_lock:
                for call in calls:
                    call()

        return run

    def table(self, values: np.ndarray, whole: type) -> Storage:
        """Device memory with integers that a kernel looks up; equal ones share it."""
        words: np.ndarray = np.ascontiguousarray(values, whole)
        key = (whole, words.tobytes())
        found = self._tables.find(key)
        if found is None:
            found = self.allocate(max(words.nbytes, 1))
            self._tables.keep(key, found)
            found.space = "arena"  # kept by the launches that use it
            layout = ((words.size,), (1,), 0)
            self.copy_in(self.tensor(found, words.dtype, layout), words.reshape(-1))
        return found

    def copied(
        self,
        operands: Sequence[Tensor],
        bind: Callable[..., Bound],
        target: Tensor | None = None,
    ) -> Bound:
        """`bind(*operands)` with contiguous copies.

        Args:
            target: only operands that share memory with it are copied.
        """
        pairs = [
            self._copy_of(t) if target is None or views_overlap(t, target) else (t, None)
            for t in operands
        ]
        copies = [copy for _, copy in pairs if copy is not None]
        return in_order([*copies, bind(*(t for t, _ in pairs))])

    def through(self, target: Tensor, bind: Callable[[Tensor], Bound]) -> Bound:
        """`bind` with a contiguous tensor, which is then copied to the target."""
        between = self._temporary(target)
        call = bind(between)
        return in_order([call, self.executor.bind([(target, between)]).run])

    def _temporary(self, like: Tensor) -> Tensor:
        storage = self.allocate(like.nbytes)
        storage.space = "arena"  # kept by who uses it
        layout = (like.shape, contiguous_strides(like.shape), 0)
        return self.tensor(storage, like.dtype, layout)

    def _copy_of(self, tensor: Tensor) -> tuple[Tensor, Bound]:
        """A contiguous tensor, and the call that fills it from another."""
        out = self._temporary(tensor)
        return out, self.executor.bind([(out, tensor)]).run


def kept(storages: Any) -> list[Storage]:
    """Those memories that nothing but the launches over them keeps alive."""
    return [s for s in storages if s.space == "arena"]

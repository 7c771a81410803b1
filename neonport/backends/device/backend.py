"""DeviceBackend: rendered and hand-written kernels on whatever runs work-items.

A device backend gives `dialect` and `traits`, `build` and `bind_launch`, memory, copies,
`synchronize` and DLPack. Everything else is here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from neonport.backends.compiled import CompiledBackend, Launch, must_interpret
from neonport.backends.cpu.evaluate import evaluate
from neonport.backends.device import gemm
from neonport.backends.device.boxed import Box, BoxedLaunch
from neonport.backends.device.hosted import on_host
from neonport.backends.device.launch import NativeLaunch, RenderedLaunch
from neonport.nest import BoundKernel
from neonport.numerics import cast
from neonport.render_device import DeviceWriter
from neonport.render_device_folds import scratch_words
from neonport.render_device_shape import Cut, Traits, cut
from neonport.render_dialects import DeviceDialect
from neonport.shape import contiguous_strides
from neonport.storage import Storage, views_overlap
from neonport.tensor import Tensor


class DeviceBackend(CompiledBackend):
    """A backend whose kernels are text in a work-item language.

    Attributes:
        dialect: the language.
        traits: what rendering has to know about the device.
    """

    dialect: DeviceDialect
    traits: Traits

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._writers: dict[Any, tuple[DeviceWriter, Any]] = {}

    # ---- what a device gives -----------------------------------------------------------------

    @abstractmethod
    def build(self, source: str, options: tuple[str, ...]) -> Any:
        """The program of a text, the same one for the same text.

        Args:
            source: the whole text, prelude included.
            options: those of the dialect; options of the device are for the backend to add.

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
    ) -> NativeLaunch:
        """A launch of an entry of a program, everything prepared.

        Args:
            program: what `build` gave.
            name: the entry.
            groups, group: work-groups, and work-items in each.
            arguments: a Storage stands for its memory, all others are NumPy scalars. The launch
                must not keep a Storage alive, else the memory of forgotten tensors stays in use.
            keep: what must live as long as the launch.
        """

    # ---- statements --------------------------------------------------------------------------

    def cleanup_backend(self) -> None:
        """Forget programs, then what every backend holds."""
        super().cleanup_backend()
        self._writers.clear()

    def run(self, pairs: list[tuple[Tensor, Any]]) -> None:
        """Run kernels; statements without elements go to the evaluator."""
        if not must_interpret(pairs):
            super().run(pairs)
            return
        self.unrecordable(
            "a statement without elements, or with memory seen in two ways, runs in NumPy"
        )
        self.synchronize()
        values = [evaluate(on_host(v), t.shape, self.draw_uniform) for t, v in pairs]
        for (target, _), value in zip(pairs, values, strict=True):
            self.copy_in(target, cast(np.broadcast_to(value, target.shape), target.dtype))

    def compile(self, source: str) -> Any:
        """The program of a text, with the options that suit it."""
        options = self.dialect.options
        if "double" not in source:
            options = (*options, *self.dialect.single)
        return self.build(source, options)

    def load_kernels(self, kernels: Sequence[BoundKernel]) -> list[Any]:
        """Text and program of some kernels."""
        return [self._code(spec, cut(spec, spec.offsets, self.traits)) for spec in kernels]

    def _code(self, spec: BoundKernel, shape: Cut) -> tuple[DeviceWriter, Any]:
        key = (spec.kernel, shape.variant)
        found = self._writers.get(key)
        if found is None:
            writer = DeviceWriter(spec.kernel, self.dialect, shape.variant)
            found = self._writers[key] = (writer, self.compile(writer.source()))
        return found

    def bind_kernel(
        self, code: Any, spec: BoundKernel, places: Sequence[tuple[Storage, int] | None]
    ) -> Launch:
        """A launch with all its arguments; `code` fits the first tensors, others may differ."""
        starts = tuple(
            0 if place is None else place[1] // np.dtype(access.dtype).itemsize
            for place, access in zip(places, spec.kernel.accesses, strict=True)
        )
        shape = cut(spec, starts, self.traits)
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
            count = scratch_words(writer, shape.rows, shape.columns, shape.chunks)
            scratch = self.allocate(count * (8 if writer.float64 else 4))
            words.append(scratch)
        whole = np.int64 if shape.variant.wide else np.int32
        words += [
            whole(i) for i in writer.args.values(shape, spec.sizes, starts, spec.strides)
        ]  # fmt: skip
        real = np.float64 if writer.float64 else np.float32
        first = len(words)
        if box is not None:
            at = box.take(writer.k.scalars + 2 * writer.k.rands)
            words += [box.storage, np.int32(at)]
        else:
            words += [real(0)] * writer.k.scalars + [np.uint64(0)] * (2 * writer.k.rands)
        keep = (kept(buffers.values()), scratch)
        entries = [
            self.bind_launch(program, name, groups, group, words, keep)
            for name, groups, group in writer.launches(shape)
        ]
        if box is not None:
            return BoxedLaunch(entries, box, at, writer.k.scalars, real)
        return RenderedLaunch(entries, first, real, first + writer.k.scalars)

    def _box(self, spec: BoundKernel) -> Box | None:
        """Where a launch finds its numbers, if it is recorded and they change from run to run."""
        recorder = self.recorder
        if recorder is None or not recorder.here or not isinstance(recorder.extra, Box):
            return None
        changes = spec.kernel.rands or (spec.kernel.scalars and recorder.traced)
        return recorder.extra if changes else None

    # ---- products ----------------------------------------------------------------------------

    def bind_matmul(
        self, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float
    ) -> Callable[[], None]:
        """Our tiled kernel."""
        gemm.check(a, b, c)
        if 0 in c.shape:
            return lambda: None
        return self.apart([a, b], c, lambda x, y: gemm.bind(self, x, y, c, alpha, beta))

    def apart(
        self, operands: Sequence[Tensor], target: Tensor, bind: Callable[..., Callable[[], None]]
    ) -> Callable[[], None]:
        """`bind(*operands)`, with copies of those that share memory with the target."""
        pairs = [self._copy_of(t) if views_overlap(t, target) else (t, None) for t in operands]
        call = bind(*(t for t, _ in pairs))
        copies = [copy for _, copy in pairs if copy is not None]
        if not copies:
            return call

        def run_copied() -> None:
            for copy in copies:
                copy()
            call()

        return run_copied

    def _copy_of(self, tensor: Tensor) -> tuple[Tensor, Callable[[], None]]:
        """A contiguous tensor, and the call that fills it from another."""
        storage = self.allocate(tensor.nbytes)
        storage.space = "arena"  # kept by who uses it
        layout = (tensor.shape, contiguous_strides(tensor.shape), 0)
        out = Tensor(self, storage, tensor.dtype, layout)
        return out, self.bind([(out, tensor)]).run


def kept(storages: Any) -> list[Storage]:
    """Those memories that nothing but the launches over them keeps alive."""
    return [s for s in storages if s.space == "arena"]

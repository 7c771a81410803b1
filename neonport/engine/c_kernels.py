"""Kernels in C on a device: their text, their argument words, and launches of what it compiled.

The text is that of `neonport.compiler.codegen.cpu`: loops over a range of tasks, in the words of
the device's dialect. Each entry is `void name(const neo_word *words, neo_i64 begin, neo_i64 end)`;
`words` has 8 bytes for each size, address, stride and number (`codegen.dialect.Arguments`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from struct import error as StructError
from typing import Any, Protocol

import numpy as np

from neonport.compiler.codegen.cpu.buffers import HostVariant
from neonport.compiler.codegen.cpu.task_shape import TaskShape, task_shape
from neonport.compiler.codegen.cpu.writer import HostWriter
from neonport.compiler.codegen.dialect import Arguments, Dialect
from neonport.compiler.kernel import BoundKernel, Kernel
from neonport.dtypes import whole_number
from neonport.errors import DeviceContractError
from neonport.foundation.bounded_table import BoundedTable
from neonport.plugins.text import printable
from neonport.tensor.storage import Storage

MAX_ENTRIES = 512  # kernels of a generation
NO_CACHE = 1 << 62  # bytes: results are stored past the cache where they are larger than it

Entry = Callable[[np.ndarray, int], None]
"""Runs the tasks 0 to `tasks` of a compiled function, given its words; see `Device.compile_c`."""


class CDevice(Protocol):
    """A device that compiles C."""

    def allocate(self, nbytes: int) -> Storage:
        """Zero-filled memory."""

    def compile_c(self, source: str, names: Sequence[str]) -> Sequence[Entry]:
        """Entries of a text."""


class ArgumentWords:
    """The argument words of a bound kernel.

    Args:
        spec: the kernel.
        shape: how it is cut into tasks.
        places: (storage, byte offset) of each access.
        scratch: address of the memory for partial results; 0 for none.

    Attributes:
        words: 8 bytes each.
    """

    __slots__ = ("_first_number", "_first_rand", "_pack", "words")

    def __init__(
        self,
        spec: BoundKernel,
        shape: TaskShape,
        places: Sequence[tuple[Storage, int] | None],
        scratch: int,
    ) -> None:
        arguments = Arguments(spec.kernel)
        self.words = np.zeros(arguments.count, np.uint64)
        signed = self.words.view(np.int64)
        signed[: len(spec.sizes)] = spec.sizes
        first = arguments.chunks
        signed[first : first + 3] = (shape.chunks, shape.chunk, scratch)
        for i, place in enumerate(places):
            if place is not None:
                signed[arguments.address(i)] = place[0].address + place[1]
        for i, axis in arguments.strides:
            signed[arguments.stride(i, axis)] = spec.strides[i][axis]
        types = ["q" if whole else "d" for whole in spec.kernel.whole_scalars]
        self._pack = Struct("".join(types)).pack_into
        self._first_number = 8 * arguments.scalars
        self._first_rand = arguments.rands

    def set_numbers(self, numbers: Sequence[float]) -> None:
        """Replace the number arguments."""
        try:
            self._pack(self.words.data, self._first_number, *numbers)
        except StructError:
            for number in numbers:
                whole_number(number)  # which says what is wrong
            raise

    def set_rands(self, sources: Sequence[tuple[int, int]]) -> None:
        """Replace key and offset of each random source."""
        for i, (key, offset) in enumerate(sources):
            self.words[self._first_rand + 2 * i] = key
            self.words[self._first_rand + 2 * i + 1] = offset


class CLaunch:
    """A kernel's entries, bound to argument words; calling it runs them in order.

    Args:
        calls: (entry, number of tasks).
        arguments: their words.
        keep: what must live as long as the launch.

    Attributes:
        calls: as above, for devices that hand several launches over as one.
        words: as all entries get them.
    """

    __slots__ = ("_keep", "calls", "set_numbers", "set_rands", "words")

    def __init__(
        self, calls: Sequence[tuple[Entry, int]], arguments: ArgumentWords, keep: Any
    ) -> None:
        self.calls = calls
        self.words = arguments.words
        self.set_numbers = arguments.set_numbers
        self.set_rands = arguments.set_rands
        self._keep = keep

    def __call__(self) -> None:
        """Run the entries."""
        for entry, tasks in self.calls:
            entry(self.words, tasks)


class CKernels:
    """What a device has compiled, and launches of it."""

    def __init__(self) -> None:
        self._entries: BoundedTable[tuple[Kernel, HostVariant], list[tuple[Entry, bool]]] = (
            BoundedTable(MAX_ENTRIES)
        )

    def bind(
        self,
        device: CDevice,
        dialect: Dialect,
        spec: BoundKernel,
        places: Sequence[tuple[Storage, int] | None],
    ) -> CLaunch:
        """A launch; see `Device.bind_kernel`."""
        shape = task_shape(spec.kernel, spec.sizes, NO_CACHE)
        key = (spec.kernel, shape.variant)
        entries = self._entries.find(key)
        if entries is None:
            writer = HostWriter(spec.kernel, dialect, shape.variant)
            names, parallel = zip(*writer.entries(), strict=True)
            compiled = _checked_entries(device, device.compile_c(writer.source(), names), names)
            entries = list(zip(compiled, parallel, strict=True))
            self._entries.keep(key, entries)
        keep = temporaries(places)
        scratch = 0
        if shape.variant.split:
            partials = device.allocate(8 * shape.scratch)
            keep.append(partials)
            scratch = partials.address
        calls = [(entry, shape.tasks if many else shape.rows) for entry, many in entries]
        return CLaunch(calls, ArgumentWords(spec, shape, places, scratch), keep)


def _checked_entries(device: CDevice, entries: Any, names: Sequence[str]) -> Sequence[Entry]:
    """What `compile_c` gave.

    Raises:
        DeviceContractError: not a call for each name.
    """
    found = list(entries) if isinstance(entries, (list, tuple)) else []
    if len(found) != len(names) or not all(map(callable, found)):
        given = printable(repr(entries), 200)
        raise DeviceContractError(
            f"{type(device).__name__}.compile_c returned {given}; it must return a list with a "
            f"call entry(words, tasks) for each of {', '.join(names)}"
        )
    return found


def temporaries(places: Sequence[tuple[Storage, int] | None]) -> list[Storage]:
    """The memory among some places that nothing but the launches over it keeps alive."""
    return [place[0] for place in places if place is not None and place[0].space == "arena"]


def render_c(spec: BoundKernel, dialect: Dialect, prelude: bool, cache: int = NO_CACHE) -> str:
    """The text of a kernel, with or without the prelude.

    Args:
        spec: what is computed.
        dialect: the language.
        prelude: whether the functions in front of every kernel are shown too.
        cache: bytes of the last cache.
    """
    shape = task_shape(spec.kernel, spec.sizes, cache)
    writer = HostWriter(spec.kernel, dialect, shape.variant)
    text = writer.source()
    return text if prelude else "\n".join(writer.lines[1:])

"""How a kernel is laid over the work-items of a device: traits of devices, variants of kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np

from neonport.compiler.codegen.gpu.transposed_loads import GROUPS, LOOPS, Tiles, in_tiles, side_of
from neonport.compiler.codegen.gpu.variant import KernelVariant
from neonport.compiler.codegen.reuse import kept, streamable, transposed_axis
from neonport.compiler.kernel import ANY, UNIT, BoundKernel, Kernel
from neonport.errors import DtypeError

MAX_CHUNKS = 256
ROUNDS = 4  # vectors of a row, at least
ALIGNED = 16  # bytes of the widest load that needs alignment
# where the launch chooses work-groups: how many a core should have, and elements of one
PER_CORE, LEAST, MOST = 2, 1 << 12, 1 << 15


@dataclass(frozen=True)
class DeviceTraits:
    """Facts of a device that rendering depends on.

    Attributes:
        vector_bytes: bytes of compute numbers that one work-item handles together.
        group: largest work-group of a reduction over rows (a power of 2); 1 on devices whose
            work-items are loops on a processor core.
        map_group: work-group where nothing is folded.
        column_group: work-group where columns are folded.
        units: row reductions (or columns) below which rows are cut into chunks.
        chunk: folded elements of a chunk, at least.
        float64: whether the device has it.
        aligned: whether vector loads need aligned addresses.
        keep: values that a work-item may keep from one phase to the next, for each
            value of the expression; 0 where its private memory is far away.
        cache: bytes of results that the last cache would still hold for the next reader; more are
            stored past it. 0: there is no such store.
        cores: processor cores that work-groups of any size are dealt out to, each of them at a
            cost; 0: sizes of work-groups are fixed.
        largest: items of a work-group whose size is not fixed.
        rounds: how often the loops of a work-item may turn, all together; 0: as often as they like.
    """

    vector_bytes: int = 16
    group: int = 256
    map_group: int = 256
    column_group: int = 64
    units: int = 256
    chunk: int = 1 << 12
    float64: bool = True
    aligned: bool = False
    keep: int = 0
    cache: int = 0
    cores: int = 0
    largest: int = 256
    rounds: int = 0

    @property
    def tiles(self) -> Tiles:
        """Tiles for what runs across the loops."""
        return LOOPS if self.group == 1 else GROUPS


@dataclass(frozen=True)
class LaunchShape:
    """Sizes of a launch.

    Attributes:
        variant: which text.
        rows, columns: kept positions outside and inside of the folded axes.
        chunks, chunk: pieces of the first folded axis.
        vectors: work-items for a row of `columns` (or, without reductions, of the last axis).
            Where loads go through tiles, `rows` and `vectors` count tiles.
        elements: of the whole kernel.
        cores, largest: those of the device.
    """

    variant: KernelVariant
    rows: int
    columns: int
    chunks: int
    chunk: int
    vectors: int
    elements: int = 0
    cores: int = 0
    largest: int = 256

    def groups(self, items: int, elements: int) -> tuple[int, int]:
        """(work-groups, items in each) where the size of work-groups is free.

        Args:
            items: of the entry.
            elements: that they go over.
        """
        each = min(max(elements // (PER_CORE * self.cores), LEAST), MOST)
        size = max(1, min(-(-items * each // max(1, elements)), items, self.largest))
        # few large items: cores should end at about the same time
        sizes = range(size, size // 2, -1) if size < min(items, 64) else (size,)
        size = min(sizes, key=lambda n: -(-items // (n * self.cores)) * n)
        return -(-items // size), size

    @property
    def scratch(self) -> int:
        """Positions of partial results."""
        return self.rows * self.columns * self.chunks


def launch_shape(spec: BoundKernel, starts: Sequence[int], traits: DeviceTraits) -> LaunchShape:
    """Lay a bound kernel over a device.

    Args:
        spec: the kernel with sizes and strides.
        starts: per access, first element within its buffer.
        traits: the device.

    Raises:
        DtypeError: float64 tensors on a device without float64.
    """
    kernel, sizes = spec.kernel, spec.sizes
    if not traits.float64 and any(a.dtype == "float64" for a in kernel.accesses):
        raise DtypeError("the device has no float64; use float32 tensors")
    side = side_of(spec, traits.tiles)
    width = _width(kernel, traits, side > 0)
    if kernel.reductions and not kernel.column:  # lanes are worth joining after a few rounds
        while width > 1 and sizes[-1] < ROUNDS * width:
            width //= 2
    while width > 1 and not _fits(spec, starts, width, traits):
        width //= 2
    if width == 1 and traits.tiles.group == 1:
        side = 0  # a driver that puts items into the lanes of vectors has no use for single ones
    reach = [
        abs(first) + sum(abs(s) * max(n - 1, 0) for s, n in zip(steps, sizes, strict=True))
        for first, steps in zip(starts, spec.strides, strict=True)
    ]
    for node in kernel.nodes:
        if node.op == "gather":  # the picked entry comes on top
            form, stride, size = node.attr
            reach[form] += max(size, abs(stride) * size)
    rows, columns, chunks, chunk = _pieces(kernel, sizes, width, traits)
    total = max([*reach, prod(sizes), rows * columns * chunks * 4, rows * traits.group * chunks])
    wide = total >= (1 << 31) - (1 << 20)
    last = sizes[-1]
    group = 1
    by_row = bool(kernel.reductions) and not kernel.column
    if side:
        group = 1 << (min(traits.tiles.group, traits.map_group).bit_length() - 1)
    elif by_row:
        length = prod(n for n, f in zip(sizes, kernel.axes, strict=True) if f)
        need = max(1, -(-length // (width * chunks)))
        group = min(traits.group, max(min(32, traits.group), 1 << (need - 1).bit_length()))
    split = bool(kernel.reductions) and chunks > 1
    keep = 0 if split or group > 1 else _keep(kernel, sizes, width, traits)
    stored = _streamed(spec, keep > 0, traits) if width > 1 else frozenset()
    even = not any(s % width for i in stored for s in (starts[i], *spec.strides[i][:-1]))
    ragged = not even and _may_shift(spec, starts, width, stored)
    variant = KernelVariant(
        width,
        width > 1 and (ragged or last % width != 0),
        wide,
        split,
        group,
        traits.column_group if kernel.reductions else traits.map_group,
        traits.float64,
        keep=keep,
        stream=bool(stored) and (even or ragged),
        ragged=ragged,
        tile_side=side,
        # else drivers make vectors of single elements, for which they should know the size
        free=traits.cores > 0 and group == 1 and (by_row or width > 1) and not side,
    )
    if side:
        tiles = prod(
            -(-n // side) if axis == transposed_axis(kernel) else n
            for axis, n in enumerate(sizes[:-1])
        )
        return LaunchShape(variant, tiles, columns, chunks, chunk, -(-last // side))
    vectors = last // width + last % width
    return LaunchShape(
        variant, rows, columns, chunks, chunk, vectors, prod(sizes), traits.cores, traits.largest
    )


def _keep(kernel: Kernel, sizes: tuple[int, ...], width: int, traits: DeviceTraits) -> int:
    """Length of the arrays for kept values; 0 where nothing is kept or rows are too long."""
    length = prod(n for n, f in zip(sizes, kernel.axes, strict=True) if f)
    length *= width if kernel.column else 1
    return traits.keep if length <= traits.keep and kept(kernel, 1) else 0


def _streamed(spec: BoundKernel, keep: bool, traits: DeviceTraits) -> frozenset[int]:
    """Accesses whose results are larger than the cache."""
    kernel, stored = spec.kernel, streamable(spec.kernel, keep)
    nbytes = prod(spec.sizes) * sum(np.dtype(kernel.accesses[i].dtype).itemsize for i in stored)
    return stored if traits.cache and nbytes >= traits.cache else frozenset()


def _may_shift(
    spec: BoundKernel, starts: Sequence[int], width: int, stored: frozenset[int]
) -> bool:
    """Whether vectors may begin where those of the results do, instead of at the start of a row.

    Not where something is folded on the way: the order of a sum must not depend on addresses.
    """
    kernel = spec.kernel
    if not kernel.reductions or kernel.column or sum(kernel.axes) != 1:
        return False
    folding = {r.phase for r in kernel.reductions}
    if any(s.access in stored and s.phase in folding for s in kernel.stores):
        return False
    places = {tuple(s % width for s in (starts[i], *spec.strides[i][:-1])) for i in stored}
    return len(places) == 1


def _width(kernel: Kernel, traits: DeviceTraits, tiled: bool) -> int:
    """Elements of a vector: 1 where lanes would need addresses of their own."""
    if any(r.index is not None for r in kernel.reductions):
        return 1
    through = set(in_tiles(kernel, traits.tiles.group) if tiled else ())
    through -= {s.access for s in kernel.stores}
    through -= {n.attr[0] for n in kernel.nodes if n.op == "gather"}
    if any(a.strides[-1] == ANY for i, a in enumerate(kernel.accesses) if i not in through):
        return 1
    if tiled and traits.tiles.group > 1:  # neighbouring work-items read neighbouring elements
        return 1
    if traits.aligned and kernel.column:  # neighbouring work-items read neighbouring columns
        return 1
    for node in kernel.nodes:
        if node.op == "gather" and any(_varies(kernel, a) for a in node.args):
            return 1
    size = max((np.dtype(n.dtype).itemsize for n in kernel.nodes if n.dtype[0] == "f"), default=4)
    return max(1, min(16, traits.vector_bytes // size))


def _varies(kernel: Kernel, index: int) -> bool:
    """Whether a node has another value at the next position of the last axis."""
    node = kernel.nodes[index]
    if node.op in ("load", "iota"):
        return kernel.accesses[node.attr].strides[-1] == UNIT
    return node.op == "rand" or any(_varies(kernel, a) for a in node.args)


def _fits(spec: BoundKernel, starts: Sequence[int], width: int, traits: DeviceTraits) -> bool:
    if spec.sizes[-1] < width:
        return False
    if not traits.aligned:
        return True
    for access, first, strides in zip(spec.kernel.accesses, starts, spec.strides, strict=True):
        if access.buffer < 0 or access.strides[-1] != UNIT:
            continue
        step = min(width, max(1, ALIGNED // np.dtype(access.dtype).itemsize))
        if any(s % step for s in (first, *strides[:-1])):
            return False
    return True


@lru_cache(maxsize=1024)
def _pieces(
    kernel: Kernel, sizes: tuple[int, ...], width: int, traits: DeviceTraits
) -> tuple[int, int, int, int]:
    """(rows, columns, chunks, chunk) of a kernel; depends on nothing but sizes and the device."""
    columns = sizes[-1] if kernel.column else 1
    kept = prod(n for n, f in zip(sizes, kernel.axes, strict=True) if not f)
    folded = [n for n, f in zip(sizes, kernel.axes, strict=True) if f]
    rows = kept // max(1, columns)
    if not kernel.reductions:
        return rows, 1, 1, folded[0]
    length = prod(folded)
    at_once = rows * -(-columns // width)
    per_item = 8 if kernel.column else 1  # a column is folded by one work-item
    chunks = 1
    enough = traits.units * (traits.column_group if kernel.column else 1)
    if at_once * 2 <= enough and length * columns >= 4 * traits.chunk // per_item:
        by_size = length * (min(columns, 64) if kernel.column else 1) // (traits.chunk // per_item)
        chunks = max(1, min(MAX_CHUNKS, by_size, enough // at_once))
    chunk = -(-folded[0] // chunks)
    if len(folded) == 1 and not kernel.column:
        chunk = -(-chunk // 64) * 64
    if traits.rounds:
        at_a_time = 1 if kernel.column else width * traits.group
        most = traits.rounds * at_a_time // kernel.phases // (length // folded[0])
        chunk = min(chunk, most // 64 * 64 or most)
    chunk = max(1, chunk)
    return rows, columns, max(1, -(-folded[0] // chunk)), chunk

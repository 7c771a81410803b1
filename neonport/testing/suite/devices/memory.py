"""Memory and copies of a device: zeroed, apart from each other, as long as asked for, and kept.

Models rarely notice a device that breaks these promises: the numbers are wrong only when memory
is used again, or after the owner of adopted memory is gone.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neonport.errors import DLPackError, NeonportError, OutOfDeviceMemory, ReadOnlyError
from neonport.shape import contiguous_strides
from neonport.testing.cases import Case, Outcome

if TYPE_CHECKING:
    from neonport.backends.backend import Backend
    from neonport.tensor.storage import Storage
    from neonport.tensor.tensor import Tensor

Array = npt.NDArray[Any]
BYTE = np.dtype(np.uint8)
SIZES = (1, 7, 64, 100, 4096, 70_001)
HOST = (1, 0)  # kDLCPU
TOO_MUCH = 1 << 60  # bytes: more than any address space of today has


class Producer:
    """An array that others adopt by DLPack; `gone` tells whether it is still needed.

    Args:
        values: what it holds; the array that is exported is a copy.
        readonly: whether consumers must not write.
    """

    def __init__(self, values: Array, readonly: bool = False) -> None:
        class Owner(np.ndarray[Any, Any]):
            """Only subclasses of arrays can be watched by a weak reference and a capsule."""

        self.array = values.copy().view(Owner)
        self.array.flags.writeable = not readonly
        self._watch = weakref.ref(self.array)

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return HOST

    @property
    def watch(self) -> Callable[[], Any]:
        """A weak reference to the array."""
        return self._watch


def _bytes(be: Backend, storage: Storage) -> Tensor:
    """All bytes of a block as a tensor."""
    shape = (storage.nbytes,)
    return be.device.tensor(storage, BYTE, (shape, contiguous_strides(shape), 0))


def _zeroed(be: Backend) -> Outcome:
    """Also memory that was used before."""
    for nbytes in SIZES:
        for turn in range(4):
            block = _bytes(be, be.device.allocate(nbytes))
            values = be.device.copy_out(block)
            if np.any(values):
                where = "used before" if turn else "new"
                return Outcome(
                    message=f"allocate({nbytes}) gives {np.count_nonzero(values)} bytes that are "
                    f"not 0 ({where}); fill memory with zeros"
                )
            be.device.copy_in(block, np.full(block.shape, 255 - turn, np.uint8))
            be.device.synchronize()
            del block
    return Outcome()


def _bytes_in_place(be: Backend) -> Outcome:
    """What `write` stored at a place is what `read` finds there, and nothing else changes."""
    storage = be.device.allocate(100)
    values = np.arange(1, 21, dtype=np.uint8)
    be.device.write(storage, 10, values)
    values[:] = 99
    found = np.full(40, 98, np.uint8)
    be.device.read(storage, 5, found)
    wanted = np.concatenate([np.zeros(5), np.arange(1, 21), np.zeros(15)])
    if not np.array_equal(found, wanted):
        return Outcome(
            message="write(storage, 10, values) and read(storage, 5, out) do not fit: bytes 5 to "
            f"45 hold {found.tolist()}"
        )
    return Outcome()


def _lengths(be: Backend) -> Outcome:
    for nbytes in (0, *SIZES):
        found = be.device.allocate(nbytes).nbytes
        if found != nbytes:
            return Outcome(message=f"allocate({nbytes}) gives a block with nbytes {found}")
    return Outcome()


def _apart(be: Backend) -> Outcome:
    """Blocks in use at the same time have memory and addresses of their own."""
    blocks = [_bytes(be, be.device.allocate(n)) for n in SIZES * 3]
    for i, block in enumerate(blocks):
        be.device.copy_in(block, np.full(block.shape, i + 1, np.uint8))
    for i, block in enumerate(blocks):
        if np.any(be.device.copy_out(block) != i + 1):
            return Outcome(message="two blocks that are in use share memory")
    spans = sorted(
        (str(b.storage.space), b.storage.address, b.storage.address + b.storage.nbytes)
        for b in blocks
    )
    for (space, low, high), (other, start, _) in pairwise(spans):
        if space == other and start < high:
            return Outcome(
                message=f"blocks in use have addresses {low} to {high} and {start}: they overlap, "
                "so that statements on them are taken for statements on the same memory"
            )
    return Outcome()


def _copies(be: Backend) -> Outcome:
    """What comes out is the caller's; what went in is not read again."""
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    tensor = be.array(values)
    for label, view in (("tensor", tensor), ("view", tensor[1:, ::2]), ("row", tensor[1])):
        wanted = np.array(view.get())
        out = view.get()
        if not out.flags.writeable:
            return Outcome(message=f"copy_out of a {label} gives an array that cannot be written")
        out[...] = -1
        if not np.array_equal(view.get(), wanted):
            return Outcome(message=f"copy_out of a {label} gives live memory, not a copy")
        kept = view.get()
        view[:] = view + 1
        be.device.synchronize()
        if not np.array_equal(kept, wanted):
            return Outcome(message=f"a copy of a {label} changes when the {label} is written")
    source = np.ones((3, 4), np.float32)
    be.device.copy_in(tensor, source)
    source[:] = 7
    be.device.synchronize()
    if np.any(tensor.get() != 1):
        return Outcome(message="copy_in reads the host's array after it has returned")
    return Outcome()


def _too_much(be: Backend) -> Outcome:
    for nbytes in (TOO_MUCH, 2 * TOO_MUCH):
        try:
            be.device.allocate(nbytes)
        except OutOfDeviceMemory:
            pass
        except Exception as error:
            return Outcome(
                message=f"allocate({nbytes}) raised {type(error).__name__} instead of "
                f"OutOfDeviceMemory: {error}"
            )
        else:
            return Outcome(message=f"allocate({nbytes}) says that there is room")
    after = be.zeros((3, 4))
    after[:] = 2
    right = np.array_equal(after.get(), np.full((3, 4), 2))
    return Outcome(message="" if right else "after a failed allocation, new memory is wrong")


def _adopt(be: Backend, producer: Any) -> Tensor:
    """A tensor over the producer's memory, or a copy where the device takes none."""
    try:
        return be.from_dlpack(producer)
    except DLPackError:
        return be.from_dlpack(producer, copy=True)


def _shared(be: Backend, producer: Producer) -> tuple[Tensor, bool]:
    """A tensor adopted from a writable producer, and whether it lies in the producer's memory."""
    tensor = _adopt(be, producer)
    kept = float(producer.array[0, 0])
    producer.array[0, 0] = kept + 1
    shared = float(tensor.get()[0, 0]) != kept
    producer.array[0, 0] = kept
    return tensor, shared


def _owner_kept(be: Backend) -> Outcome:
    """Adopted memory stays until the last tensor over it is gone, and no longer."""
    values = np.arange(300.0, dtype=np.float32).reshape(20, 15)
    producer = Producer(values)
    tensor, shared = _shared(be, producer)
    view = tensor[3:9, ::2]
    watch = producer.watch
    del producer, tensor
    gc.collect()
    if shared and watch() is None:
        return Outcome(message="the owner of adopted memory was let go while a view is in use")
    others = [np.full((20, 15), -1, np.float32) for _ in range(20)]
    if not np.array_equal(view.get(), values[3:9, ::2]):
        return Outcome(message=f"adopted values changed after {len(others)} other arrays were made")
    del view
    be.device.synchronize()
    gc.collect()
    if watch() is not None:
        return Outcome(message="the owner of adopted memory is kept after its last tensor is gone")
    return Outcome()


def _exporter_kept(be: Backend) -> Outcome:
    """Memory that a consumer of a capsule holds is not given to others."""
    values = np.arange(300.0, dtype=np.float32).reshape(20, 15)
    for label, key in (("tensor", np.s_[:]), ("view", np.s_[3:9, ::2])):
        twin = be.from_dlpack(be.array(values)[key])  # nothing else holds the exported tensor
        gc.collect()
        others = [be.empty((20, 15)) for _ in range(20)]
        for other in others:
            other.fill(-1)
        if not np.array_equal(twin.get(), values[key]):
            return Outcome(
                message=f"an exported {label} lost its memory to a new tensor; keep it until the "
                "capsule's deleter has run"
            )
    return Outcome()


def _readonly(be: Backend) -> Outcome:
    """Nothing writes memory whose owner forbids it."""
    _, shared = _shared(be, Producer(np.ones((3, 4), np.float32)))
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    producer = Producer(values, readonly=True)
    tensor = _adopt(be, producer)
    if not np.array_equal(tensor.get(), values):
        return Outcome(message="read-only memory was adopted with other values")
    writes: dict[str, Callable[[], Any]] = {
        "a statement": lambda: tensor.__setitem__(slice(None), tensor + 1),
        "a statement on a view": lambda: tensor[1:, ::2].__setitem__(slice(None), 5),
        "a number": lambda: tensor.fill(3),
        "set": lambda: tensor.set(np.zeros((3, 4), np.float32)),
        "a random fill": lambda: be.fill_normal(tensor),
    }
    for label, write in writes.items():
        error: Exception | None = None
        try:
            write()
            be.device.synchronize()
        except Exception as caught:
            error = caught
        if not np.array_equal(producer.array, values):
            return Outcome(message=f"{label} wrote read-only memory")
        if shared and not isinstance(error, ReadOnlyError):
            what = type(error).__name__ if error else "nothing"
            return Outcome(message=f"{label} on read-only memory raised {what}, not ReadOnlyError")
    return Outcome()


def _exported_copy(be: Backend) -> Outcome:
    """`copy=True` gives memory of its own, in both directions."""
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    tensor = be.array(values)
    capsule = _Once(tensor, copy=True)
    twin = _adopt(be, capsule)
    twin[:] = -1
    be.device.synchronize()
    if not np.array_equal(tensor.get(), values):
        return Outcome(message="an export with copy=True shares memory with the tensor")
    source = values.copy()
    copied = be.from_dlpack(source, copy=True)
    copied[:] = -1
    be.device.synchronize()
    if not np.array_equal(source, values):
        return Outcome(message="an import with copy=True shares memory with its producer")
    return Outcome()


class _Once:
    """A producer that asks a tensor for a capsule with fixed options."""

    def __init__(self, tensor: Tensor, **options: Any) -> None:
        self.tensor = tensor
        self.options = options

    def __dlpack__(self, **options: Any) -> Any:
        return self.tensor.__dlpack__(**{**options, **self.options})

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.tensor.__dlpack_device__()

    @property
    def __dlpack_data__(self) -> str:
        return self.tensor.__dlpack_data__


def _usable(be: Backend) -> Outcome:
    """An error in a statement leaves the device usable."""
    tensor = be.zeros((3, 4))
    try:
        tensor[:] = be.zeros((5, 6))
    except NeonportError:
        pass
    else:
        return Outcome(message="a value of shape (5, 6) was stored in a target of shape (3, 4)")
    tensor[:] = tensor + 2
    right = np.array_equal(tensor.get(), np.full((3, 4), 2))
    return Outcome(message="" if right else "after a refused statement, the next one is wrong")


CASES: dict[str, Callable[[Backend], Outcome]] = {
    "new memory is zero": _zeroed,
    "bytes are read where they were written": _bytes_in_place,
    "nbytes is what was asked for": _lengths,
    "blocks in use are apart": _apart,
    "copies are copies": _copies,
    "too much is refused": _too_much,
    "a refused statement leaves it usable": _usable,
}
EXCHANGED: dict[str, Callable[[Backend], Outcome]] = {
    "the owner of adopted memory is kept": _owner_kept,
    "exported memory is kept": _exporter_kept,
    "read-only memory stays as it is": _readonly,
    "copy=True shares nothing": _exported_copy,
}


def cases() -> Iterator[Case]:
    """All cases of memory and copies."""
    for label, run in CASES.items():
        yield Case("memory", label, run)
    for label, run in EXCHANGED.items():
        yield Case("memory", label, run, frozenset(["DLPack"]))

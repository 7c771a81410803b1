"""Memory: whether it is new, copies arrive, and what others share is shared as was said."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from neonport.dtypes import as_dtype
from neonport.errors import DLPackError
from neonport.log import logger
from neonport.tensor.capsules import VERSION, device_of, structs
from neonport.tensor.dlpack import CPU, HOST_READABLE, READ_ONLY, host_array
from neonport.tensor.tensor import Tensor

PART = 1 << 25  # bytes of each end of a large block that are read


class MemoryChecks:
    """What stands in front of the methods of a device that hand out, copy and share memory.

    Args:
        opinion: says whose turn it is, and takes what was found.
    """

    def __init__(self, opinion: Any) -> None:
        self.opinion = opinion
        self.be = opinion.be
        self._blocks: weakref.WeakSet[Any] = weakref.WeakSet()  # that were allocated meanwhile
        self._met: set[str] = set()  # rare calls that were looked at

    def allocate(self, allocate: Callable[[int], Any], nbytes: int) -> Any:
        """Allocate memory."""
        try:
            storage = allocate(nbytes)
        except Exception as error:
            self.opinion.refused("allocate", f"allocate({nbytes})", error)
            raise
        if nbytes and not self.opinion.passes():
            with self.opinion.examined():
                problems = list(new_memory(self.be, storage, nbytes, self._blocks))
            self.opinion.report_plain("allocate", problems)
        self._blocks.add(storage)
        return storage

    def copy_in(self, copy: Callable[[Any, Any], None], target: Any, values: np.ndarray) -> None:
        """Copy host values to the device."""
        passes = not values.size or self.opinion.passes()
        try:
            if passes:
                copy(target, values)
                return
            with self.opinion.examined():
                problems = list(copied_in(self.be, copy, target, values))
        except Exception as error:
            self.opinion.refused("copy_in", f"copy_in of an array of shape {values.shape}", error)
            raise
        self.opinion.report_plain("copy_in", problems)

    def copy_out(self, copy: Callable[[Any], np.ndarray], source: Any) -> np.ndarray:
        """Copy values of the device to the host."""
        try:
            return copy(source)
        except Exception as error:
            self.opinion.refused("copy_out", f"copy_out of a shape {source.shape}", error)
            raise

    def adopt(self, adopt: Callable[..., Any], x: Any, **options: Any) -> Any:
        """Make a tensor over memory of others."""
        tensor = adopt(x, **options)
        if self._is_met("dlpack_adopt"):
            with self.opinion.examined():
                problems = list(adopted(self.be, adopt, x, tensor))
            self.opinion.report_plain("dlpack_adopt", problems)
        return tensor

    def export(
        self, export: Callable[..., Any], tensor: Any, *, copy: bool | None, **how: Any
    ) -> Any:
        """Make a capsule of a tensor."""
        capsule = export(tensor, copy=copy, **how)
        if self._is_met(f"dlpack_export {bool(copy)}"):
            with self.opinion.examined():
                problems = list(exported(export, tensor, capsule, copy, **how))
            self.opinion.report_plain("dlpack_export", problems)
        return capsule

    def _is_met(self, what: str) -> bool:
        """Whether a call that is rare is looked at: it is its turn, or it is the first one."""
        first = what not in self._met
        if self.opinion.passes(turns=not first):
            return False
        self._met.add(what)
        return True


def bytes_of(be: Any, storage: Any, start: int = 0, size: int | None = None) -> Tensor:
    """A block of memory, or a part of it, as a row of bytes."""
    size = storage.nbytes if size is None else size
    return Tensor(be, storage, as_dtype("uint8"), ((1, size), (size, 1), start))


def new_memory(be: Any, storage: Any, nbytes: int, others: Iterable[Any]) -> Iterator[str]:
    """What is wrong with a block that was just allocated, in words.

    Args:
        be: the backend.
        storage: the block.
        nbytes: what was asked for.
        others: blocks that are in use.
    """
    end = storage.address + nbytes
    for other in list(others):
        apart = other.address >= end or storage.address >= other.address + other.nbytes
        if other.space == storage.space and other.nbytes and not apart:
            yield f"allocate({nbytes}) gives memory at an address that is in use"
            break
    if storage.nbytes != nbytes:
        yield f"allocate({nbytes}) gives a block of {storage.nbytes} bytes"
    for start in sorted({0, max(nbytes - PART, 0)}):
        size = min(PART, nbytes - start)
        try:
            found = be.device.copy_out(bytes_of(be, storage, start, size))
        except Exception as error:
            yield f"allocate({nbytes}) gives memory that cannot be read: {error}"
            return
        if found.any():
            at = start + int(np.argmax(found))
            yield f"allocate({nbytes}) gives memory that is not zero, first at byte {at}"
            return


def copied_in(
    be: Any, copy: Callable[[Any, Any], None], target: Any, values: np.ndarray
) -> Iterator[str]:
    """Copy host values in, and say in words what is wrong with that.

    Args:
        be: the backend.
        copy: the device's method.
        target: the tensor.
        values: of its shape and dtype.
    """
    handed = np.array(values)
    copy(target, handed)
    raw = np.array(values).reshape(-1).view(np.uint8)
    handed.reshape(-1).view(np.uint8)[...] = ~raw  # read later, it shows
    got = be.device.copy_out(target)
    if got.tobytes() != values.tobytes():
        copy(target, values)
        yield (
            f"copy_in of an array of shape {values.shape} and dtype {values.dtype} does not arrive "
            "as it is, or is read after it has returned"
        )


# ---- memory of others -------------------------------------------------------------------------


class Lent(np.ndarray[Any, Any]):
    """An array that a device adopts; of a subclass, weak references live as long as capsules."""


def _lent(readonly: bool) -> Lent:
    made = np.arange(1, 13, dtype=np.float32).reshape(3, 4).view(Lent)
    made.flags.writeable = not readonly
    return made


def forbids_writes(x: Any) -> bool:
    """Whether a producer of memory says that it must not be written."""
    if isinstance(x, (np.ndarray, Tensor)):
        return not x.flags.writeable if isinstance(x, np.ndarray) else x.readonly
    try:
        capsule = x.__dlpack__(max_version=VERSION)
        versioned = structs(capsule)[1]
    except Exception as error:  # of any library; from before versions it cannot say so
        logger.debug("%s does not say whether it may be written: %s", type(x).__name__, error)
        return False
    return versioned is not None and bool(versioned.flags & READ_ONLY)


def adopted(be: Any, adopt: Callable[[Any], Any], x: Any, tensor: Any) -> Iterator[str]:
    """What is wrong with a tensor that was just made over memory of others, in words.

    How long the owner is kept cannot be seen of memory that others use as well, so the device also
    adopts arrays that nobody else knows.

    Args:
        be: the backend.
        adopt: the device's method.
        x: whose memory it is.
        tensor: what the method gave.
    """
    name = type(x).__name__
    if forbids_writes(x) and not tensor.readonly:
        yield f"writes to the memory of the {name} are forbidden, and its tensor takes them"
    if device_of(x)[0] in HOST_READABLE and tensor.nbytes <= PART:
        theirs = host_array(x)
        same = theirs.dtype == tensor.dtype and theirs.size == tensor.size
        if not same or theirs.tobytes() != be.device.copy_out(tensor).tobytes():
            yield f"a tensor over the memory of the {name} holds other values than it"
    if be.device.dlpack_shares(CPU):
        yield from _as_lent(be, adopt)


def _as_lent(be: Any, adopt: Callable[[Any], Any]) -> Iterator[str]:
    """Adopt arrays of our own: whether they are shared, kept as long as needed, and no longer."""
    lent = _lent(readonly=True)
    if not adopt(lent).readonly:
        yield "writes to an array that was adopted are forbidden, and its tensor takes them"
    lent = _lent(readonly=False)
    watch, tensor = weakref.ref(lent), adopt(lent)
    lent[1, 1] = 77
    if be.device.copy_out(tensor)[1, 1] != 77:
        yield "an array that was adopted is not shared: what is written there is not seen"
    del lent
    if watch() is None:  # the tensor must not be read any more
        yield "the owner of memory that was adopted is let go while a tensor is over it"
        return
    del tensor
    be.device.synchronize()
    if watch() is not None:
        gc.collect()
    if watch() is not None:
        yield "the owner of memory that was adopted is kept after its last tensor is gone"


def exported(
    export: Callable[..., Any], tensor: Any, capsule: Any, copy: bool | None, **how: Any
) -> Iterator[str]:
    """What is wrong with a capsule that was just made, in words.

    Args:
        export: the device's method.
        tensor: whose memory it is.
        capsule: what the method gave, not consumed yet.
        copy: whether a copy was asked for.
        how: the other arguments of the method.
    """
    if not tensor.size:
        return
    try:
        place = _place(capsule)
    except DLPackError as error:
        yield f"dlpack_export gives what is no capsule: {error}"
        return
    try:
        other = export(tensor, copy=None, **how)  # kept while it is compared
    except BufferError as error:
        logger.debug("%s cannot be shared: %s", tensor, error)
        return
    shared = _place(other) == place
    if copy and shared:
        yield "dlpack_export with copy=True gives the live memory instead of a copy"
    if not copy and not shared:
        yield "dlpack_export gives a copy, of which writes do not arrive, instead of the memory"


def _place(capsule: Any) -> tuple[int, int]:
    """Where the memory of an unconsumed capsule is."""
    inner, _ = structs(capsule)
    return int(inner.data or 0), int(inner.byte_offset)

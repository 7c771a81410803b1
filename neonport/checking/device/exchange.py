"""Memory that is shared with other libraries: adopted, and exported as capsules of DLPack."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from neonport.errors import DLPackError
from neonport.log import logger
from neonport.tensor.capsules import VERSION, device_of, structs
from neonport.tensor.dlpack import CPU, HOST_READABLE, READ_ONLY, host_array
from neonport.tensor.tensor import Tensor

MOST = 1 << 25  # bytes of adopted memory of which the values are compared


class Exchange:
    """What stands in front of the methods of a device that share memory.

    Args:
        be: the backend.
        passes: says whether a candidate just runs; with `turns=False`, unless it must not be
            looked at.
        examined: a block inside which nothing is looked at.
        report: takes the method and what is wrong, in words.
    """

    def __init__(
        self,
        be: Any,
        passes: Callable[..., bool],
        examined: Callable[[], AbstractContextManager[None]],
        report: Callable[[str, list[str]], None],
    ) -> None:
        self.be = be
        self._passes = passes
        self._examined = examined
        self._report = report
        self._met: set[str] = set()

    def adopt(self, adopt: Callable[..., Any], x: Any, **options: Any) -> Any:
        """Make a tensor over memory of others."""
        tensor = adopt(x, **options)
        if self._is_met("dlpack_adopt"):
            with self._examined():
                problems = list(adopted(self.be, adopt, x, tensor))
            self._report("dlpack_adopt", problems)
        return tensor

    def export(
        self, export: Callable[..., Any], tensor: Any, *, copy: bool | None, **how: Any
    ) -> Any:
        """Make a capsule of a tensor."""
        capsule = export(tensor, copy=copy, **how)
        if self._is_met(f"dlpack_export {bool(copy)}"):
            with self._examined():
                problems = list(exported(export, tensor, capsule, copy, **how))
            self._report("dlpack_export", problems)
        return capsule

    def _is_met(self, what: str) -> bool:
        """Whether a call that is rare is looked at: it is its turn, or it is the first one."""
        first = what not in self._met
        if self._passes(turns=not first):
            return False
        self._met.add(what)
        return True


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
    if device_of(x)[0] in HOST_READABLE and tensor.nbytes <= MOST:
        yield from _values(be, x, tensor)
    if be.device.dlpack_shares(CPU):
        yield from _as_lent(be, adopt)


def _values(be: Any, x: Any, tensor: Any) -> Iterator[str]:
    """Whether a tensor holds what its memory holds, unless somebody is writing there."""
    try:
        theirs = host_array(x)
    except DLPackError as error:  # the device takes what NumPy does not
        logger.debug("%s cannot be read by the host: %s", type(x).__name__, error)
        return
    before, got, after = theirs.tobytes(), be.device.copy_out(tensor), theirs.tobytes()
    if theirs.dtype != got.dtype or (before == after and got.tobytes() != before):
        yield f"a tensor over the memory of the {type(x).__name__} holds other values than it"


def _as_lent(be: Any, adopt: Callable[[Any], Any]) -> Iterator[str]:
    """Adopt arrays of our own: whether they are shared, kept as long as needed, and no longer."""
    lent = _lent(readonly=True)
    try:
        forbidden = adopt(lent)
    except DLPackError as error:  # the host sees the device's memory, and not the other way round
        logger.debug("%s adopts no memory of the host: %s", be, error)
        return
    if not forbidden.readonly:
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

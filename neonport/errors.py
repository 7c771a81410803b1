"""Every exception that neonport raises on purpose.

Each class also derives from the built-in one that people catch for such a mistake.
"""

from __future__ import annotations


class NeonportError(Exception):
    """Base of all errors raised by neonport."""


class ShapeError(NeonportError, ValueError):
    """Shapes do not fit the operation."""


class DtypeError(NeonportError, TypeError):
    """A dtype (or the type of a value) is not supported by the operation or backend."""


class UnknownOpError(NeonportError, TypeError):
    """No op of that name is in the op table, or it takes no such parameter."""


class IndexRangeError(NeonportError, IndexError):
    """An index is out of range, or a key has too many of them."""


class BackendMismatchError(NeonportError, ValueError):
    """Tensors of different backends meet in one expression or assignment."""


class ReadOnlyError(NeonportError, ValueError):
    """The target of a write is read-only."""


class FrozenError(NeonportError, AttributeError):
    """An attribute that says what an object is, or where its memory is, cannot be set."""


class AliasError(NeonportError, ValueError):
    """Buffers that must not share memory do."""


class ClosedBackendError(NeonportError, RuntimeError):
    """The backend of a tensor has been cleaned up; its memory is gone."""


class BackendUnavailable(NeonportError, RuntimeError):
    """A backend is known but cannot be used here; the message says why and what to do."""


class ExtensionUnavailable(NeonportError, ImportError):
    """An op, layer, data set, callback or optimizer of a plugin cannot be used."""


class UnknownBackendError(BackendUnavailable, ValueError):
    """No backend of that name is registered."""


class ConfigurationError(NeonportError, ValueError):
    """An argument, or the order of calls, makes no sense (layers, optimizers, models, ...)."""


class CheckpointError(NeonportError, ValueError):
    """A checkpoint file is missing, damaged, foreign or does not fit the model."""


class RecordsError(NeonportError, ValueError):
    """A file of what callbacks recorded is missing, damaged, foreign or too large."""


class NotDifferentiableError(NeonportError, NotImplementedError):
    """A gradient was requested through an operation that has none."""


class CompileError(NeonportError, RuntimeError):
    """A generated kernel could not be compiled; carries the compiler's own words."""


class DeviceContractError(NeonportError, TypeError):
    """The device of a backend, as its author wrote it, gives something else than `Device` says."""


class WrongResultError(NeonportError, ArithmeticError):
    """A second opinion found something wrong; `finding` says what, where and by how much."""

    def __init__(self, message: str, finding: object = None) -> None:
        super().__init__(message)
        self.finding = finding


class RecordingError(NeonportError, RuntimeError):
    """A step cannot be recorded or replayed; the message says what in it stands against that."""


class OutOfDeviceMemory(NeonportError, MemoryError):
    """The device has no room for an allocation."""


class DLPackError(NeonportError, BufferError):
    """An array cannot be exchanged by DLPack without breaking a promise; says the way out."""

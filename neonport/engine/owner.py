"""What the engine asks of the backend that it works for, and devices of the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from neonport.engine.recording import Recorder
from neonport.engine.tracing import Tracer
from neonport.foundation.bounded_table import BoundedTable
from neonport.ops.philox import PhiloxState
from neonport.tensor.storage import Storage
from neonport.tensor.tensor import Tensor


class Owner(Protocol):
    """Parts of a backend that running a statement needs."""

    bound: BoundedTable[Any, Callable[..., Any]]
    recorder: Recorder | None
    tracer: Tracer
    philox: PhiloxState

    def unrecordable(self, what: str) -> None:
        """Note that a replay would not do this."""

    def remember(self, key: Any, call: Callable[..., Any], storages: Iterable[Storage]) -> None:
        """Keep a bound statement."""

    def synchronize(self) -> None:
        """Wait for the device."""

    def wrap(self, storage: Storage, dtype: Any, shape: Any, strides: Any, offset: int) -> Tensor:
        """A tensor over existing storage."""


class Runner(Protocol):
    """Part of an executor that a device needs: copies are statements as well.

    Attributes:
        owner: the backend.
    """

    owner: Any

    def bind(self, pairs: Sequence[tuple[Tensor, Any]]) -> Any:
        """Plan a statement and bind it to its tensors."""

    def run(self, pairs: list[tuple[Tensor, Any]]) -> None:
        """Run a statement."""

"""What tensors, and all that is built on them below the backends, ask of a backend.

A backend does much more. Annotations below the backends name these protocols instead of its class,
so that no import goes up the pipeline, not even one for a type checker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np

from neonport.foundation.bounded_table import BoundedTable
from neonport.optree.backend_protocol import ExpressionBackend
from neonport.optree.signature import Signature
from neonport.shape import Shape
from neonport.tensor.storage import Layout, Storage


class TensorBackend(ExpressionBackend, Protocol):
    """A backend as tensors see it.

    Attributes:
        bound: statements that are ready to run, by target, structure and operands.
        closed: whether the backend was cleaned up.
        default_dtype: float dtype of new tensors.
    """

    bound: BoundedTable[Any, Callable[..., Any]]
    closed: bool
    default_dtype: np.dtype

    @property
    def dlpack_data(self) -> str:
        """What `data` of a DLPack capsule is: "pointer", or the kind of handle."""

    def leaf_signature(self, dtype: np.dtype, shape: Shape) -> Signature:
        """The signature that all tensors of a dtype and a shape share."""

    def check_open(self) -> None:
        """Raise ClosedBackendError after the backend was cleaned up."""

    def unrecordable(self, what: str) -> None:
        """Note that a replay of the step that is being recorded would not do this."""

    def view(self, storage: Storage, dtype: np.dtype, layout: Layout) -> Any:
        """The backend's own array object for a layout."""

    def take(self, a: Any, indices: Any, axis: int) -> Any:
        """A lazy gather of entries along an axis."""

    def scatter(self, target: Any, indices: np.ndarray, axis: int, values: Any) -> None:
        """Store entries of `values` at their indices along an axis of `target`."""

    def assign(self, target: Any, value: Any) -> Any:
        """Do `target[:] = value`."""

    def assign_many(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        """Do several assignments: every right-hand side is read before any store."""

    def set_host(self, target: Any, ary: Any) -> None:
        """Copy host data into a tensor."""

    def copy_out(self, source: Any) -> np.ndarray:
        """Wait for pending work and return a new host array."""

    def host_array(self, tensor: Any, dtype: Any, copy: bool | None) -> np.ndarray:
        """What `np.asarray(tensor)` gives."""

    def cuda_array_interface(self, tensor: Any) -> dict[str, Any] | None:
        """CUDA's array interface of a tensor; None: it has none."""

    def dlpack_device(self) -> tuple[int, int]:
        """DLPack device type and ordinal of the memory."""

    def dlpack_capsule(
        self, tensor: Any, *, stream: Any, max_version: Any, copy: bool | None
    ) -> Any:
        """A DLPack capsule of a tensor."""

    def histogram(self, tensor: Any, tag: str) -> Any:
        """Count rounded log2 magnitudes and store them under `tag`."""

"""The backend of a tensor with all that a backend can do.

`Tensor.backend` is annotated with the few methods that tensors use, as tensors stand below the
backends; what stands above them asks here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neonport.backends.backend import Backend


def home(value: Any) -> Backend:
    """Return the backend of a tensor, or of the tensors below an op-tree."""
    backend: Backend = value.backend
    return backend

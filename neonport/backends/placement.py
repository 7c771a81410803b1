"""`neonport.on`: the backend of what is made in a `with` block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport import backends
from neonport.base import PLACE, NervanaObject, shown
from neonport.errors import ConfigurationError
from neonport.plugins import registry

if TYPE_CHECKING:
    from neonport.backends.backend import Backend


@contextmanager
def on(backend: str | Backend) -> Iterator[Backend]:
    """Inside, layers (models, data, ...) are made on this backend; they stay there.

    Blocks nest, and each thread has its own. A backend that is named is made once, with batch size
    and datatype of the process-wide one, and used again by every later block; naming the
    process-wide one gives that.

    Args:
        backend: a name, with the number of the device if need be ("opencl", "cuda:1"), or a
            backend.

    Raises:
        UnknownBackendError, BackendUnavailable: there is none of that name, or it cannot be used.
        ConfigurationError: it is no name and no backend.

    Example:
        import neonport
        with neonport.on("cpu"):
            below = Affine(nout=5, init=Gaussian(), activation=Rectlin())
        model = Model([below, Affine(nout=3, init=Gaussian(), activation=Softmax())])
    """
    found = backend_of("on", backend)
    token = PLACE.set(found)
    try:
        yield found
    finally:
        PLACE.reset(token)


def backend_of(call: str, backend: Any) -> Any:
    """The open backend that an argument means: a name, or a backend.

    Args:
        call: names the function in errors.
        backend: what was given.

    Raises:
        UnknownBackendError, BackendUnavailable: there is none of that name, or it cannot be used.
        ConfigurationError: it is no name and no backend.
    """
    found = named(call, backend) if isinstance(backend, str) else backend
    if not hasattr(found, "assign_many"):
        raise ConfigurationError(
            f"{call}: backend is {shown(backend)}; give a name such as 'cpu' or 'opencl:0', or "
            "what gen_backend returned"
        )
    found.check_open()
    return found


def named(call: str, text: str) -> Any:
    """The backend of a name and the number of a device, the process-wide one if that is it.

    Raises:
        UnknownBackendError, BackendUnavailable: there is none of that name, or it cannot be used.
        ConfigurationError: what stands behind the name is no number.
    """
    name, colon, number = text.partition(":")
    if colon and not number.isdigit():
        raise ConfigurationError(
            f"{call}: backend is {shown(text)}; behind the name stands the number of a device, "
            "such as 'opencl:0'"
        )
    kind = registry.require(name).name
    device, default = int(number or 0), NervanaObject.be
    if default is not None and str(default) == f"{kind}:{device}" and not default.closed:
        return default
    size = getattr(default, "bsz", None) or 0
    dtype = getattr(default, "default_dtype", np.dtype(np.float32))
    key = kind, device, size, dtype
    found = backends.others.get(key)
    if found is None or found.closed:
        seed = getattr(default, "rng_seed", None)
        found = backends.make(kind, device_id=device, default_dtype=dtype, rng_seed=seed)
        found.bsz = size
        backends.others[key] = found
    return found

"""Which backend each layer of a model is on."""

from __future__ import annotations

from typing import Any

from neonport.base import NervanaObject
from neonport.layers.crossing import check_places


def settle(model: Any) -> None:
    """Give the model's backend to all layers that have none for themselves, and check the rest.

    Args:
        model: the model, before its layers are configured.

    Raises:
        ConfigurationError: layers on different backends do not go together; the message says why.
    """
    if model.be is not None:
        NervanaObject.adopt_backend(model, model.be)
        check_places(model.layers)

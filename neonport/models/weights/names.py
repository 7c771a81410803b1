"""Names of layers that do not depend on what else was made before in the process."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from neonport.errors import ConfigurationError
from neonport.layers.layer_container import LayerContainer


def named_layers(container: Any) -> dict[str, Any]:
    """The layers of a model that compute something themselves, by name, in forward order.

    Layers that nobody named are counted by class within the model: the first Linear is `Linear_0`,
    its bias `Linear_0_bias`, whatever numbers the process has given them. A name that comes again
    gets a number.
    """
    counts: Counter[str] = Counter()
    main = ("", "")  # the last name by class and number: as it is, and as it is here
    found: dict[str, Any] = {}
    for layer in container.layers_fprop():
        if isinstance(layer, LayerContainer) or layer.is_branch:
            continue  # a branch is a place between layers
        name = layer.name
        if re.fullmatch(rf"{re.escape(layer.classnm)}_\d+", name):
            local = f"{layer.classnm}_{counts[layer.classnm]}"
            counts[layer.classnm] += 1
            main = name, local
        elif main[0] and name.startswith(f"{main[0]}_"):
            local = main[1] + name[len(main[0]) :]
        else:
            local = name
        unique, number = local, 2
        while unique in found:
            unique, number = f"{local}_{number}", number + 1
        found[unique] = layer
    return found


def choose_layers(call: str, container: Any, names: Any) -> dict[str, Any]:
    """The layers of these names, in their order; of all if names are None.

    Args:
        call: names the method in errors.
        container: the layers of a model.
        names: list of names as `named_layers` or the layers themselves have them, or one name.

    Raises:
        ConfigurationError: there is no such layer, or nothing was asked for.
    """
    known = named_layers(container)
    if names is None:
        return known
    chosen = {}
    own = {layer.name: layer for layer in reversed(known.values())}
    for name in [names] if isinstance(names, str) else names:
        layer = known.get(name) or own.get(name)
        if layer is None:
            raise ConfigurationError(
                f"{call}: there is no layer {str(name)[:80]!r}; there are {', '.join(known)}"
            )
        chosen[name] = layer
    if not chosen:
        raise ConfigurationError(f"{call}: no layers named; there are {', '.join(known)}")
    return chosen

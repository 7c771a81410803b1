"""The kinds of things that plugins bring beside backends: a hook, and where users find them."""

from __future__ import annotations

from dataclasses import dataclass

from neonport.plugins.info import ClassInfo, OpInfo


@dataclass(frozen=True)
class Kind:
    """A row of the table.

    Attributes:
        name: in words.
        hook: function of `hookspecs` that returns them.
        info: class of the descriptions that it returns.
        module: where users find what is brought; empty for ops, which are methods of a backend.
        base: "module:class" that a class of this kind derives from; empty for ops.
    """

    name: str
    hook: str
    info: type[ClassInfo] | type[OpInfo]
    module: str = ""
    base: str = ""


KINDS = {
    kind.name: kind
    for kind in (
        Kind("op", "register_ops", OpInfo),
        Kind(
            "layer",
            "register_layers",
            ClassInfo,
            "neonport.layers",
            "neonport.layers.base:Layer",
        ),
        Kind(
            "dataset",
            "register_datasets",
            ClassInfo,
            "neonport.data.datasets",
            "neonport.base:NervanaObject",
        ),
        Kind(
            "callback",
            "register_callbacks",
            ClassInfo,
            "neonport.callbacks",
            "neonport.callbacks.callback:Callback",
        ),
        Kind(
            "optimizer",
            "register_optimizers",
            ClassInfo,
            "neonport.optimizers",
            "neonport.optimizers.base:Optimizer",
        ),
    )
}
"""Every kind, by name."""

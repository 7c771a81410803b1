"""Announces what this package brings; importing this imports none of it."""

from __future__ import annotations

from neonport.plugins.hookspecs import ClassInfo, OpInfo, hookimpl

PROTOCOL = (1, 1)  # the one that this package was written for


@hookimpl
def register_ops() -> list[OpInfo]:
    """Return two activation functions."""
    return [
        OpInfo(
            "mish",
            "neonport_extras.ops:MISH",
            PROTOCOL,
            derivative="neonport_extras.ops:mish_derivative",
            expression="({0} * neo_tanh_{s}(neo_softplus_{s}({0})))",
            summary="x * tanh(log(1 + e^x))",
        ),
        OpInfo(
            "hardsig",
            "neonport_extras.ops:HARDSIG",
            PROTOCOL,
            derivative="neonport_extras.ops:hardsig_derivative",
            expression="neo_max_{s}(({t})0, neo_min_{s}(({t})1, {0} * ({t})0.2 + ({t})0.5))",
            summary="a logistic function of straight lines",
        ),
    ]


@hookimpl
def register_layers() -> list[ClassInfo]:
    """Return a layer."""
    return [ClassInfo("Mish", "neonport_extras.layers:Mish", PROTOCOL, "x * tanh(log(1 + e^x))")]


@hookimpl
def register_datasets() -> list[ClassInfo]:
    """Return a data set."""
    target = "neonport_extras.datasets:TwoSpirals"
    return [ClassInfo("TwoSpirals", target, PROTOCOL, "points on two spirals, two classes")]


@hookimpl
def register_callbacks() -> list[ClassInfo]:
    """Return a callback."""
    target = "neonport_extras.callbacks:WeightNormCallback"
    return [ClassInfo("WeightNormCallback", target, PROTOCOL, "records norms of weights")]


@hookimpl
def register_optimizers() -> list[ClassInfo]:
    """Return an optimizer."""
    target = "neonport_extras.optimizers:AdaBelief"
    return [ClassInfo("AdaBelief", target, PROTOCOL, "steps by how far gradients surprise")]

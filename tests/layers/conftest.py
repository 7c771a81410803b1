"""How tests of layers drive a layer, compare gradients and tell whether buffers share memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.errors import DtypeError
from neonport.layers.deltas import DeltasTree


@pytest.fixture
def be64(make_backend: Callable[..., Any]) -> Any:
    """A float64 backend with batch size 4, for finite differences."""
    try:
        return make_backend(batch_size=4, dtype=np.float64, rng_seed=0)
    except (DtypeError, ValueError) as error:
        pytest.skip(f"gradient checks need float64: {error}")


def drive(layer: Any, in_shape: Any, *, first: bool = False, **allocate: Any) -> Any:
    """Take one layer (or container) through its life cycle, as if one stood below it."""
    layer.configure(in_shape)
    if not first:
        for inner in (layer, *getattr(layer, "_layers", ())[:1]):
            inner.prev_layer = True
    layer.allocate(**allocate)
    tree = DeltasTree()
    layer.allocate_deltas(tree)
    tree.allocate_buffers()
    layer.set_deltas(tree)
    return layer


def parameters(layer: Any) -> list[tuple[Any, Any]]:
    """All (parameter, gradient) pairs below."""
    found = layer.layers_to_optimize if hasattr(layer, "layers_to_optimize") else [layer]
    pairs = []
    for item in found:
        params = item.get_params()
        pairs.extend(pair for pair, _ in (params if isinstance(params, list) else [params]))
    return pairs


def check_gradients(be: Any, net: Any, x: np.ndarray, step: float = 1e-5) -> float:
    """Largest gap between `bprop` and central differences of sum(fprop(x) * cotangent).

    Every element of the input and of every parameter is moved; random numbers are repeated.
    """
    rng_state = be.rng_get_state()
    inputs = be.empty(x.shape, dtype=x.dtype)

    def run(values: np.ndarray) -> Any:
        be.rng_set_state(rng_state)
        inputs.set(values)
        return net.fprop(inputs)

    y = run(x)
    cotangent = np.random.RandomState(5).randn(*y.shape)
    deltas = net.bprop(be.array(cotangent)).get()
    assert deltas.size == x.size
    checks = [(x, deltas, None)]
    checks += [(p.get(), g.get(), p) for p, g in parameters(net)]
    worst = 0.0
    for values, analytic, target in checks:
        moved = values.copy()
        for i in range(values.size):
            ends = []
            for sign in (1, -1):
                moved.flat[i] = values.flat[i] + sign * step
                if target is not None:
                    target.set(moved)
                out = run(x if target is not None else moved)
                ends.append(float((out.get() * cotangent).sum()))
            moved.flat[i] = values.flat[i]
            if target is not None:
                target.set(values)
            worst = max(worst, abs((ends[0] - ends[1]) / (2 * step) - analytic.flat[i]))
    return worst


def shares_memory(a: Any, b: Any) -> bool:
    """Whether writing into b changes a (both are overwritten)."""
    a.fill(1.0)
    b.fill(2.0)
    return bool((a.get() == 2.0).any())


class Toolbox:
    """The helpers above, as one fixture."""

    drive = staticmethod(drive)
    parameters = staticmethod(parameters)
    check_gradients = staticmethod(check_gradients)
    shares_memory = staticmethod(shares_memory)


@pytest.fixture
def tools() -> type[Toolbox]:
    """Helpers of these tests."""
    return Toolbox

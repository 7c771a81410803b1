"""MultiOptimizer: choice by name, class, default; never a stale choice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.errors import CheckpointError, ConfigurationError
from neonport.foundation.descriptions import Builder
from neonport.optimizers import Adam, GradientDescentMomentum, MultiOptimizer, RMSProp


@pytest.fixture
def layers(be: Any, make_kind: Any) -> list[Any]:
    pair = (np.ones((2, 2)), np.ones((2, 2)))
    named = [("Linear", "first"), ("Bias", "b1"), ("Linear", "special"), ("BatchNorm", "bn")]
    return [make_kind(kind)(be, pair, name=name) for kind, name in named]


def test_name_comes_before_class_before_default(layers: list[Any]) -> None:
    a, b, c, d = Adam(), Adam(), Adam(), Adam()
    multi = MultiOptimizer({"default": a, "Linear": b, "special": c, "Convolution": d})
    multi.optimize(layers, 0)
    assert multi.map_list == {a: [layers[1], layers[3]], b: [layers[0]], c: [layers[2]]}
    assert [o.t for o in (a, b, c, d)] == [1, 1, 1, 0]


def test_one_optimizer_under_two_keys_is_called_once(layers: list[Any]) -> None:
    shared, other = Adam(), Adam()
    multi = MultiOptimizer({"default": other, "Linear": shared, "Bias": shared})
    multi.optimize(layers, 0)
    assert multi.map_list == {shared: layers[:3], other: layers[3:]}
    assert shared.t == 1


def test_inherited_classes_do_not_count(be: Any, make_kind: Any) -> None:
    linear = make_kind("Linear")
    sub = type("BinaryLinear", (linear,), {})(be, ([[1.0]], [[1.0]]))
    a, b = Adam(), Adam()
    assert MultiOptimizer({"default": a, "Linear": b})._map_optimizers([sub]) == {a: [sub]}


def test_a_list_that_changes_is_seen(layers: list[Any]) -> None:
    a, b = Adam(), Adam()
    multi = MultiOptimizer({"default": a, "Bias": b})
    some = layers[:1]
    multi.optimize(some, 0)
    some[0] = layers[1]
    multi.optimize(some, 0)
    assert multi.map_list == {b: [layers[1]]}
    assert (a.t, b.t) == (1, 1)


def test_a_new_mapping_replaces_the_old_one(layers: list[Any]) -> None:
    a, b = Adam(), Adam()
    multi = MultiOptimizer({"default": a})
    multi.optimize(layers, 0)
    multi._reset_mapping({"default": b})
    assert multi.map_list is None
    multi.optimize(layers, 0)
    assert multi.map_list == {b: layers}


def test_updates_are_those_of_the_parts(be: Any, make_layer: Any) -> None:
    rng = np.random.RandomState(0)
    pairs = [(rng.normal(size=(3, 4)), rng.normal(size=(3, 4))) for _ in range(2)]
    mine = [make_layer(be, pair, name=name) for pair, name in zip(pairs, "ab", strict=True)]
    reference = [make_layer(be, pair) for pair in pairs]
    MultiOptimizer({"default": GradientDescentMomentum(0.1, 0.9), "b": RMSProp()}).optimize(mine, 0)
    GradientDescentMomentum(0.1, 0.9).optimize(reference[:1], 0)
    RMSProp().optimize(reference[1:], 0)
    for a, b in zip(mine, reference, strict=True):
        np.testing.assert_array_equal(a.W.get(), b.W.get())


def test_mistakes_are_named() -> None:
    with pytest.raises(ConfigurationError, match="'default'"):
        MultiOptimizer({"Linear": Adam()})
    with pytest.raises(ConfigurationError, match=r"'Bias'.*not an optimizer"):
        MultiOptimizer({"default": Adam(), "Bias": 0.1})  # type: ignore[dict-item]


def test_description_round_trip() -> None:
    multi = MultiOptimizer(
        {"default": GradientDescentMomentum(0.1, 0.9, name="g"), "Bias": RMSProp(decay_rate=0.5)}
    )
    desc = multi.get_description()
    assert desc["type"] == "neon.optimizers.optimizer.MultiOptimizer"
    assert set(desc["config"]) == {"optimizer_mapping"}
    twin = Builder().build(None, desc)
    assert twin.get_description() == desc
    assert isinstance(twin.optimizer_mapping["Bias"], RMSProp)


def test_descriptions_may_use_bare_class_names() -> None:
    config = {
        "optimizer_mapping": {
            "default": {
                "type": "GradientDescentMomentum",
                "config": {"learning_rate": 0.1, "momentum_coef": 0.9},
            },
            "Bias": {"type": "Adam"},
        }
    }
    multi = MultiOptimizer.gen_class(config)
    assert isinstance(multi.optimizer_mapping["Bias"], Adam)
    assert multi.optimizer_mapping["default"].momentum_coef == 0.9  # type: ignore[attr-defined]
    assert config["optimizer_mapping"]["Bias"] == {"type": "Adam"}


def test_states_are_kept_by_key() -> None:
    a, b = Adam(), Adam()
    multi = MultiOptimizer({"default": a, "Bias": b, "Linear": RMSProp()})
    a.t, b.t = 5, 7
    state = multi.get_state()
    assert state == {"default": {"t": 5}, "Bias": {"t": 7}, "Linear": {}}
    a.t = b.t = 0
    multi.set_state(state)
    assert (a.t, b.t) == (5, 7)
    with pytest.raises(CheckpointError, match="t=-1"):
        multi.set_state({"default": {"t": 1}, "Bias": {"t": -1}, "Linear": {}})
    assert (a.t, b.t) == (5, 7)
    with pytest.raises(CheckpointError, match="keys"):
        multi.set_state({"default": {"t": 1}})

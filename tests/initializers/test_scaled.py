"""He, LeCun, Glorot and the truncated normal, by class and by name."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pytest

from neonport import initializers
from neonport.errors import ConfigurationError, ShapeError
from neonport.initializers import TruncatedNormal, initializer_of
from neonport.layers import Affine, Linear, OpTreeLayer
from neonport.models import Model

SHAPE = (80, 50)  # (rows, columns)
# class, variance for a fan-in of 50 columns, and of 80 rows; whether uniform
CASES = [
    ("HeNormal", 2 / 50, 2 / 80, False),
    ("HeUniform", 2 / 50, 2 / 80, True),
    ("LeCunNormal", 1 / 50, 1 / 80, False),
    ("LeCunUniform", 1 / 50, 1 / 80, True),
    ("GlorotNormal", 2 / 130, 2 / 130, False),
]


@pytest.mark.parametrize(("name", "linear", "local", "uniform"), CASES)
def test_the_spread_follows_the_fan(
    make_backend: Any, name: str, linear: float, local: float, uniform: bool
) -> None:
    for flag, variance in ((False, linear), (True, local)):
        be = make_backend(rng_seed=3, dtype=np.float64)
        w = be.empty(SHAPE)
        getattr(initializers, name)(local=flag).fill(w)
        values = w.get()
        assert abs(values.mean()) < 4 * sqrt(variance / w.size)
        assert values.var() == pytest.approx(variance, rel=0.1)
        if uniform:
            bound = sqrt(3 * variance)
            assert 0.99 * bound < np.abs(values).max() <= bound
        other = make_backend(rng_seed=3, dtype=np.float64).empty(SHAPE)
        getattr(initializers, name)(local=flag).fill(other)
        np.testing.assert_array_equal(other.get(), values)


def test_a_vector_has_no_fan(be: Any) -> None:
    with pytest.raises(ShapeError, match="not a non-empty matrix"):
        initializers.HeNormal().fill(be.empty((2, 3, 4)))


def test_truncated_normal(make_backend: Any) -> None:
    be = make_backend(rng_seed=1, dtype=np.float64)
    w = be.empty((200, 100))
    TruncatedNormal(loc=1, scale=0.5).fill(w)
    z = (w.get() - 1) / 0.5
    assert 1.9 < np.abs(z).max() <= 2
    assert abs(z.mean()) < 0.03
    # of a standard normal cut at +-2: 1 - 4 phi(2) / (2 Phi(2) - 1)
    assert z.var() == pytest.approx(0.7737, rel=0.02)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("he_normal", "HeNormal"),
        ("he_uniform", "HeUniform"),
        ("lecun_normal", "LeCunNormal"),
        ("lecun_uniform", "LeCunUniform"),
        ("glorot_normal", "GlorotNormal"),
        ("glorot_uniform", "GlorotUniform"),
        ("truncated_normal", "TruncatedNormal"),
        ("orthonormal", "Orthonormal"),
        ("zeros", "Constant"),
        ("ones", "Constant"),
    ],
)
def test_by_name(make_backend: Any, name: str, kind: str) -> None:
    make_backend(batch_size=2, rng_seed=0)
    layer = Linear(4, init=name)
    assert type(layer.init).__name__ == kind
    model = Model([layer, *Affine(3, init=name, bias="zeros")])
    model.initialize(5)
    description = layer.get_description()
    assert description["config"]["init"]["type"].endswith(f".{kind}")
    assert type(Linear.gen_class(description["config"]).init).__name__ == kind


def test_the_name_knows_how_weights_lie(make_backend: Any) -> None:
    class Turned(Linear):
        local_weights = True

    make_backend(batch_size=2)
    assert Linear(3, init="he_normal").init.local is False
    assert Turned(3, init="he_normal").init.local is True
    assert initializer_of("he_normal", local=True).local is True  # type: ignore[attr-defined]


def test_by_name_in_a_layer_of_ones_own(make_backend: Any) -> None:
    class Scale(OpTreeLayer):
        def forward(self, x: Any) -> Any:
            return x * self.parameter("w", (x.shape[0], 1), init="ones")

    be = make_backend(batch_size=2)
    model = Model([Scale()])
    model.initialize(3)
    x = be.array(np.arange(6.0).reshape(3, 2))
    np.testing.assert_array_equal(model.fprop(x).get(), x.get())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Linear(3, init="he-normal"), "did you mean 'he_normal'"),
        (lambda: Linear(3, init="random"), "no initializer named 'random'; names: glorot_normal"),
        (lambda: Affine(3, init="he_normal", bias="nil"), "bias='nil'"),
        (lambda: Linear(3, init=TruncatedNormal), "is no initializer"),
        (lambda: TruncatedNormal(scale=0), "scale=0 must be above 0"),
        (lambda: TruncatedNormal(loc="a"), "loc='a'"),  # type: ignore[arg-type]
    ],
)
def test_mistakes_are_named(make: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        make()

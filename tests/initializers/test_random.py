"""Random initializers draw once, in row-major order, from the backend's seeded generator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.errors import ConfigurationError, ShapeError
from neonport.initializers import Gaussian, GlorotUniform, Kaiming, Orthonormal, Uniform, Xavier

SHAPE = (6, 10)

# initializer and what NumPy's generator gives for it
CASES: dict[str, tuple[Any, Any]] = {
    "uniform": (Uniform(), lambda r: r.uniform(0.0, 1.0, SHAPE)),
    "uniform-bounds": (Uniform(-0.08, 0.08), lambda r: r.uniform(-0.08, 0.08, SHAPE)),
    "gaussian": (Gaussian(), lambda r: r.normal(0.0, 1.0, SHAPE)),
    "gaussian-moments": (Gaussian(2.0, 0.01), lambda r: r.normal(2.0, 0.01, SHAPE)),
    "glorot": (GlorotUniform(), lambda r: r.uniform(-np.sqrt(6 / 16), np.sqrt(6 / 16), SHAPE)),
    "xavier-local": (Xavier(), lambda r: r.uniform(-np.sqrt(0.5), np.sqrt(0.5), SHAPE)),
    "xavier": (Xavier(local=False), lambda r: r.uniform(-np.sqrt(0.3), np.sqrt(0.3), SHAPE)),
    "kaiming-local": (Kaiming(), lambda r: r.normal(0.0, np.sqrt(2 / 6), SHAPE)),
    "kaiming": (Kaiming(local=False), lambda r: r.normal(0.0, np.sqrt(2 / 10), SHAPE)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_the_numbers_are_numpys_for_the_seed(make_backend: Any, case: str, dtype: str) -> None:
    init, reference = CASES[case]
    be = make_backend(rng_seed=11, dtype=dtype)
    param = be.empty(SHAPE)
    init.fill(param)
    want = reference(np.random.RandomState(11)).astype(param.dtype)
    assert param.dtype.name == dtype
    np.testing.assert_array_equal(param.get(), want)


def test_two_fills_continue_one_sequence(make_backend: Any) -> None:
    be = make_backend(rng_seed=3)
    a, b = be.empty((2, 3)), be.empty((4, 1))
    Gaussian().fill(a)
    Uniform().fill(b)
    rng = np.random.RandomState(3)
    np.testing.assert_array_equal(a.get(), rng.normal(size=(2, 3)).astype(np.float32))
    np.testing.assert_array_equal(b.get(), rng.uniform(size=(4, 1)).astype(np.float32))


def test_the_backend_of_the_parameter_draws(make_backend: Any) -> None:
    init = Gaussian()  # made before the backend, on purpose
    be = make_backend(rng_seed=5)
    param = be.empty((3, 3))
    init.fill(param)
    assert not np.array_equal(param.get(), np.zeros((3, 3)))
    first = param.get()
    be.rng_reset()
    init.fill(param)
    np.testing.assert_array_equal(param.get(), first)


@pytest.mark.parametrize("init", [GlorotUniform(), Xavier(), Kaiming(), Orthonormal()])
def test_scales_by_shape_need_a_matrix(be: Any, init: Any) -> None:
    before = be.rng.get_state()[1].copy(), be.rng.get_state()[2]
    with pytest.raises(ShapeError, match=r"\(2, 3, 4\)"):
        init.fill(be.empty((2, 3, 4)))
    after = be.rng.get_state()
    assert np.array_equal(before[0], after[1])
    assert before[1] == after[2]


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: Uniform(1.0, 0.0), "low"),
        (lambda: Uniform("a", 0.0), "low"),
        (lambda: Uniform(0.0, float("inf")), "high"),
        (lambda: Gaussian(0.0, -1.0), "scale"),
        (lambda: Gaussian(float("nan"), 1.0), "loc"),
        (lambda: Orthonormal(None), "scale"),
    ],
)
def test_arguments_out_of_range_are_named(make: Any, argument: str) -> None:
    with pytest.raises(ConfigurationError, match=argument):
        make()

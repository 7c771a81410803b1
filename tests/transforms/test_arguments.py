"""Wrong arguments and shapes are refused with the name of the argument, before any write."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.base import NervanaObject
from neonport.errors import ConfigurationError, ShapeError
from neonport.transforms import (
    CrossEntropyBinary,
    CrossEntropyMulti,
    Explin,
    Logistic,
    MeanSquared,
    Normalizer,
    PixelwiseSoftmax,
    Rectlin,
    Rectlinclip,
    SmoothL1Loss,
    Softmax,
    SquareHingeLoss,
    SumSquared,
    Tanh,
    Transform,
)
from neonport.transforms.cost import Cost
from neonport.transforms.operands import backend_of


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: Normalizer(divisor=0), "divisor"),
        (lambda: Rectlin(slope="steep"), "slope"),
        (lambda: Rectlinclip(xcut=0.0), "xcut"),
        (lambda: Explin(alpha=float("nan")), "alpha"),
        (lambda: Softmax(axis=0.5), "axis"),
        (lambda: PixelwiseSoftmax(0), "c="),
        (lambda: PixelwiseSoftmax(2.5), "c="),
        (lambda: SmoothL1Loss(sigma=0), "sigma"),
        (lambda: SquareHingeLoss(margin=None), "margin"),
        (lambda: CrossEntropyBinary(scale=float("inf")), "scale"),
    ],
)
def test_constructor_arguments(make: Any, argument: str) -> None:
    with pytest.raises(ConfigurationError, match=argument):
        make()


def test_shapes_of_activations(be: Any) -> None:
    with pytest.raises(ShapeError, match="axis 2"):
        Softmax(axis=2)(be.ones((2, 2)))
    x = be.array(np.arange(10.0).reshape(5, 2))
    with pytest.raises(ShapeError, match="c=2"):
        PixelwiseSoftmax(c=2)(x)
    np.testing.assert_array_equal(x.get(), np.arange(10.0).reshape(5, 2))


COSTS = [
    CrossEntropyBinary(),
    CrossEntropyMulti(),
    SumSquared(),
    MeanSquared(),
    SmoothL1Loss(),
    SquareHingeLoss(),
]


@pytest.mark.parametrize("cost", COSTS, ids=lambda c: c.classnm)
@pytest.mark.parametrize("shape", [(1, 4), (3, 1), (4, 3), (3, 5)])
def test_targets_must_have_the_shape_of_predictions(be: Any, cost: Any, shape: Any) -> None:
    y, t = be.ones((3, 4)), be.ones(shape)
    with pytest.raises(ShapeError, match=cost.classnm):
        cost(y, t)
    with pytest.raises(ShapeError, match=cost.classnm):
        cost.bprop(y, t)


def test_class_indices_get_a_hint(be: Any) -> None:
    with pytest.raises(ShapeError, match="onehot"):
        CrossEntropyMulti()(be.ones((3, 4)), be.ones((1, 4)))


@pytest.mark.parametrize("cost", COSTS, ids=lambda c: c.classnm)
def test_one_hot_trees_of_open_size_are_targets(be: Any, cost: Any) -> None:
    y = be.array(np.random.RandomState(0).uniform(0.1, 0.9, (3, 4)))
    idx = be.array([[0, 2, 1, 2]], dtype=np.int32)
    dense = be.array(np.eye(3)[:, [0, 2, 1, 2]])
    lazy, eager = be.empty((1, 4)), be.empty((1, 4))
    lazy[:] = cost(y, be.onehot(idx, axis=0))
    eager[:] = cost(y, dense)
    np.testing.assert_array_equal(lazy.get(), eager.get())


def test_a_transform_may_be_older_than_the_backend_and_outlive_it(make_backend: Any) -> None:
    tanh, cost = Tanh(), SumSquared()
    for _ in range(2):
        be = make_backend()
        x, out = be.ones((2, 3)), be.empty((1, 3))
        out[:] = cost(tanh(x), x)
        np.testing.assert_allclose(out.get(), (np.tanh(1) - 1) ** 2, atol=1e-6)


def test_without_any_backend_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NervanaObject, "be", None)
    with pytest.raises(ConfigurationError, match="gen_backend"):
        backend_of(Logistic(), 1.0)


def test_subclasses_may_set_func_and_funcgrad(be: Any) -> None:
    class Cube(Transform):
        def __init__(self) -> None:
            super().__init__()
            self.func = lambda x: x * x * x  # type: ignore[method-assign]
            self.funcgrad = lambda y: 3.0 * be.power(y, 2 / 3)  # type: ignore[method-assign]

    class Distance(Cost):
        def __init__(self) -> None:
            super().__init__()
            self.func = lambda y, t: be.sum(abs(y - t), axis=0)  # type: ignore[method-assign]
            self.funcgrad = lambda y, t: be.sgn(y - t)  # type: ignore[method-assign]

    x, out = be.array([[2.0]]), be.empty((1, 1))
    out[:] = Cube()(x)
    assert out.item() == 8
    out[:] = Cube().bprop(out)
    assert out.item() == pytest.approx(12)
    out[:] = Distance()(x, 5.0 * x)
    assert out.item() == 8
    out[:] = Distance().bprop(x, 5.0 * x)
    assert out.item() == -1


@pytest.mark.parametrize("base", [Transform, Cost])
def test_an_empty_subclass_says_what_is_missing(be: Any, base: Any) -> None:
    empty = type("Empty", (base,), {})()
    operands = [be.ones((1, 1))] * (1 if base is Transform else 2)
    with pytest.raises(NotImplementedError, match="Empty"):
        empty(*operands)
    with pytest.raises(NotImplementedError, match="Empty"):
        empty.bprop(*operands)

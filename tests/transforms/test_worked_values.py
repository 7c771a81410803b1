"""Values worked out by hand in the specification."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.transforms import (
    CrossEntropyBinary,
    CrossEntropyMulti,
    SmoothL1Loss,
    SquareHingeLoss,
    TopKMisclassification,
)


def value(be: Any, cost: Any, y: Any, t: Any) -> float:
    out = be.empty((1, 1))
    out[:] = cost(column(be, y), column(be, t))
    return float(out)


def gradient(be: Any, cost: Any, y: Any, t: Any) -> Any:
    out = be.empty((len(y), 1))
    out[:] = cost.bprop(column(be, y), column(be, t))
    return out.get()[:, 0]


def column(be: Any, values: Any) -> Any:
    return be.array(np.array(values).reshape(-1, 1))


def test_cross_entropies(be: Any) -> None:
    binary = value(be, CrossEntropyBinary(), [0.2, 0.8], [0, 1])
    assert binary == pytest.approx(0.4462871, abs=1e-6)
    y, t = [0.2, 0.8], [1, 0]
    assert value(be, CrossEntropyMulti(), y, t) == pytest.approx(1.6094379, abs=1e-6)
    assert value(be, CrossEntropyMulti(usebits=True), y, t) == pytest.approx(2.3219281, abs=1e-6)


@pytest.mark.parametrize(("x", "loss", "slope"), [(0.05, 0.01125, 0.45), (-0.5, 0.4444444, -1)])
def test_smooth_l1(be: Any, x: float, loss: float, slope: float) -> None:
    cost = SmoothL1Loss(sigma=3)
    assert value(be, cost, [x], [0]) == pytest.approx(loss, abs=1e-6)
    np.testing.assert_allclose(gradient(be, cost, [x], [0]), [slope], atol=1e-6)


def test_square_hinge(be: Any) -> None:
    cost = SquareHingeLoss()
    assert value(be, cost, [0.3, -2], [1, 0]) == pytest.approx(0.245, abs=1e-6)
    np.testing.assert_allclose(gradient(be, cost, [0.3, -2], [1, 0]), [-0.7, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("y", "true", "top1", "topk"), [([0.4, 0.3, 0.3], 1, 1, 0.5), ([0.5, 0.5, 0], 0, 0.5, 0)]
)
def test_top_k(be: Any, y: Any, true: int, top1: float, topk: float) -> None:
    t = np.eye(3)[:, [true]]
    np.testing.assert_allclose(
        TopKMisclassification(2)(column(be, y), be.array(t))[1:], [top1, topk], atol=1e-6
    )

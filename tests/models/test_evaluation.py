"""eval and get_outputs against NumPy, with partial batches and sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from neonport.errors import ConfigurationError

Make = Callable[..., Any]


@pytest.mark.parametrize("ndata", [8, 9, 15, 16, 17, 27])
def test_eval_counts_each_sample_once(make_problem: Make, ndata: int) -> None:
    from neonport.transforms import Accuracy, Misclassification

    p = make_problem(ndata=ndata, strict_wrap=False)
    outputs = p.model.get_outputs(p.data)
    assert outputs.shape == (ndata, 3)
    wanted = np.mean(outputs.argmax(axis=1) == p.y)
    for _ in range(2):
        np.testing.assert_allclose(p.model.eval(p.data, Accuracy()), [wanted], rtol=1e-6)
        np.testing.assert_allclose(
            p.model.eval(p.data, Misclassification()), [1 - wanted], rtol=1e-6, atol=1e-7
        )


def test_get_outputs_equals_fprop(make_problem: Make) -> None:
    p = make_problem(ndata=16, dropout=True)
    outputs = p.model.get_outputs(p.data)
    for start in (0, 8):
        x = p.be.array(p.x[start : start + 8].T)
        y = p.model.fprop(x, inference=True).get()
        np.testing.assert_array_equal(outputs[start : start + 8], y.T)


def test_get_outputs_is_in_order_after_a_shifted_pass(make_problem: Make, fit: Make) -> None:
    p = make_problem(ndata=18, strict_wrap=False)
    fit(p, 1)
    assert p.data.start
    x = np.concatenate([p.x, p.x])[:24].T
    wanted = [
        p.model.fprop(p.be.array(x[:, i : i + 8]), inference=True).get().T for i in (0, 8, 16)
    ]
    np.testing.assert_array_equal(p.model.get_outputs(p.data), np.concatenate(wanted)[:18])


def test_shuffled_data_are_evaluated_in_their_own_order(make_problem: Make, fit: Make) -> None:
    from neonport.transforms import Accuracy

    p = make_problem(ndata=18, shuffle=True)
    fit(p, 2)
    state = p.data.get_state()
    outputs = p.model.get_outputs(p.data)
    plain = type(p.data)(p.x, p.y, nclass=3)
    np.testing.assert_array_equal(outputs, p.model.get_outputs(plain))
    wanted = np.mean(outputs.argmax(axis=1) == p.y)
    np.testing.assert_allclose(p.model.eval(p.data, Accuracy()), [wanted], rtol=1e-6)
    assert p.data.get_state() == {**state, "start": 0}


def test_several_numbers_of_a_metric(make_problem: Make) -> None:
    from neonport.transforms import TopKMisclassification

    p = make_problem(ndata=19)
    outputs = p.model.get_outputs(p.data)
    right = outputs[np.arange(19), p.y]
    result = p.model.eval(p.data, TopKMisclassification(2))
    assert result.shape == (3,)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result[0], np.mean(-np.log(right)), rtol=1e-5)
    np.testing.assert_allclose(result[1], np.mean(right < outputs.max(axis=1)), rtol=1e-5)
    np.testing.assert_allclose(result[2], np.mean(right == outputs.min(axis=1)), rtol=1e-5)


def test_result_prints_like_a_number(make_problem: Make) -> None:
    from neonport.transforms import Accuracy

    p = make_problem(ndata=16)
    result = p.model.eval(p.data, Accuracy())
    value = float(result[0])
    # what scripts write
    assert f"{value * 100:.1f}%" == "%.1f%%" % (result * 100)
    assert float(1 - result) == pytest.approx(1 - value)
    assert int(result * 0) == 0
    with pytest.raises(ValueError, match="size 1"):
        float(np.concatenate([result, result]).view(type(result)))


class Sequences:
    """Sequences of T steps with F features; sample i, step t holds i + t / 10."""

    def __init__(self, be: Any, ndata: int, steps: int, seq_length: bool) -> None:
        self.be, self.ndata, self.steps = be, ndata, steps
        self.shape = (2, steps)
        self.nbatches = -(-ndata // be.bsz)
        if seq_length:
            self.seq_length = steps

    def reset(self) -> None:
        pass

    def host(self) -> np.ndarray:
        """(ndata, steps)."""
        return np.arange(self.ndata)[:, None] + np.arange(self.steps) / 10

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        n = self.be.bsz
        for start in range(0, self.ndata, n):
            samples = np.arange(start, start + n) % self.ndata
            block = self.host()[samples].T.reshape(1, -1)
            x = self.be.array(np.concatenate([block, block]))
            yield x, self.be.array(block)


class FirstRowMean:
    """Metric: the mean of the first row over the columns asked for."""

    metric_names = ("Mean",)

    def __call__(self, y: Any, t: Any, calcrange: slice = slice(0, None)) -> Any:
        return np.asarray(y.get()[0, calcrange].mean())


def identity(make_backend: Make, batch_size: int = 4) -> tuple[Any, Any]:
    from neonport.layers import SkipNode
    from neonport.models import Model

    be = make_backend(batch_size=batch_size, dtype=np.float64)
    return be, Model([SkipNode()])


def test_get_outputs_of_sequences_is_batch_major(make_backend: Make) -> None:
    be, model = identity(make_backend)
    data = Sequences(be, 10, 3, False)
    outputs = model.get_outputs(data)
    assert outputs.shape == (10, 3, 2)
    for feature in range(2):
        np.testing.assert_array_equal(outputs[:, :, feature], data.host())


@pytest.mark.parametrize("seq_length", [False, True])
@pytest.mark.parametrize("ndata", [4, 8, 12])
def test_eval_of_whole_batches_of_sequences(
    make_backend: Make, ndata: int, seq_length: bool
) -> None:
    be, model = identity(make_backend)
    data = Sequences(be, ndata, 3, seq_length)
    np.testing.assert_allclose(model.eval(data, FirstRowMean()), [data.host().mean()], rtol=1e-6)


@pytest.mark.parametrize("seq_length", [False, True])
def test_partial_batch_of_sequences(make_backend: Make, seq_length: bool) -> None:
    be, model = identity(make_backend)
    data = Sequences(be, 6, 3, seq_length)
    exact = model.eval(data, FirstRowMean(), strict=True)
    np.testing.assert_allclose(exact, [data.host().mean()], rtol=1e-6)
    # As neon: of the last batch (samples 4 5 0 1) the first 2 * 3 columns, in time-major order.
    last = data.host()[[4, 5, 0, 1]].T.reshape(-1)[:6]
    wanted = (data.host()[:4].sum() + last.sum()) / 18
    np.testing.assert_allclose(model.eval(data, FirstRowMean()), [wanted], rtol=1e-6)


def test_mistakes_are_named(make_problem: Make, make_backend: Make) -> None:
    from neonport.transforms import Accuracy

    p = make_problem(ndata=16)
    with pytest.raises(ConfigurationError, match="class Accuracy; give an instance"):
        p.model.eval(p.data, Accuracy)
    be, model = identity(make_backend)
    empty = Sequences(be, 0, 3, False)
    with pytest.raises(ConfigurationError, match="no batch"):
        model.eval(empty, FirstRowMean())
    with pytest.raises(ConfigurationError, match="no batch"):
        model.get_outputs(empty)

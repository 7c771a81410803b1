"""Model.summary: before training, after it, and what it counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.errors import ConfigurationError
from neonport.initializers import Constant
from neonport.layers import (
    Affine,
    BranchNode,
    Dropout,
    GeneralizedCost,
    Layer,
    Linear,
    MergeMultistream,
    OpTreeLayer,
    Sequential,
    Tree,
)
from neonport.models import Model
from neonport.optimizers import GradientDescentMomentum
from neonport.transforms import Rectlin, Softmax, SumSquared

Make = Callable[..., Any]


class Swish(OpTreeLayer):
    """A layer of the user's."""

    def forward(self, x: Any) -> Any:
        return x * self.be.sig(x) * self.parameter("gain", (x.shape[0], 1), Constant(1))


def layers() -> list[Any]:
    return [
        Affine(5, "he_normal", batch_norm=True, activation=Rectlin(), name="fc1"),
        Sequential([Dropout(0.5), Swish("swish")]),
        Affine(3, "he_normal", bias=Constant(0), activation=Softmax()),
    ]


def test_before_and_after(make_backend: Make) -> None:
    be = make_backend(batch_size=8, rng_seed=0)
    model = Model(layers())
    open_ = model.summary()
    assert [row.name for row in open_.rows][:4] == ["fc1", "fc1_bnorm", "fc1_Rectlin", "Dropout_0"]
    assert open_.parameters is None
    assert "give the shape of a sample" in str(open_)
    state = str(be.rng_get_state())
    before = model.summary(6)
    assert not model.initialized
    assert str(be.rng_get_state()) == state
    model.initialize(6)
    after = model.summary()
    assert before.data == after.data
    rows = {row["name"]: row for row in after.data}
    size = be.default_dtype.itemsize
    fc1 = rows["fc1"]
    assert (fc1["parameters"], fc1["parameter_bytes"]) == (30, 30 * size)
    assert (fc1["output"], fc1["output_bytes"]) == ((5, 1), 5 * 8 * size)
    assert rows["fc1_bnorm"]["parameters"] == 10
    assert rows["fc1_Rectlin"]["output_bytes"] == 0
    assert rows["swish"]["parameters"] == 5
    assert rows["Linear_0"]["forward_operations"] == 2 * 5 * 3 * 8
    assert rows["Linear_0"]["backward_operations"] == 2 * 2 * 5 * 3 * 8
    assert (rows["Linear_0"]["forward_calls"], rows["Linear_0"]["backward_calls"]) == (1, 2)
    assert after.parameters == 30 + 10 + 5 + 15 + 3
    json.dumps(after.data)


def test_it_counts_what_is_launched(make_backend: Make) -> None:
    be = make_backend(batch_size=8, rng_seed=0)
    model = Model(layers())
    model.initialize(6)
    x, error = be.ones((6, 8)), be.ones((3, 8))
    model.fprop(x), model.bprop(error)
    be.bound.clear()
    be.tracer.on = True
    model.fprop(x)
    be.tracer.count = 0
    model.bprop(error)
    backward = be.tracer.count
    be.bound.clear()
    be.tracer.count = 0
    model.fprop(x)
    found = model.summary()
    # NumPy runs statements where no kernel is compiled
    if be.device.compiles:
        forward = found.total("forward_kernels") + found.total("forward_calls")
        assert forward == be.tracer.count
        assert found.total("backward_kernels") + found.total("backward_calls") == backward


def test_nothing_changes(make_problem: Make, fit: Make, weights: Make) -> None:
    p = make_problem("adam", dropout=True)
    fit(p, 1)
    before, state = weights(p.model), str(p.be.rng_get_state())
    p.model.summary()
    for name, value in weights(p.model).items():
        np.testing.assert_array_equal(value, before[name])
    assert str(p.be.rng_get_state()) == state


def test_text_and_html(make_backend: Make) -> None:
    make_backend(batch_size=8)
    model = Model([Linear(40, "he_normal", name="<a>"), Swish()], name="net")
    found = model.summary((100, 3))
    title, heads, first, *_, total = str(found).splitlines()
    assert title == "net: 2 layers, minibatches of 8"
    assert heads.split()[:5] == ["layer", "kind", "output", "parameters", "weights"]
    assert "40 x 3 steps" in first
    assert "4,000" in first
    assert "16 kB + 3.84 kB" in first
    assert "1 + 1 calls" in first  # no gradient at the data
    assert total.startswith("total")
    assert "&lt;a&gt;" in found._repr_html_()
    assert repr(found) == str(found)


class Peeks(Layer):
    """Looks at values, which nothing has computed."""

    def configure(self, in_obj: Any) -> Peeks:
        super().configure(in_obj)
        self.out_shape = self.in_shape
        return self

    def fprop(self, inputs: Any, inference: bool = False) -> Any:
        assert inputs.get().any()
        return inputs

    def bprop(self, error: Any) -> Any:
        return error


def test_what_cannot_be_counted(make_backend: Make) -> None:
    make_backend(batch_size=8)
    model = Model([Linear(4, "he_normal"), Peeks()])
    assert "launches are not counted: a layer does not run" in str(model.summary(3))
    model.initialize(3)
    found = model.summary()
    assert found.parameters == 12
    assert found.total("forward_kernels") is None
    with pytest.raises(ConfigurationError, match="several streams"):
        Model([Linear(4, "he_normal")]).summary([(1, 2), (3, 4)])


def test_paths_and_branches(make_backend: Make) -> None:
    make_backend(batch_size=8, rng_seed=0)
    branch = BranchNode("b")
    trunk = [Affine(4, "he_normal", name="trunk"), branch, Linear(3, "he_normal", name="one")]
    model = Model(Tree([trunk, [branch, Linear(2, "he_normal", name="two")]]))
    model.initialize(5)
    found = model.summary()
    assert [row.name for row in found.rows] == ["trunk", "one", "two"]
    assert found.parameters == 20 + 12 + 8
    x = np.random.RandomState(0).rand(9, 5)
    shapes = {name: array.shape for name, array in model.activations(x).items()}
    assert shapes == {"trunk": (9, 4), "one": (9, 3), "two": (9, 2)}
    assert [y.shape for y in model.predict(x)] == [(9, 3), (9, 2)]
    cost, optimizer = GeneralizedCost(SumSquared()), GradientDescentMomentum(0.1, 0.9)
    with pytest.raises(ConfigurationError, match=r"several outputs.*a list with the targets of"):
        model.fit(x, x, cost, optimizer, 1)


def test_several_inputs(make_backend: Make) -> None:
    be = make_backend(batch_size=4, rng_seed=0)
    paths = [[Linear(2, "he_normal", name="a")], [Linear(3, "he_normal", name="b")]]
    model = Model([MergeMultistream(paths, merge="stack"), Linear(1, "he_normal", name="top")])
    rng = np.random.RandomState(0)
    x = [rng.rand(9, 3), rng.rand(9, 2)]
    optimizer = GradientDescentMomentum(0.01, 0.9)
    model.fit(x, rng.rand(9), GeneralizedCost(SumSquared()), optimizer, 2, progress_bar=False)
    w = model.get_weights()
    wanted = np.hstack([x[0] @ w["a.W"].T, x[1] @ w["b.W"].T]) @ w["top.W"].T
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-4, atol=1e-5)
    assert model.summary().parameters == 6 + 6 + 5
    assert be.bsz == 4
    with pytest.raises(ConfigurationError, match="X holds 1 inputs, the model has 2"):
        model.predict(x[0])

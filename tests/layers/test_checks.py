"""Every layer refuses inputs and errors that do not fit, before it writes anything."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import BackendMismatchError, ConfigurationError, DtypeError, ShapeError
from neonport.initializers import Constant
from neonport.layers import (
    Activation,
    BatchNorm,
    BatchNormAutodiff,
    Bias,
    DataTransform,
    Dropout,
    Linear,
    OpTreeLayer,
    Reshape,
    SkipNode,
)
from neonport.transforms import Normalizer, Rectlin


class Double(OpTreeLayer):
    def forward(self, x):
        return 2 * x


MAKERS = [
    lambda: Linear(3, Constant(1)),
    lambda: Bias(Constant(1)),
    lambda: Activation(Rectlin()),
    lambda: Dropout(0.5),
    lambda: BatchNorm(),
    lambda: BatchNormAutodiff(),
    lambda: Reshape((2, 2)),
    lambda: SkipNode(),
    lambda: Double(),
]
all_layers = pytest.mark.parametrize("make", MAKERS, ids=lambda make: type(make()).__name__)
FORWARD = [*MAKERS, lambda: DataTransform(Normalizer())]
forward_layers = pytest.mark.parametrize("make", FORWARD, ids=lambda make: type(make()).__name__)


@forward_layers
def test_fprop_before_configure(be, make):
    with pytest.raises(ConfigurationError, match="fprop before configure"):
        make().fprop(be.iobuf(4))


@forward_layers
def test_fprop_before_allocate(be, make):
    layer = make().configure(4)
    with pytest.raises(ConfigurationError, match="fprop before allocate"):
        layer.fprop(be.iobuf(4))


@all_layers
def test_bprop_before_fprop(be, tools, make):
    layer = tools.drive(make(), 4)
    with pytest.raises(ConfigurationError, match="bprop before fprop"):
        layer.bprop(be.iobuf(layer.out_shape))


@forward_layers
def test_input_of_the_wrong_shape(be, tools, make):
    layer = tools.drive(make(), 4, first=True)
    with pytest.raises(ShapeError, match=r"\(5, 32\).*\(4, 32\)"):
        layer.fprop(be.iobuf(5))
    with pytest.raises(ShapeError, match="transposed"):
        layer.fprop(be.zeros((32, 4)))


@forward_layers
def test_input_that_is_no_tensor_or_no_float(be, tools, make):
    layer = tools.drive(make(), 4, first=type(make()) is DataTransform)
    with pytest.raises(DtypeError, match=r"ndarray.*be\.array"):
        layer.fprop(np.zeros((4, 32)))
    with pytest.raises(DtypeError, match="NoneType"):
        layer.fprop(None)
    with pytest.raises(DtypeError, match="int32"):
        layer.fprop(be.zeros((4, 32), dtype=np.int32))


@forward_layers
def test_input_of_another_backend(make_backend, tools, make):
    other = make_backend(batch_size=32)
    foreign = other.iobuf(4)
    be = type(other)()
    be.bsz = 32
    layer = make()
    layer.set_backend(be)
    layer.configure(4)
    layer.allocate()
    with pytest.raises(BackendMismatchError, match="set_backend"):
        layer.fprop(foreign)


@all_layers
def test_error_that_does_not_fit(be, tools, make):
    layer = tools.drive(make(), 4)
    layer.fprop(be.iobuf(4))
    with pytest.raises(ShapeError, match="error has shape"):
        layer.bprop(be.iobuf(7))
    with pytest.raises(DtypeError, match="ndarray"):
        layer.bprop(np.zeros((4, 32)))
    with pytest.raises(ConfigurationError, match="None"):
        layer.bprop(None)


def test_a_refused_input_leaves_the_outputs_alone(be, tools):
    layer = tools.drive(Linear(3, Constant(1)), 4)
    layer.fprop(be.iobuf(4).fill(1.0))
    before = layer.outputs.get()
    with pytest.raises(ShapeError):
        layer.fprop(be.iobuf(5))
    np.testing.assert_array_equal(layer.outputs.get(), before)


def test_a_matrix_product_wants_its_own_dtype(be, tools):
    layer = tools.drive(Linear(3, Constant(1)), 4)
    with pytest.raises(DtypeError, match="float16"):
        layer.fprop(be.zeros((4, 32), dtype=np.float16))


@pytest.mark.parametrize("bad", ["xavier", 0.1, object()])
def test_unknown_init(be, bad):
    with pytest.raises(ConfigurationError, match="no initializer"):
        Linear(3, bad)
    with pytest.raises(ConfigurationError, match="no initializer"):
        Bias(bad)


def test_a_number_as_init_points_to_constant():
    with pytest.raises(ConfigurationError, match=r"Constant\(0\.1\)"):
        Linear(3, 0.1)


@pytest.mark.parametrize("bad", [0, -2, 2.5, "3", None, True])
def test_nout_must_be_a_positive_integer(bad):
    with pytest.raises(ConfigurationError, match="nout"):
        Linear(bad, Constant(1))


@pytest.mark.parametrize("bad", [Rectlin, 3, lambda x: x])
def test_what_is_no_transform(bad):
    with pytest.raises(ConfigurationError, match=r"instance|bprop"):
        Activation(bad)

from __future__ import annotations

import numpy as np
import pytest

from neonport.base import NervanaObject
from neonport.errors import ConfigurationError
from neonport.initializers import Constant
from neonport.layers import Activation, Layer, Linear, SkipNode
from neonport.layers.base import interpret_in_shape
from neonport.layers.checks import accepts
from neonport.transforms import Rectlin


class Plain(Layer):
    def configure(self, in_obj):
        super().configure(in_obj)
        self.out_shape = self.in_shape
        return self


def test_defaults_are_those_of_neon():
    layer = Layer(name="x")
    assert layer.outputs is None
    assert layer.inputs is None
    assert layer.deltas is None
    assert (layer.has_params, layer.owns_output, layer.owns_delta) == (False, True, False)
    assert layer.parallelism == "Unknown"
    assert layer.revert_list == []
    assert (layer.actual_bsz, layer.actual_seq_len, layer.acc_on) == (None, None, False)
    assert str(layer) == "Layer x"
    assert layer.nested_str(2) == "    Layer x"
    assert layer.serialize() is None
    assert layer.get_terminal() is layer
    assert interpret_in_shape((2, 3)) == (2, 3)


class Data:
    shape = (3, 4, 5)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (6, 6),
        (np.int64(6), 6),
        ((2, 3), (2, 3)),
        ([2, 3], (2, 3)),
        (Data(), (3, 4, 5)),
    ],
)
def test_configure_takes_shapes_and_data_sets(be, given, expected):
    layer = Plain()
    assert layer.configure(given) is layer
    assert layer.in_shape == expected
    assert layer.prev_layer is None


def test_configure_takes_a_tensor(be):
    assert Plain().configure(be.zeros((5, 3 * 32))).in_shape == (5, 3)


def test_configure_takes_a_layer_and_its_parallelism(be):
    below = Linear(3, Constant(1)).configure(4)
    layer = Plain().configure(below)
    assert layer.prev_layer is below
    assert layer.in_shape == (3, 1)
    assert layer.parallelism == "Disabled"


def test_configure_on_an_unconfigured_layer_is_refused(be):
    with pytest.raises(ConfigurationError, match="before configure"):
        Plain().configure(SkipNode())


def test_allocate_makes_outputs_once(be):
    layer = Plain().configure((3, 2))
    layer.allocate()
    first = layer.outputs
    assert first.shape == (3, 64)
    layer.allocate()
    assert layer.outputs is first


def test_allocate_into_shared_memory(be, tools):
    memory = be.zeros((10, 32))
    layer = Plain().configure(4)
    layer.allocate(shared_outputs=memory)
    assert layer.outputs.shape == (4, 32)
    assert tools.shares_memory(memory, layer.outputs)


def test_an_in_place_layer_allocates_nothing(be):
    layer = Activation(Rectlin()).configure(4)
    layer.allocate()
    assert layer.outputs is None


def test_allocate_before_configure(be):
    with pytest.raises(ConfigurationError, match="allocate before configure"):
        Plain().allocate()


def test_configure_that_forgot_the_output_shape(be):
    class Forgetful(Layer):
        pass

    layer = Forgetful().configure(3)
    with pytest.raises(ConfigurationError, match="out_shape"):
        layer.allocate()


def test_allocate_without_a_batch_size(make_backend):
    make_backend()
    with pytest.raises(ConfigurationError, match="batch_size"):
        Plain().configure(3).allocate()


def test_allocate_without_a_backend(be):
    layer = Plain().configure(3)
    kept, NervanaObject.be = NervanaObject.be, None
    try:
        with pytest.raises(ConfigurationError, match="gen_backend"):
            layer.allocate()
    finally:
        NervanaObject.be = kept


def test_a_first_layer_gets_no_deltas_and_a_truthy_prev_layer_forces_them(be, tools):
    assert tools.drive(Linear(2, Constant(1)), 3, first=True).deltas is None
    assert tools.drive(Linear(2, Constant(1)), 3).deltas.shape == (3, 32)


def test_set_deltas_takes_turns(be):
    buffers = [be.iobuf(4), be.iobuf(4)]
    first = buffers[0]
    layer = SkipNode().configure(4)
    layer.prev_layer = True
    layer.set_deltas(buffers)
    assert layer.deltas is first
    assert buffers[1] is first


def test_abstract_methods():
    layer = Layer()
    for call in (layer.fprop, layer.bprop, layer._fprop_inference):
        with pytest.raises(NotImplementedError):
            call(None)


def test_set_acc_on_needs_allocated_buffers(be):
    layer = Linear(2, Constant(1))
    with pytest.raises(BufferError, match="accumulate_updates=True"):
        layer.set_acc_on(True)
    layer.configure(3).allocate()
    layer.set_acc_on(True)  # allocated without: no effect
    assert layer.acc_on is False
    with pytest.raises(TypeError):
        Plain().configure(3).allocate(accumulate_updates=True)


def test_accumulates_is_for_layers():
    class NoLayer:
        @Layer.accumulates
        def bprop(self, error):
            return error

    with pytest.raises(TypeError, match="layers"):
        NoLayer().bprop(1)


def test_accumulating_any_layer_with_acc_params(be):
    class Counter(Plain):
        def allocate(self, shared_outputs=None, accumulate_updates=False):
            super().allocate(shared_outputs)
            self.grad, kept = self.be.zeros((1, 1)), self.be.zeros((1, 1))
            self.accumulate_updates, self.acc_params = accumulate_updates, [(kept, self.grad)]

        @Layer.accumulates
        def bprop(self, error):
            self.grad[:] = error
            return error

    layer = Counter().configure(1)
    layer.allocate(accumulate_updates=True)
    one, two = be.array([[1.0]]), be.array([[2.0]])
    layer.bprop(one)
    layer.set_acc_on(True)
    layer.bprop(two)
    layer.bprop(two)
    assert layer.grad.get().item() == 5
    layer.set_acc_on(False)
    layer.bprop(two)
    assert layer.grad.get().item() == 2


def test_parameter_attributes_and_markers():
    layer = Layer(parallelism="Model")
    assert layer.get_param_attrs() == {"parallel": True, "distributed": True}
    layer.set_is_mklop()
    assert layer.get_is_mklop()
    layer.set_not_mklop()
    assert not layer.get_is_mklop()


def test_accepts_looks_through_decorators():
    assert accepts(Linear.bprop, "beta")
    assert accepts(Linear(2, Constant(1)).allocate, "accumulate_updates")
    assert not accepts(Layer.allocate, "accumulate_updates")
    assert accepts(lambda **kwargs: None, "anything")

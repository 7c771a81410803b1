from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import CheckpointError, ConfigurationError, ShapeError
from neonport.initializers import Constant, Gaussian
from neonport.layers import Linear, ParameterLayer


def dense(init=None, **kwargs):
    return Linear(2, Gaussian() if init is None else init, name="fc", **kwargs)


def test_an_initializer_fills_w_and_dw_has_its_shape(be):
    layer = dense(Constant(0.25)).configure(3)
    layer.allocate()
    assert layer.W.shape == layer.dW.shape == (2, 3)
    np.testing.assert_array_equal(layer.W.get(), np.full((2, 3), 0.25))
    assert layer.get_params() == ((layer.W, layer.dW), [])
    assert layer.serialize()[1] is layer.states


@pytest.mark.parametrize("as_tensor", [False, True])
def test_an_array_as_init_is_copied(be, as_tensor):
    values = np.arange(6.0).reshape(2, 3)
    init = be.array(values) if as_tensor else values
    layer = dense(init).configure(3)
    layer.allocate()
    np.testing.assert_array_equal(layer.W.get(), values)
    layer.W.fill(0)
    np.testing.assert_array_equal(init.get() if as_tensor else init, values)


def test_an_array_of_another_shape_is_refused(be):
    layer = dense(np.zeros((3, 2))).configure(3)
    with pytest.raises(ShapeError, match=r"init is an array of shape \(3, 2\).*\(2, 3\)"):
        layer.allocate()
    assert layer.W is None


def test_no_init_and_no_weights(be):
    layer = ParameterLayer().configure(3)
    layer.out_shape, layer.weight_shape = 2, (2, 3)
    with pytest.raises(ConfigurationError, match="no init"):
        layer.allocate()


def test_a_subclass_that_forgot_the_weight_shape(be):
    layer = ParameterLayer(Constant(1)).configure(3)
    layer.out_shape = 3
    with pytest.raises(ConfigurationError, match="weight_shape"):
        layer.allocate()


def test_description_with_and_without_weights(be):
    layer = dense().configure(3)
    with pytest.raises(ConfigurationError, match="no weights"):
        layer.get_description(get_weights=True)
    layer.allocate()
    desc = layer.get_description()
    assert desc["type"] == "neon.layers.layer.Linear"
    assert set(desc) == {"type", "config"}
    assert desc["config"]["nout"] == 2
    assert desc["config"]["init"]["type"].endswith("Gaussian")
    layer.states.append(be.ones((2, 3)))
    full = layer.get_params_serialize()
    np.testing.assert_array_equal(full["params"]["W"], layer.W.get())
    np.testing.assert_array_equal(full["states"][0], np.ones((2, 3)))
    assert "states" not in layer.get_params_serialize(keep_states=False)


def test_a_tensor_as_init_is_described_as_an_array(be):
    layer = dense(be.ones((2, 3))).configure(3)
    layer.allocate()
    assert isinstance(layer.get_description()["config"]["init"], np.ndarray)


@pytest.mark.parametrize("moment", ["before configure", "before allocate", "after allocate"])
def test_weights_load_at_any_time_and_are_not_drawn_over(be, moment):
    values = np.arange(6.0).reshape(2, 3)
    layer = dense(Constant(9))
    if moment != "before configure":
        layer.configure(3)
    if moment == "after allocate":
        layer.allocate()
    layer.load_weights({"params": {"W": values}, "states": [values + 1, values + 2]})
    if moment == "before configure":
        layer.configure(3)
    if moment != "after allocate":
        layer.allocate()
    np.testing.assert_array_equal(layer.W.get(), values)
    assert layer.dW.shape == (2, 3)
    assert layer.W.dtype == be.default_dtype
    assert [s.get()[0, 0] for s in layer.states] == [1, 2]


def test_loading_into_a_tensor_keeps_its_identity(be):
    layer = dense().configure(3)
    layer.allocate()
    layer.set_states({"states": [np.ones((2, 3))]})
    weights, states, state = layer.W, layer.states, layer.states[0]
    layer.load_weights({"params": {"W": np.zeros((2, 3))}, "states": [np.full((2, 3), 5.0)]})
    assert layer.W is weights
    assert layer.states is states
    assert layer.states[0] is state
    assert state.get()[0, 0] == 5


@pytest.mark.parametrize("entry", [{}, {"states": []}])
def test_missing_or_empty_states_let_the_optimizer_start_fresh(be, entry):
    layer = dense().configure(3)
    layer.allocate()
    layer.states.append(be.ones((2, 3)))
    layer.load_weights({"params": {"W": np.zeros((2, 3))}, **entry})
    assert layer.states == []


def test_other_entries_of_params_become_attributes(be):
    layer = dense().configure(3)
    layer.allocate()
    layer.set_params({"params": {"W": np.zeros((2, 3)), "gmean": np.ones(2), "note": "x"}})
    assert layer.gmean.shape == (2, 1)
    assert layer.note == "x"


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"params": [1, 2]},
        {"params": {"W": np.zeros((3, 3))}},
        {"params": {"W": np.zeros((2, 3)), "fprop": np.zeros((2, 3))}},
    ],
)
def test_an_entry_that_does_not_fit_changes_nothing(be, entry):
    layer = dense(Constant(7)).configure(3)
    layer.allocate()
    with pytest.raises(CheckpointError, match="'fc'"):
        layer.load_weights(entry)
    assert (layer.W.get() == 7).all()
    assert callable(layer.fprop)


def test_states_that_do_not_fit(be):
    layer = dense().configure(3)
    layer.allocate()
    with pytest.raises(CheckpointError, match="state of W"):
        layer.set_states({"states": [np.zeros((4, 4))]})


def test_weights_loaded_before_configure_must_fit_the_shape(be):
    layer = dense()
    layer.set_params({"params": {"W": np.zeros((2, 5))}})
    layer.configure(3)
    with pytest.raises(CheckpointError, match=r"\(2, 5\).*\(2, 3\)"):
        layer.allocate()


def test_accumulation_buffers_exist_for_weights_that_were_loaded(be):
    layer = dense()
    layer.set_params({"params": {"W": np.zeros((2, 3))}})
    layer.configure(3).allocate(accumulate_updates=True)
    assert layer.acc_params == [(layer.acc_dW, layer.dW)]
    layer.set_acc_on(True)
    assert layer.acc_on


def test_a_users_subclass_is_described_by_its_own_path(be):
    class Mine(Linear):
        pass

    assert Mine(2, Gaussian()).get_description()["type"] == f"{__name__}.Mine"

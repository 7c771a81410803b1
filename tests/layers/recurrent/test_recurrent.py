from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import CheckpointError, ConfigurationError, ShapeError
from neonport.initializers import Constant, Gaussian, Uniform
from neonport.layers import GRU, LSTM, Dropout, Recurrent, Sequential
from neonport.layers.recurrent.recurrence import op_activation
from neonport.transforms import Explin, Identity, Logistic, Rectlin, Softmax, Tanh
from tests.layers.recurrent.reference import Runner, blocks

KINDS = [Recurrent, LSTM, GRU]
F, H, T, N = 2, 3, 3, 4


def randn(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape)


def runner(layer, act=np.tanh):
    w = layer.W.get().astype(np.float64)
    found = Runner(type(layer).__name__, blocks(w, layer.nin, layer.nout, layer.gates)[0], act)
    found.reset(N)
    return found


def elu(x):
    return np.where(x > 0, x, np.expm1(x))


# ---- layout --------------------------------------------------------------------------------------


def test_blocks_of_rows_are_read_row_by_row_and_not_transposed(be):
    layer = LSTM(2, np.arange(48.0).reshape(6, 8), activation=Tanh(), gate_activation=Logistic())
    layer.configure((3, T))
    layer.allocate()
    assert layer.W.shape == (6, 8)
    assert layer.W_input.get()[0].tolist() == [0, 1, 2]
    assert layer.W_recur.get()[0].tolist() == [24, 25]
    assert layer.b.get().ravel().tolist() == list(range(40, 48))
    layer.dW[:] = layer.W + 1
    assert layer.dW_recur.get()[1].tolist() == [27, 28]
    layer.W_recur[:] = 0
    assert not layer.W.get()[3:5].any()


@pytest.mark.parametrize(("kind", "gates"), [(Recurrent, 1), (LSTM, 4), (GRU, 3)])
def test_each_gate_is_drawn_for_itself_and_biases_are_zero(be, kind, gates):
    drawn = []

    class Noting(Constant):
        def fill(self, param):
            drawn.append((self.name, param.shape))
            param[:] = self.val

    extra = {} if gates == 1 else {"gate_activation": Logistic()}
    layer = kind(H, Noting(1, name="in"), Noting(2, name="inner"), Tanh(), **extra)
    layer.configure((F, T))
    layer.allocate()
    assert drawn == [("in", (H, F))] * gates + [("inner", (H, H))] * gates
    assert (layer.W.get()[:F] == 1).all()
    assert (layer.W.get()[F:-1] == 2).all()
    assert not layer.b.get().any()


def test_views_of_a_gru(be, make):
    layer = make(GRU, (F, T))
    w, b = layer.W_recur.get(), layer.b.get()
    assert (layer.Wrz_recur.get() == w[: 2 * H]).all()
    assert (layer.Whcan_recur.get() == w[2 * H :]).all()
    assert (layer.b_rz.get() == b[: 2 * H]).all()
    assert (layer.b_hcan.get() == b[2 * H :]).all()
    assert layer.dWrz_recur.shape == (2 * H, H)
    assert layer.dWhcan_recur.shape == (H, H)


# ---- values and gradients ------------------------------------------------------------------------


@pytest.mark.parametrize("act", [(Tanh(), np.tanh), (Explin(), elu)], ids=["op", "steps"])
@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_outputs_against_the_formulas(be, make, kind, steps, act):
    layer = make(kind, (F, steps), reset_cells=True, activation=act[0])
    x = randn(F, steps * N)
    wanted = runner(layer, act[1])
    for seed in range(2):  # every sequence starts at zero
        x = randn(F, steps * N, seed=seed)
        wanted.reset(N)
        y = layer.fprop(be.array(x))
        assert y is layer.outputs
        np.testing.assert_allclose(y.get(), wanted(x, steps), atol=1.5e-5)
        np.testing.assert_allclose(layer.final_state().get(), wanted.h, atol=1.5e-5)


@pytest.mark.parametrize("act", [Tanh(), Explin()], ids=["op", "steps"])
@pytest.mark.parametrize("steps", [1, T])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_sequences_that_start_at_zero(be64, tools, make, kind, steps, act):
    layer = make(kind, (F, steps), reset_cells=True, activation=act)
    assert tools.check_gradients(be64, layer, randn(F, steps * N)) < 1e-7


@pytest.mark.parametrize("gate", [Logistic(), Identity(), Softmax()], ids=lambda t: t.classnm)
@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_gradients_with_other_activations(be64, tools, make, kind, gate):
    layer = make(kind, (F, 2), 2, reset_cells=True, activation=Rectlin(), gate_activation=gate)
    if isinstance(gate, Softmax):  # its derivative is that of a cross entropy
        layer.fprop(be64.array(randn(F, 2 * N)))
        return
    assert tools.check_gradients(be64, layer, randn(F, 2 * N)) < 1e-6


def test_ops_know_neons_activations_without_options_only():
    assert [op_activation(t) for t in (Tanh(), Logistic(), Rectlin(), Identity())] == [
        "tanh",
        "logistic",
        "rectlin",
        "identity",
    ]
    shifted = type("Shifted", (Tanh,), {})
    for other in (Rectlin(slope=0.1), Logistic(shortcut=True), Softmax(), shifted()):
        assert op_activation(other) is None


@pytest.mark.parametrize("kind", KINDS)
def test_one_sample_and_odd_sizes(make_backend, make, kind):
    be = make_backend(batch_size=1, rng_seed=0)
    layer = make(kind, (1, 7), 5)
    x = randn(1, 7)
    wanted = runner(layer)
    wanted.reset(1)
    np.testing.assert_allclose(layer.fprop(be.array(x)).get(), wanted(x, 7), atol=1.5e-5)
    assert layer.bprop(be.array(randn(5, 7))).shape == (1, 7)


@pytest.mark.parametrize("kind", KINDS)
def test_alpha_beta_accumulation_and_an_error_left_as_it_was(be, make, kind):
    layer = make(kind, (F, T), reset_cells=True, accumulate_updates=True)
    layer.fprop(be.array(randn(F, T * N)))
    host = randn(H, T * N, seed=1)
    error = be.array(host)
    once, dw = layer.bprop(error).get(), layer.dW.get()
    layer.deltas.fill(1.0)
    twice = layer.bprop(error, alpha=2.0, beta=0.5).get()
    np.testing.assert_allclose(twice, 2 * once + 0.5, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.dW.get(), dw, rtol=1e-5, atol=1e-6)
    layer.set_acc_on(True)
    layer.bprop(error)
    np.testing.assert_allclose(layer.dW.get(), 2 * dw, rtol=1e-5, atol=1e-6)
    assert (error.get() == host.astype(np.float32)).all()


def test_a_first_layer_computes_dw_only(be, make):
    layer = make(GRU, (F, T), first=True)
    layer.fprop(be.array(randn(F, T * N)))
    assert layer.bprop(be.array(randn(H, T * N))) is None
    assert np.abs(layer.dW.get()).min() >= 0


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_a_sequence_of_its_columns(be, make, kind):
    layer = make(kind, (2, 1, T), reset_cells=True)
    plain = make(kind, (2, T), reset_cells=True)
    plain.W[:] = layer.W
    x, error = randn(2 * T, N), be.array(randn(H, T * N, seed=1))
    assert layer.out_shape == (H, T)
    y = layer.fprop(be.array(x)).get()
    assert (y == plain.fprop(be.array(x.reshape(2, T * N))).get()).all()
    deltas = layer.bprop(error)
    assert deltas.shape == (2 * T, N)
    assert (deltas.get().reshape(2, -1) == plain.bprop(error).get()).all()


@pytest.mark.parametrize("act", [Tanh(), Explin()], ids=["op", "steps"])
@pytest.mark.parametrize("kind", KINDS)
def test_shorter_sequences(be, make, kind, act):
    layer, short = (make(kind, (F, t), reset_cells=True, activation=act) for t in (T, 2))
    short.W[:] = layer.W
    x, error = randn(F, T * N), randn(H, T * N, seed=1)
    layer.outputs.fill(7.0)
    layer.set_seq_len(2)
    y = layer.fprop(be.array(x)).get()
    wanted = short.fprop(be.array(x[:, : 2 * N])).get()
    np.testing.assert_allclose(y[:, : 2 * N], wanted, rtol=1e-6)
    assert (y[:, 2 * N :] == 7).all()
    np.testing.assert_allclose(layer.final_state().get(), wanted[:, N:], rtol=1e-6)
    deltas = layer.bprop(be.array(error)).get()
    wanted = short.bprop(be.array(error[:, : 2 * N])).get()
    np.testing.assert_allclose(deltas[:, : 2 * N], wanted, rtol=1e-5, atol=1e-6)
    assert not deltas[:, 2 * N :].any()
    np.testing.assert_allclose(layer.dW.get(), short.dW.get(), rtol=1e-5, atol=1e-6)
    got, wanted = layer.get_final_hidden_error().get(), short.get_final_hidden_error().get()
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
    layer.set_seq_len(None)
    assert (layer.fprop(be.array(x)).get()[:, 2 * N :] != 7).all()
    layer.set_seq_len(T + 1)
    with pytest.raises(ConfigurationError, match="sequences of 1 to 3 steps"):
        layer.fprop(be.array(x))


# ---- states --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_goes_on_in_the_same_tensor_and_only_there(be, make, kind):
    layer = make(kind, (F, T))
    wanted, buffer = runner(layer), be.iobuf((F, T))
    for seed in range(3):
        x = randn(F, T * N, seed=seed)
        buffer.set(x)
        np.testing.assert_allclose(layer.fprop(buffer).get(), wanted(x, T), atol=1.5e-5)
    wanted.reset(N)
    other = be.array(x)
    np.testing.assert_allclose(layer.fprop(other).get(), wanted(x, T), atol=1.5e-5)
    np.testing.assert_allclose(layer.fprop(other).get(), wanted(x, T), atol=1.5e-5)
    layer.reset_state()
    wanted.reset(N)
    np.testing.assert_allclose(layer.fprop(other).get(), wanted(x, T), atol=1.5e-5)


@pytest.mark.parametrize("strict", [False, True])
def test_the_state_behind_an_image_is_dropped_unless_strict(be, make, strict):
    layer = make(LSTM, (2, 1, T), strict=strict)
    wanted, x = runner(layer), randn(2 * T, N)
    for k in range(2):
        if k and not strict:
            wanted.reset(N)
        y = layer.fprop(be.array(x))
        np.testing.assert_allclose(y.get(), wanted(x.reshape(2, -1), T), atol=1.5e-5)


def test_a_strict_state_does_not_pass_between_training_and_inference(be, make):
    layer = make(GRU, (F, T), strict=True)
    wanted, x = runner(layer), be.array(randn(F, T * N))
    before = False
    for inference in (False, False, True, True, False):
        if inference != before:
            wanted.reset(N)
        y = layer.fprop(x, inference=inference)
        np.testing.assert_allclose(y.get(), wanted(x.get(), T), atol=1.5e-5)
        before = inference


@pytest.mark.parametrize("kind", KINDS)
def test_a_given_state_replaces_the_hidden_one_for_one_call(be, make, kind):
    layer = make(kind, (F, T), reset_cells=True)
    x, h = be.array(randn(F, T * N)), randn(H, N, seed=5)
    wanted = runner(layer)
    wanted.h = h
    y = layer.fprop(x, init_state=be.array(h))
    np.testing.assert_allclose(y.get(), wanted(x.get(), T), atol=1.5e-5)
    layer.bprop(be.array(randn(H, T * N, seed=1)))
    with_state = layer.dW_recur.get()
    wanted.reset(N)
    np.testing.assert_allclose(layer.fprop(x).get(), wanted(x.get(), T), atol=1.5e-5)
    layer.bprop(be.array(randn(H, T * N, seed=1)))
    assert np.abs(layer.dW_recur.get() - with_state).max() > 1e-3
    with pytest.raises(ShapeError, match=r"init_state has shape \(4, 4\).*\(3, 4\)"):
        layer.fprop(x, init_state=be.zeros((4, 4)))


@pytest.mark.parametrize("act", [Tanh(), Explin()], ids=["op", "steps"])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_from_a_given_state_and_at_it(be64, tools, make, kind, act):
    layer = make(kind, (F, 2), reset_cells=True, activation=act)
    h, x = randn(H, N, seed=5), be64.array(randn(F, 2 * N))

    class WithState:
        """The layer as a function of parameters, with the state in place of the inputs."""

        get_params = staticmethod(layer.get_params)

        def fprop(self, state):
            return layer.fprop(x, init_state=state)

        def bprop(self, error):
            layer.bprop(error)
            return layer.get_final_hidden_error()

    assert tools.check_gradients(be64, WithState(), h) < 1e-7


@pytest.mark.parametrize("act", [Tanh(), Explin()], ids=["op", "steps"])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_count_a_carried_state_if_strict(be64, tools, make, kind, act):
    layer = make(kind, (F, 2), strict=True, activation=act)
    layer.fprop(be64.array(randn(F, 2 * N, seed=7)))
    state = [view.get() for view in layer._carried_views()]

    class Carried:
        """The layer with the same carried state in every call."""

        get_params = staticmethod(layer.get_params)
        bprop = staticmethod(layer.bprop)

        def fprop(self, x):
            for view, value in zip(layer._carried_views(), state, strict=True):
                view[:] = be64.array(value)
            return layer.fprop(x)

    assert tools.check_gradients(be64, Carried(), randn(F, 2 * N)) < 1e-7


def test_gradients_leave_a_carried_state_out_as_neon_does(be64, make):
    layer = make(Recurrent, (F, 1))
    x, error = be64.array(randn(F, N)), be64.array(randn(H, N, seed=1))
    layer.fprop(x)
    layer.fprop(x)
    layer.bprop(error)
    assert not layer.dW_recur.get().any()  # of one step all that it comes from was carried
    assert layer.dW_input.get().any()


# ---- buffers, text, mistakes ---------------------------------------------------------------------


def test_buffers_of_an_lstm(be, make):
    layer = make(LSTM, (F, T))
    layer.fprop(be.array(randn(F, T * N)))
    i, f, o, g = np.split(layer.ifog_buffer.get(), 4)
    c = layer.c_buffer.get()
    np.testing.assert_allclose(layer.c_act_buffer.get(), np.tanh(c), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.outputs.get(), o * np.tanh(c), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        c[:, N : 2 * N], (f * np.roll(c, N, 1) + i * g)[:, N : 2 * N], rtol=1e-5, atol=1e-6
    )
    layer.bprop(be.array(randn(H, T * N)))
    np.testing.assert_allclose(
        layer.db.get(), layer.ifog_delta_buffer.get().sum(1, keepdims=True), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_above_that_works_in_place_does_not_change_the_states(be, tools, make, kind):
    layer = make(kind, (F, T), reset_cells=True)
    alone = layer.fprop(be.array(randn(F, T * N))).get()
    kwargs = {} if kind is Recurrent else {"gate_activation": Logistic()}
    below = kind(H, layer.W.get(), activation=Tanh(), reset_cells=True, **kwargs)
    chain = tools.drive(Sequential([below, Dropout(keep=0.5)]), (F, T))
    chain.fprop(be.array(randn(F, T * N)))
    chain.bprop(be.array(randn(H, T * N)))
    assert (chain.layers[0].outputs.get() == 0).any()
    np.testing.assert_allclose(below.final_state().get(), alone[:, -N:], rtol=1e-6)


def test_text_before_and_after_configure(be):
    layer = LSTM(3, Uniform(), activation=Tanh(), gate_activation=Logistic(), name="memory")
    assert str(layer) == "LSTM Layer 'memory': ? inputs, 3 outputs, ? steps"
    layer.configure((F, T))
    assert str(layer) == "LSTM Layer 'memory': 2 inputs, 3 outputs, 3 steps"


def test_names_count_as_in_neon():
    start = Recurrent(2, Uniform(), activation=Tanh()).name
    number = int(start.rpartition("_")[2])
    if "_counter" not in vars(LSTM):
        layer = LSTM(2, Uniform(), activation=Tanh(), gate_activation=Logistic())
        assert layer.name == f"LSTM_{number + 1}"


def test_mistakes(be, make):
    with pytest.raises(ConfigurationError, match=r"activation is missing.*activation=Tanh\(\)"):
        Recurrent(3, Uniform())
    with pytest.raises(ConfigurationError, match=r"gate_activation=Logistic\(\)"):
        LSTM(3, Uniform(), activation=Tanh())
    with pytest.raises(ConfigurationError, match="Tanh is a class"):
        Recurrent(3, Uniform(), activation=Tanh)
    with pytest.raises(ConfigurationError, match="holds several streams"):
        Recurrent(3, Uniform(), activation=Tanh()).configure([(2, 3), (2, 3)])
    with pytest.raises(ShapeError, match="the parameter has shape"):
        make(Recurrent, (F, T), init=np.ones((3, 3)))
    layer = Recurrent(3, None, activation=Tanh())
    layer.set_params({"params": {"W": np.ones((9, 9))}})
    layer.configure((F, T))
    with pytest.raises(CheckpointError, match=r"stored W has shape \(9, 9\)"):
        layer.allocate()
    layer = make(Recurrent, (F, T), init=Gaussian(scale=0.1))
    layer.fprop(be.iobuf((F, T)))
    with pytest.raises(ShapeError, match="error has shape"):
        layer.bprop(be.iobuf((F, T)))
    with pytest.raises(ConfigurationError, match=r"put a SkipNode\(\) after it"):
        layer.fprop(be.iobuf((F, T)), beta=1.0)

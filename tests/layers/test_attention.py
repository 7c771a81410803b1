"""MultiHeadAttention against NumPy, finite differences and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError, ShapeError
from neonport.initializers import Constant, Gaussian
from neonport.layers import Affine, LayerNorm, MultiHeadAttention, Reshape, Sequential


def randn(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape)


def attend(layer, x, steps):
    """The definition, sample by sample and head by head."""
    p = {name: q.value.get().astype(np.float64) for name, q in layer.parameters.items()}
    features, batch = x.shape[0], x.shape[1] // steps
    y, size = np.empty_like(x), features // layer.heads
    for n in range(batch):
        qkv = p["qkv"] @ x[:, n::batch] + p.get("qkv_bias", 0)
        stacked = []
        for h in range(layer.heads):
            q, k, v = (
                qkv[part * features + h * size : part * features + (h + 1) * size]
                for part in range(3)
            )
            scores = k.T @ q / np.sqrt(size)
            if layer.causal:
                scores[np.tril_indices(steps, -1)] = -np.inf
            weights = np.exp(scores - scores.max(0))
            stacked.append(v @ (weights / weights.sum(0)))
        y[:, n::batch] = p["out"] @ np.concatenate(stacked) + p.get("out_bias", 0)
    return y


def make(heads=3, bias=None, causal=True):
    return MultiHeadAttention(heads, Gaussian(scale=0.5), bias, causal)


@pytest.mark.parametrize("causal", [False, True])
def test_values(be, tools, causal):
    layer = tools.drive(make(bias=Gaussian(), causal=causal), (6, 5))
    x = randn(6, 160)
    inputs, wanted = be.array(x), attend(layer, x, 5)
    y = layer.fprop(inputs)
    np.testing.assert_allclose(y.get(), wanted, rtol=1e-4, atol=1e-4)
    layer.fprop(inputs, beta=2.0)
    np.testing.assert_allclose(y.get(), 3 * wanted, rtol=1e-4, atol=3e-4)
    layer.fprop(inputs, inference=True)
    np.testing.assert_allclose(y.get(), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("batch", "shape", "heads", "bias", "causal"),
    [
        (3, (4, 3), 2, Gaussian(), True),
        (1, (4, 3), 2, None, False),
        (3, (4, 1), 4, Gaussian(), True),
        (2, (3, 5), 1, None, True),
    ],
)
def test_gradients(make_backend, tools, batch, shape, heads, bias, causal):
    be = make_backend(batch_size=batch, dtype=np.float64, rng_seed=0)
    layer = tools.drive(make(heads, bias, causal), shape)
    x = randn(shape[0], shape[1] * batch)
    np.testing.assert_allclose(
        layer.fprop(be.array(x)).get(), attend(layer, x, shape[1]), rtol=1e-9, atol=1e-9
    )
    assert tools.check_gradients(be, layer, x) < 1e-7


def test_a_step_sees_no_later_one(be, tools):
    layer = tools.drive(make(), (6, 5))
    x = randn(6, 160)
    before = layer.fprop(be.array(x)).get()
    x[:, 96:] += 1e3
    after = layer.fprop(be.array(x)).get()
    np.testing.assert_array_equal(after[:, :96], before[:, :96])
    assert (after[:, 96:] != before[:, 96:]).all()


def test_large_scores_do_not_overflow(be, tools):
    layer = tools.drive(MultiHeadAttention(1, Constant(10)), (2, 3))
    assert np.isfinite(layer.fprop(be.array(100 * randn(2, 96))).get()).all()
    assert np.isfinite(layer.bprop(be.ones((2, 96))).get()).all()


def test_alpha_beta_accumulation_and_first_layers(be, tools):
    layer = tools.drive(make(bias=Gaussian()), (6, 5), accumulate_updates=True)
    x, error = be.array(randn(6, 160)), be.array(randn(6, 160, seed=1))
    layer.fprop(x)
    once = layer.bprop(error).get()
    gradients = [g.get() for _, g in tools.parameters(layer)]
    layer.set_acc_on(True)
    twice = layer.bprop(error, alpha=0.5, beta=2.0).get()
    np.testing.assert_allclose(twice, 2.5 * once, rtol=1e-4, atol=1e-4)
    for (_, gradient), single in zip(tools.parameters(layer), gradients, strict=True):
        np.testing.assert_allclose(gradient.get(), 2 * single, rtol=1e-5)
    first = tools.drive(make(), (6, 5), first=True)
    first.fprop(x)
    assert first.bprop(error) is None
    assert first.parameters["qkv"].gradient.get().any()


def test_other_buffers_and_views_of_wider_ones(be, tools):
    layer = tools.drive(make(), (6, 5))
    wide = be.array(randn(8, 160))
    for x in (wide[1:7], be.array(randn(6, 160, seed=3))):
        y = layer.fprop(x).get()
        np.testing.assert_allclose(y, attend(layer, x.get(), 5), rtol=1e-4, atol=1e-4)
    layer.outputs = None
    layer.allocate()
    np.testing.assert_allclose(layer.fprop(x).get(), y, rtol=1e-6)
    assert layer.fprop(x) is layer.outputs


def test_a_warm_step_allocates_nothing_and_can_be_recorded(be, tools, monkeypatch, pytestconfig):
    net = tools.drive(Sequential([make(bias=Constant(0)), LayerNorm(), make()]), (6, 5))
    x, error = be.array(randn(6, 160)), be.array(randn(6, 160, seed=1))

    def step():
        net.fprop(x)
        net.bprop(error)

    step()
    step()
    taken = []
    allocate = be.device.allocate
    monkeypatch.setattr(be.device, "allocate", lambda n: taken.append(n) or allocate(n))
    step()
    assert taken == []
    be.empty((2, 2))
    assert len(taken) == 1
    monkeypatch.undo()
    wanted = [net.layers[0].deltas.get(), *(g.get() for _, g in tools.parameters(net))]
    run = be.record(step)
    for _ in range(3):
        run()
    for a, (_, b) in zip(wanted[1:], tools.parameters(net), strict=True):
        np.testing.assert_array_equal(a, b.get())
    if not pytestconfig.getoption("--cuda-texts"):  # which runs nothing compiled
        assert run.replays >= 1


def test_saved_and_loaded_the_bits_are_the_same(be, tools):
    source = tools.drive(make(bias=Gaussian()), (6, 5))
    entry = source.get_description(get_weights=True)
    assert list(entry["params"]) == ["qkv", "out", "qkv_bias", "out_bias"]
    target = MultiHeadAttention(3, Constant(0), Constant(0), causal=True)
    target.load_weights(entry)
    tools.drive(target, (6, 5))
    x = be.array(randn(6, 160))
    np.testing.assert_array_equal(source.fprop(x).get(), target.fprop(x).get())


def test_text_and_description(be):
    layer = MultiHeadAttention(2, Gaussian(), causal=True, name="look")
    assert str(layer).endswith("? inputs and outputs, ? steps, 2 heads, causal")
    layer.configure((6, 5))
    text = "MultiHeadAttention Layer 'look': 6 inputs and outputs, 5 steps, 2 heads, causal"
    assert str(layer) == text
    config = layer.get_description()["config"]
    assert (config["heads"], config["causal"]) == (2, True)


def test_mistakes(be, tools):
    for heads in (0, 1.5):
        with pytest.raises(ConfigurationError, match="heads"):
            make(heads)
    with pytest.raises(ConfigurationError, match="cannot be shared by heads=4"):
        make(4).configure((6, 5))
    for shape in (6, (6, 5, 4)):
        with pytest.raises(ConfigurationError, match="no time steps"):
            make().configure(shape)
    with pytest.raises(ShapeError, match="MultiHeadAttention"):
        tools.drive(make(), (6, 5)).fprop(be.zeros((6, 32)))


def test_in_a_network(be64, tools):
    init = Gaussian(scale=0.3)
    net = [Affine(12, init), Reshape((4, 3)), make(2), Affine(2, init)]
    net = tools.drive(Sequential(net), 5)
    assert net.out_shape == (2, 3)
    assert tools.check_gradients(be64, net, randn(5, 4)) < 1e-7


@pytest.mark.interop
@pytest.mark.parametrize("causal", [False, True])
def test_pytorch_agrees(be, tools, causal):
    torch = pytest.importorskip("torch")
    layer = tools.drive(make(bias=Gaussian(), causal=causal), (6, 5))
    theirs = torch.nn.MultiheadAttention(6, 3)
    pairs = [
        ("qkv", theirs.in_proj_weight),
        ("out", theirs.out_proj.weight),
        ("qkv_bias", theirs.in_proj_bias),
        ("out_bias", theirs.out_proj.bias),
    ]
    with torch.no_grad():
        for name, tensor in pairs:
            tensor.copy_(torch.from_numpy(layer.parameters[name].value.get()).reshape(tensor.shape))
    x, error = randn(6, 160).astype("f4"), randn(6, 160, seed=1).astype("f4")
    # (F, T * N) -> (T, N, F)
    given = torch.from_numpy(x.reshape(6, 5, 32).transpose(1, 2, 0).copy()).requires_grad_()
    mask = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1) if causal else None
    out, _ = theirs(given, given, given, attn_mask=mask, need_weights=False)
    out.backward(torch.from_numpy(error.reshape(6, 5, 32).transpose(1, 2, 0).copy()))

    def flat(tensor):
        return tensor.detach().numpy().transpose(2, 0, 1).reshape(6, 160)

    close = {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(layer.fprop(be.array(x)).get(), flat(out), **close)
    np.testing.assert_allclose(layer.bprop(be.array(error)).get(), flat(given.grad), **close)
    for name, tensor in pairs:
        gradient = layer.parameters[name].gradient.get()
        np.testing.assert_allclose(gradient, tensor.grad.numpy().reshape(gradient.shape), **close)

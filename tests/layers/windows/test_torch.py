"""Layers of windows beside PyTorch's, in the same weights: outputs and gradients.

Images are (C*D*H*W, N) here and (N, C, D, H, W) there; filters (C*T*R*S, K) and (K, C, T, R, S).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.initializers import Gaussian
from neonport.layers import LRN, Convolution, Deconvolution, Pooling, Upsample
from neonport.layers.layer import Convolution_bias
from tests.layers.windows.definitions import randn

pytestmark = pytest.mark.interop

Make = Callable[..., Any]
TOLERANCE = 2e-5  # sums of up to some hundred float32 products of numbers near 1


def images(values: Any, shape: Any) -> Any:
    """A batch as PyTorch takes it, of leaf tensors that want gradients."""
    import torch

    array = np.moveaxis(np.asarray(values).reshape(*shape, -1), -1, 0)
    return torch.tensor(np.ascontiguousarray(array), dtype=torch.float32, requires_grad=True)


def rows(tensor: Any) -> np.ndarray:
    """The batch of PyTorch as ours."""
    array = tensor.detach().numpy()
    return np.moveaxis(array, 0, -1).reshape(-1, len(array))


def filters(layer: Any) -> Any:
    """W of a layer as PyTorch takes it."""
    import torch

    C, T, R, S, K = layer.nglayer.dimF
    w = np.transpose(layer.W.get().reshape(C, T, R, S, K), (4, 0, 1, 2, 3))
    w = w[:, :, 0] if len(layer.in_shape) == 3 else w
    return torch.tensor(np.ascontiguousarray(w), requires_grad=True)


def check(be: Any, layer: Any, there: Callable[[Any], Any], parameters: Any = ()) -> None:
    """Compare outputs, input gradient and (our gradient, their parameter) pairs."""
    n = be.bsz
    x = randn(int(np.prod(layer.in_shape)), n).astype("f4")
    y = layer.fprop(be.array(x))
    theirs = images(x, layer.in_shape)
    wanted = there(theirs)
    assert tuple(wanted.shape[1:]) == layer.out_shape
    np.testing.assert_allclose(y.get(), rows(wanted), atol=TOLERANCE)
    error = randn(*y.shape, seed=1).astype("f4")
    deltas = layer.bprop(be.array(error))
    wanted.backward(images(error, layer.out_shape).detach())
    np.testing.assert_allclose(deltas.get(), rows(theirs.grad), atol=TOLERANCE)
    for gradient, parameter in parameters:
        w = parameter.grad.numpy()
        w = np.moveaxis(w, 0, -1) if w.ndim > 1 else w
        scale = max(1.0, np.abs(w).max())
        np.testing.assert_allclose(
            gradient.get().ravel() / scale, w.ravel() / scale, atol=TOLERANCE
        )


CONVOLUTIONS = [
    ((3, 7, 6), (3, 2, 5), 1, 0, 1),
    ((2, 8, 9), (3, 3, 4), (2, 3), (1, 2), 1),
    ((4, 9, 7), (2, 3, 3), 1, (2, 0), (3, 2)),
    ((2, 5, 4, 6), (2, 3, 2, 3), (2, 1, 2), (1, 0, 1), (1, 1, 2)),
]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("in_shape", "fshape", "stride", "padding", "dilation"), CONVOLUTIONS)
def test_convolution(
    make_backend: Make, tools: Any, in_shape: Any, fshape: Any, stride: Any, padding: Any,
    dilation: Any, bias: bool,
) -> None:  # fmt: skip
    import torch
    from torch.nn.functional import conv2d, conv3d

    be = make_backend(batch_size=3, rng_seed=0)
    kind, kwargs = (Convolution_bias, {"bias": Gaussian()}) if bias else (Convolution, {})
    layer = tools.drive(kind(fshape, stride, padding, dilation, Gaussian(), **kwargs), in_shape)
    w = filters(layer)
    b = torch.tensor(layer.weight_bias.get().ravel(), requires_grad=True) if bias else None
    function = conv2d if len(in_shape) == 3 else conv3d
    pairs = [(layer.dW, w), *([(layer.grad_bias, b)] if bias else [])]
    check(be, layer, lambda x: function(x, w, b, stride, padding, dilation), pairs)


@pytest.mark.parametrize(
    ("in_shape", "fshape", "stride", "padding", "dilation"),
    [
        ((3, 4, 5), (3, 2, 2), 1, 0, 1),
        ((2, 3, 4), (4, 3, 3), (2, 3), (1, 0), (1, 2)),
        ((2, 2, 3, 3), (2, 3, 2, 2), (2, 1, 2), (1, 1, 0), 1),
    ],
)
def test_deconvolution(
    make_backend: Make, tools: Any, in_shape: Any, fshape: Any, stride: Any, padding: Any,
    dilation: Any,
) -> None:  # fmt: skip
    from torch.nn.functional import conv_transpose2d, conv_transpose3d

    be = make_backend(batch_size=3, rng_seed=0)
    layer = tools.drive(Deconvolution(fshape, stride, padding, dilation, Gaussian()), in_shape)
    w = filters(layer)
    function = conv_transpose2d if len(in_shape) == 3 else conv_transpose3d
    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    check(be, layer, lambda x: function(x, w, **settings), [(layer.dW, w)])


@pytest.mark.parametrize("op", ["max", "avg"])
@pytest.mark.parametrize(
    ("in_shape", "window", "stride", "padding"),
    [
        ((2, 6, 7), 2, None, 0),
        ((3, 7, 5), (3, 2), (2, 1), (1, 0)),
        ((2, 4, 5, 6), (2, 3, 2), (1, 2, 2), (1, 1, 0)),
    ],
)
def test_pooling(
    make_backend: Make, tools: Any, in_shape: Any, window: Any, stride: Any, padding: Any, op: str
) -> None:
    from torch.nn import functional

    be = make_backend(batch_size=3)
    layer = tools.drive(Pooling(window, op, stride, padding), in_shape)
    name = f"{op}_pool{len(in_shape) - 1}d"
    settings = {"count_include_pad": False} if op == "avg" else {}
    function = getattr(functional, name)
    check(be, layer, lambda x: function(x, window, stride, padding, **settings))


def test_pooling_in_caffes_mode(make_backend: Make, tools: Any) -> None:
    from torch.nn.functional import max_pool2d

    be = make_backend(batch_size=2, compat_mode="caffe")
    layer = tools.drive(Pooling(3, "max", 2, 1), (2, 6, 8))
    check(be, layer, lambda x: max_pool2d(x, 3, 2, 1, ceil_mode=True))


def test_lrn(make_backend: Make, tools: Any) -> None:
    from torch.nn.functional import local_response_norm

    be = make_backend(batch_size=3)
    layer = tools.drive(LRN(5, ascale=0.3, bpower=0.75), (7, 3, 2))
    check(be, layer, lambda x: local_response_norm(x, 5, alpha=0.3, beta=0.75, k=1.0))


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_upsampling(make_backend: Make, tools: Any, mode: str) -> None:
    from torch.nn.functional import interpolate

    be = make_backend(batch_size=3)
    layer = tools.drive(Upsample((2, 3), mode), (2, 3, 4))
    check(be, layer, lambda x: interpolate(x, scale_factor=(2, 3), mode=mode))

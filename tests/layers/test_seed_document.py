"""The examples of neon's page "Creating new layers", as a user would type them."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.backends import Autodiff
from neonport.initializers import Gaussian
from neonport.layers import BatchNorm, Layer, Linear, ParameterLayer, Sequential
from neonport.layers import BatchNormAutodiff as Shipped


def randn(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape)


class MultiplyByTwo(Layer):
    "A layer that multiples the input by two."

    # constructor and initialize buffers
    def __init__(self, name=None):
        super(MultiplyByTwo, self).__init__(name)  # noqa: UP008

    # configure the layer input and output shapes
    def configure(self, in_obj):
        super(MultiplyByTwo, self).configure(in_obj)  # noqa: UP008
        self.out_shape = self.in_shape
        return self

    # compute the fprop
    def fprop(self, inputs, inference=False):
        self.outputs = inputs
        self.outputs[:] = inputs * 2
        return self.outputs

    # backprop the gradients
    def bprop(self, error):
        error[:] = 2 * error
        return error


def test_multiply_by_two_alone(be, tools):
    layer = tools.drive(MultiplyByTwo(), (3, 2))
    x = randn(3, 64)
    np.testing.assert_allclose(layer.fprop(be.array(x)).get(), 2 * x, rtol=1e-6)
    np.testing.assert_allclose(layer.bprop(be.array(x)).get(), 2 * x, rtol=1e-6)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_multiply_by_two_in_a_chain(be64, tools, position):
    layers = [Linear(3, Gaussian()), Linear(2, Gaussian())]
    layers.insert(position, MultiplyByTwo())
    net = tools.drive(Sequential(layers), 4)
    assert tools.check_gradients(be64, net, randn(4, 4)) < 1e-7


def test_the_logistic_gradient_three_ways(make_backend):
    be = make_backend(batch_size=10)
    myTensor = be.zeros((10, 10), name="myTensor")
    f = 1 / (1 + be.exp(-1 * myTensor))
    fval = be.empty((10, 10))  # allocate space for output
    fval[:] = f  # execute the op-tree
    assert (fval.get() == 0.5).all()

    values = randn(10, 10)
    myTensor.set(values)
    expected = 1 / (1 + np.exp(-values))
    fval[:] = f
    np.testing.assert_allclose(fval.get(), expected, rtol=1e-5)

    myAutodiff = Autodiff(op_tree=f, be=be)
    slope = expected * (1 - expected)
    grads = myAutodiff.get_grad_tensor(myTensor)
    np.testing.assert_allclose(grads.get(), slope, rtol=1e-4)
    grads = myAutodiff.get_grad_asnumpyarray(myTensor)
    assert isinstance(grads, np.ndarray)
    np.testing.assert_allclose(grads, slope, rtol=1e-4)
    grads = be.empty((10, 10))
    myAutodiff.back_prop_grad(myTensor, grads)
    np.testing.assert_allclose(grads.get(), slope, rtol=1e-4)


def test_the_logistic_function_is_named_in_its_formula(make_backend):
    be = make_backend(batch_size=10)
    f = 1 / (1 + be.exp(-1 * be.zeros((10, 10), name="myTensor")))
    assert "myTensor" in f.pp()
    assert f.shape == (10, 10)


class BatchNormAutodiff(BatchNorm):
    """The document's layer; the error is overwritten by the gradient, in place."""

    def __init__(self, rho=0.99, eps=1e-6, name=None):
        super().__init__(rho, eps, name)
        self.fprop_op_tree = None

    def get_forward_optree(self):
        # get fprop op-tree
        xvar = self.be.var(self.x, axis=1)
        xmean = self.be.mean(self.x, axis=1)
        xhat = (self.x - xmean) / self.be.sqrt(xvar + self.eps)
        return xhat * self.gamma + self.beta

    def fprop(self, inputs, inference=False):
        if inference:
            return self._fprop_inference(inputs)
        self.init_buffers(inputs)
        if self.fprop_op_tree is None:
            self.fprop_op_tree = self.get_forward_optree()

        # the actual f-prop
        self.y[:] = self.fprop_op_tree

        # for inference
        self.gmean[:] = self.gmean * self.rho + (1.0 - self.rho) * self.be.mean(self.x, axis=1)
        self.gvar[:] = self.gvar * self.rho + (1.0 - self.rho) * self.be.var(self.x, axis=1)

        return self.outputs

    def bprop(self, error):
        if not self.deltas:
            self.deltas = error.reshape((self.nfm, -1))

        # autodiff will automatically cache and reuse the object
        ad = Autodiff(self.fprop_op_tree, self.be, next_error=self.deltas)

        # back propagate
        ad.back_prop_grad(
            [self.x, self.gamma, self.beta], [self.deltas, self.grad_gamma, self.grad_beta]
        )
        return error


@pytest.mark.parametrize("in_shape", [5, (2, 3, 2)])
@pytest.mark.parametrize("make", [BatchNormAutodiff, Shipped])
def test_batchnorm_by_autodiff_equals_batchnorm(be64, tools, in_shape, make):
    plain = tools.drive(BatchNorm(0.99, 1e-6), in_shape)
    auto = tools.drive(make(), in_shape, first=make is BatchNormAutodiff)
    for layer in (plain, auto):
        layer.gamma.set(randn(layer.nfm, 1, seed=3))
        layer.beta.set(randn(layer.nfm, 1, seed=4))
    x, error = be64.iobuf(in_shape), be64.iobuf(in_shape)
    for step in range(2):
        results = []
        for layer in (plain, auto):
            x.set(randn(*x.shape, seed=step))
            error.set(randn(*x.shape, seed=step + 9))
            results.append([layer.fprop(x).get(), layer.bprop(error).get()])
            results[-1] += [getattr(layer, k).get() for k in ("grad_gamma", "grad_beta", "gvar")]
        for a, b in zip(*results, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
    ys = [layer.fprop(x, inference=True).get() for layer in (plain, auto)]
    np.testing.assert_allclose(*ys, rtol=1e-12)


class Dense(ParameterLayer):
    """A layer with weights, by the document's recipe."""

    def __init__(self, nout, init, name=None):
        super().__init__(init, name)
        self.nout = nout

    def configure(self, in_obj):
        super().configure(in_obj)
        self.out_shape = self.nout
        self.weight_shape = (self.nout, self.in_shape)
        return self

    def fprop(self, inputs, inference=False):
        self.inputs = inputs
        self.be.compound_dot(self.W, inputs, self.outputs)
        return self.outputs

    def bprop(self, error):
        if self.deltas:
            self.be.compound_dot(self.W.T, error, self.deltas)
        self.be.compound_dot(error, self.inputs.T, self.dW)
        return self.deltas


def test_a_layer_with_weights(be64, tools):
    net = tools.drive(Sequential([Dense(3, Gaussian()), MultiplyByTwo(), Dense(2, Gaussian())]), 4)
    assert tools.check_gradients(be64, net, randn(4, 4)) < 1e-7
    assert [layer.W.shape for layer in net.layers_to_optimize] == [(3, 4), (2, 3)]
    entry = net.layers[0].get_description(get_weights=True)
    np.testing.assert_array_equal(entry["params"]["W"], net.layers[0].W.get())

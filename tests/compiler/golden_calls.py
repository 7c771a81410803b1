"""Representative statements with movements, calls, windows and memory of their own."""

from __future__ import annotations

import numpy as np

from neonport.autodiff.autodiff import Autodiff
from neonport.optree.node import apply
from tests.compiler.golden_trees import TREES as TREES
from tests.compiler.golden_trees import tree

# ---- movements and indexing --------------------------------------------------------------------


@tree("transpose of a tensor in a sum")
def transposed(be):
    return be.exp(be.zeros((40, 30)) + be.zeros((30, 40)).T)


@tree("transpose of a tree")
def transposed_tree(be):
    return be.exp(be.zeros((30, 40)) * 2.0).T


@tree("reshape of a tree")
def reshaped(be):
    return apply("reshape", be.exp(be.zeros((40, 30))), shape=(30, 40)) + 1.0


@tree("take of a tree along axis 1")
def taken(be):
    return be.take(be.exp(be.zeros((40, 30))), be.zeros((1, 7), dtype=np.int32), axis=1)


@tree("take, gradient (scatter-add)")
def taken_gradient(be):
    x, index = be.zeros((40, 30)), be.zeros((1, 7), dtype=np.int32)
    return Autodiff(be.sum(be.square(be.take(x, index, axis=1))), be).get_grad_op_tree([x])[0]


@tree("onehot in a product")
def onehot(be):
    return be.onehot(be.zeros((1, 64), dtype=np.int32), axis=0, classes=10) * be.zeros((10, 64))


@tree("slice of a tree, gradient")
def slice_gradient(be):
    x = be.zeros((40, 30))
    return Autodiff(be.sum(be.square(x[3:9, ::2])), be).get_grad_op_tree([x])[0]


@tree("concat of a tensor, a tree and a sum")
def put_together(be):
    x, y = be.zeros((40, 30)), be.zeros((20, 30))
    return be.concat([x, be.exp(y), be.sum(x, axis=0)])


@tree("concat inside a tree")
def put_together_inside(be):
    x, y = be.zeros((40, 30)), be.zeros((20, 30))
    return be.tanh(be.concat([x, be.exp(y), be.dot(x, be.zeros((30, 30)))]) * 2.0)


@tree("concat, gradient of a computed part")
def put_together_gradient(be):
    x, y = be.zeros((40, 30)), be.zeros((20, 30))
    return Autodiff(be.sum(be.square(be.concat([x, be.exp(y)]))), be).get_grad_op_tree([y])[0]


@tree("stack of three, along the last axis")
def stacked(be):
    x = be.zeros((40, 30))
    return be.stack([x, x * 2.0, be.exp(x)], axis=-1)


# ---- along an axis -----------------------------------------------------------------------------


@tree("product over axis 1")
def product(be):
    return be.prod(be.zeros((40, 30)) + 1.0, axis=1)


@tree("product over axis 1, gradient")
def product_gradient(be):
    x = be.zeros((40, 30))
    return Autodiff(be.prod(x, axis=1), be).get_grad_op_tree([x])[0]


@tree("running sum of a tree, gradient")
def running_sum_gradient(be):
    x = be.zeros((40, 30))
    return Autodiff(be.sum(be.square(be.cumsum(x * 2.0, axis=1))), be).get_grad_op_tree([x])[0]


@tree("running product, gradient")
def running_product_gradient(be):
    x, g = be.zeros((40, 30)), be.zeros((40, 30))
    return Autodiff(be.cumprod(x, axis=1), be, next_error=g).get_grad_op_tree([x])[0]


@tree("the two largest along axis 0")
def largest_two(be):
    return be.topk(be.zeros((40, 30)), 2, axis=0)[0]


@tree("sort, gradient")
def sort_gradient(be):
    x, g = be.zeros((40, 30)), be.zeros((40, 30))
    return Autodiff(be.sort(x), be, next_error=g).get_grad_op_tree([x])[0]


# ---- products ----------------------------------------------------------------------------------


@tree("product with an epilogue (bias, ReLU)")
def product_epilogue(be):
    return be.maximum(be.dot(be.zeros((7, 5)), be.zeros((5, 9))) + be.zeros((7, 1)), 0)


@tree("product with a prologue")
def product_prologue(be):
    return be.dot(be.tanh(be.zeros((7, 5))), be.zeros((5, 9)))


@tree("product with prologues and an epilogue")
def product_both(be):
    return be.sig(be.dot(be.tanh(be.zeros((7, 5))), be.zeros((9, 5)).T * 2.0))


@tree("linear layer, gradients of w, x, b")
def linear_gradient(be):
    leaves = [be.zeros(s) for s in ((7, 5), (5, 9), (7, 1))]
    buffers = [be.zeros(t.shape) for t in leaves]
    w, x, b = leaves
    Autodiff(be.sum(be.square(be.dot(w, x) + b)), be).back_prop_grad(leaves, buffers)


@tree("stack of products")
def stack(be):
    return apply("batched_dot", be.zeros((3, 7, 5)), be.zeros((3, 5, 9)), reduce=False) + 1.0


# ---- windows -----------------------------------------------------------------------------------


def images(be):
    return be.zeros((3, 1, 8, 8, 4))


@tree("convolution with bias and ReLU")
def convolution(be):
    result = be.conv(images(be), be.zeros((3, 1, 3, 3, 5)), padding=1)
    return be.maximum(result + be.zeros((5, 1, 1, 1, 1)), 0)


@tree("convolution, gradients of images and filters")
def convolution_gradient(be):
    leaves = [images(be), be.zeros((3, 1, 3, 3, 5))]
    buffers = [be.zeros(t.shape) for t in leaves]
    Autodiff(be.sum(be.square(be.conv(*leaves))), be).back_prop_grad(leaves, buffers)


@tree("max pooling of a ReLU, scaled")
def max_pooling(be):
    return be.pool(be.maximum(images(be), 0), "max", 2) * 0.5


@tree("max pooling, gradient")
def max_pooling_gradient(be):
    x = images(be)
    return Autodiff(be.sum(be.square(be.pool(x, "max", 2))), be).get_grad_op_tree([x])[0]


@tree("local response normalisation, gradient")
def normalisation_of_maps_gradient(be):
    x, g = images(be), images(be)
    return Autodiff(be.lrn(x, 3) * 2.0, be, next_error=g).get_grad_op_tree([x])[0]


@tree("l2 pooling")
def l2_pooling(be):
    return be.pool(images(be), "l2", 2)


# ---- memory and random numbers -----------------------------------------------------------------


@tree("a target that is read in place")
def in_place(be):
    x = be.zeros((40, 30))
    return [(x, x * 2.0 + 1.0)]


@tree("a target that is read transposed")
def aliased(be):
    x = be.zeros((40, 40))
    return [(x, x.T * 2.0)]


@tree("two tensors exchanged")
def exchanged(be):
    x, y = be.zeros((40, 30)), be.zeros((40, 30))
    return [(x, y), (y, x)]


@tree("dropout mask in a product")
def dropout(be):
    return (be.rand(shape=(40, 30)) > 0.5) * be.zeros((40, 30))


@tree("two sources of random numbers")
def two_sources(be):
    return be.rand(shape=(40, 30)) - be.rand(shape=(40, 30))

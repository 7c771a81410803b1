"""Positions and indices beyond 32 bits: plans over memory that is not there, and small ones."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.compiler.codegen.gpu.launch_shape import DeviceTraits, launch_shape
from neonport.compiler.execution_plan import make_plan
from neonport.compiler.lowering import Lowering
from neonport.errors import IndexRangeError
from neonport.ops.reductions import position_dtype
from neonport.tensor.tensor import Tensor

BEYOND = 2**31 + 8


def stand_in(be, shape, strides=None):
    """A tensor of a shape over memory that is much smaller; nobody runs it."""
    storage = be.zeros((1, 1), dtype=np.int8).storage
    return Tensor(be, storage, np.dtype("int8"), (shape, strides or (0,) * len(shape), 0))


@pytest.mark.parametrize(
    ("shape", "axis"), [((BEYOND, 1), 0), ((2, BEYOND), 1), ((2**16, 2**16), None)]
)
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_positions_have_64_bits_where_they_need_them(be, name, shape, axis):
    tree = getattr(be, name)(stand_in(be, shape), axis)
    assert tree.dtype == np.int64
    assert (tree + 1).dtype == np.int64


def test_others_stay_int32(be):
    assert be.argmax(stand_in(be, (BEYOND, 3)), axis=1).dtype == np.int32
    assert be.argmax(be.zeros((3, 4))).dtype == np.int32
    assert position_dtype(2**31 - 1) == np.int32
    assert position_dtype(2**31) == np.int64


def test_indices_of_a_list_keep_their_value(be):
    x = stand_in(be, (BEYOND, 1))
    for indices in ([BEYOND - 1, -1, 0], np.array([2**31])):
        node = be.take(x, indices, 0)
        wanted = [i % BEYOND for i in np.asarray(indices).tolist()]
        assert node.right.dtype == np.int64
        assert node.right.get().reshape(-1).tolist() == wanted
    assert be.take(x, [5], 0).right.dtype == np.int32
    with pytest.raises(IndexRangeError, match=str(BEYOND)):
        be.take(x, [BEYOND], 0)


def test_classes_and_rows_named_by_large_integers(be):
    far = [[2**31 + 5, 2**31 - 1, 1, -(2**33)]]
    hot = be.onehot(np.array(far), axis=0, classes=4)
    assert be.sum(hot, axis=0).get().tolist() == [[0, 0, 1, 0]]
    x = be.array(np.arange(8.0).reshape(4, 2))
    index = be.array(np.array([[2**32 + 1, 1, -(2**40), 3]]), dtype=np.int64)
    assert be.take(x, index, 0).get().tolist() == [[0, 0], [2, 3], [0, 0], [6, 7]]
    with pytest.raises(IndexRangeError):  # not row 1, as the low half of the index would say
        x.take(be.array([[2**32 + 1]], dtype=np.int64) + 0, 0)[:] = 1.0
    assert x.get().tolist() == np.arange(8.0).reshape(4, 2).tolist()


def test_a_gather_from_far_away_computes_positions_in_64_bits(be):
    x = stand_in(be, (BEYOND, 4), (4, 1))
    out = be.zeros((2, 4))
    lowering = Lowering(())
    graph = lowering.build([(out, be.take(x, [0, BEYOND - 1], 0))])
    (kernel,) = make_plan(graph).kernels
    starts = (0,) * len(kernel.kernel.accesses)
    assert launch_shape(kernel, starts, DeviceTraits()).variant.wide
    near = Lowering(()).build([(out, be.take(be.zeros((9, 4)), [0, 1], 0))])
    (kernel,) = make_plan(near).kernels
    assert not launch_shape(kernel, starts, DeviceTraits()).variant.wide

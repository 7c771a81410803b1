"""Functions along an axis: what NumPy computes, in any layout, and mistakes."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import DtypeError, IndexRangeError, ShapeError


def random(*shape, seed=0):
    return np.random.RandomState(seed).normal(size=shape).astype("f")


def run(be, tree, dtype=np.float32):
    out = be.empty(tree.shape, dtype=dtype)
    out[:] = tree
    return out.get()


@pytest.mark.parametrize("axis", [0, 1, -1, -2])
def test_as_numpy_does(be, axis):
    x = random(5, 7)
    x[2, 3] = np.nan
    t = be.array(x)
    np.testing.assert_array_equal(run(be, be.sort(t, axis)), np.sort(x, axis))
    order = run(be, be.argsort(t, axis), np.int32)
    np.testing.assert_array_equal(order, np.argsort(x, axis, kind="stable"))
    assert be.argsort(t, axis).dtype == np.int32
    np.testing.assert_allclose(run(be, be.cumsum(t, axis)), np.cumsum(x, axis), rtol=1e-5)
    np.testing.assert_allclose(run(be, be.cumprod(t, axis)), np.cumprod(x, axis), rtol=1e-5)
    index = np.argsort(-x, axis)
    got = run(be, be.take_along_axis(t, index, axis))
    np.testing.assert_array_equal(got, np.take_along_axis(x, index, axis))
    both = run(be, be.concatenate([t, t * 2], axis))
    np.testing.assert_array_equal(both, np.concatenate([x, x * 2], axis))
    np.testing.assert_array_equal(run(be, be.stack([t, t], axis)), np.stack([x, x], axis))


def test_the_largest_and_the_smallest(be):
    x = be.array([[3.0, 1.0, 3.0, np.nan, -2.0]])
    values, where = be.topk(x, 3)
    np.testing.assert_array_equal(run(be, values), [[np.nan, 3, 3]])
    np.testing.assert_array_equal(run(be, where, np.int32), [[3, 0, 2]])
    values, where = be.topk(x, 2, largest=False)
    np.testing.assert_array_equal(run(be, values), [[-2, 1]])
    np.testing.assert_array_equal(run(be, where, np.int32), [[4, 1]])
    values, where = be.topk(x.T, 5, axis=0)
    assert values.shape == where.shape == (5, 1)
    assert be.topk(x, 0)[0].get().shape == (1, 0)


def test_product(be):
    x = random(4, 6)
    t = be.array(x)
    for axis in (0, 1, None, (0, 1)):
        want = np.prod(x, axis=axis, keepdims=True)
        np.testing.assert_allclose(run(be, be.prod(t, axis)), want, rtol=1e-5)
    assert run(be, be.prod(t[:, :0], axis=1)).tolist() == [[1.0]] * 4
    whole = be.array([[2, 3, 4]], dtype=np.int32)
    assert be.prod(whole).dtype == np.int64
    assert run(be, be.prod(whole), np.int32).tolist() == [[24]]
    out = be.empty((4, 1))
    assert be.prod(t, axis=1, out=out) is out


def test_a_float32_product_overflows_only_at_the_end(be):
    if not be.device.capabilities.host_memory:
        pytest.skip("devices multiply in the compute type, in no fixed order")
    x = be.array([[1e30, 1e30, 1e-30, 1e-30] * 2])
    np.testing.assert_allclose(run(be, be.prod(x)), [[1.0]], rtol=1e-5)


def test_any_number_of_parts_of_any_dtype(be):
    parts = [random(1 + i % 3, 4, seed=i) for i in range(70)]
    kinds = [np.float32, np.float16, np.float64, np.int32]
    hosts = [(x * 10).astype(kinds[i % 4]) for i, x in enumerate(parts)]
    tree = be.concat([be.array(x, dtype=x.dtype) for x in hosts])
    assert tree.dtype == np.float64
    np.testing.assert_array_equal(run(be, tree, np.float64), np.concatenate(hosts))


def test_integers_keep_their_digits_beside_float64(be):
    large = be.array([[2**30 + 1]], dtype=np.int64)
    narrow, wide = be.ones((1, 1)), be.ones((1, 1), dtype=np.float64)
    tree = be.concat([large, narrow, wide])
    assert run(be, tree, np.float64)[0, 0] == 2**30 + 1
    assert run(be, be.concat([wide, narrow, large]) * 1.0, np.float64)[2, 0] == 2**30 + 1
    assert run(be, be.concat([large, narrow]), np.float64)[0, 0] == 2**30


def test_parts_without_elements(be):
    x, none = be.array(random(3, 4)), be.empty((0, 4))
    np.testing.assert_array_equal(run(be, be.concat([none, x, none])), x.get())
    assert run(be, be.concat([none, none])).shape == (0, 4)
    np.testing.assert_array_equal(run(be, be.concat([x[:, :0], x * 2], axis=1)), x.get() * 2)


def test_the_target_may_be_a_part(be):
    x = random(6, 4)
    t = be.array(x)
    t[:] = be.concat([t[3:], t[:3]])
    np.testing.assert_array_equal(t.get(), np.concatenate([x[3:], x[:3]]))
    t[:] = be.concat([t[:2] * 2, be.sum(t, axis=0), t[1:4]])
    y = np.concatenate([x[3:], x[:3]])
    want = np.concatenate([y[:2] * 2, y.sum(0, keepdims=True), y[1:4]])
    np.testing.assert_allclose(t.get(), want, rtol=1e-5)
    t[:] = be.sort(t, axis=0)
    np.testing.assert_allclose(t.get(), np.sort(want, axis=0), rtol=1e-5)


def test_parts_are_computed_where_they_belong(be):
    x, y = be.array(random(3, 4)), be.array(random(2, 4, seed=1))
    plan = be.explain(be.concat([be.exp(x), be.tanh(y)]))
    assert (len(plan.kernels), len(plan.calls), plan.temporaries) == (2, 0, {})
    plan = be.explain(be.sqrt(be.concat([be.exp(x), be.exp(y)])))
    assert len(plan.kernels) == 3
    assert len(plan.temporaries) == 1


def test_one_part_that_occurs_twice_inside_a_tree(be):
    x = random(3, 4)
    e = be.exp(be.array(x))
    got = run(be, be.concat([e, e, e * e]) * be.concat([e, e * e, e]))
    np.testing.assert_allclose(got, np.exp(np.concatenate([2 * x, 3 * x, 3 * x])), rtol=1e-5)


def test_indices_held_by_a_tensor_pick_zero_out_of_range(be):
    x = be.array([[1.0, 2.0, 3.0]])
    index = be.array([[2, -1, 3, 0]], dtype=np.int64)
    assert run(be, be.take_along_axis(x, index, 1)).tolist() == [[3, 0, 0, 1]]
    assert run(be, be.gather(x, [[-1, 0]], 1)).tolist() == [[3, 1]]


MISTAKES = {
    "axis": (lambda be, x: be.cumsum(x, 2), ShapeError, "cumsum: axis 2"),
    "axis of a sort": (lambda be, x: be.sort(x, -3), ShapeError, "sort: axis -3"),
    "a number": (lambda be, x: be.cumprod(3.0, 0), DtypeError, "cumprod"),
    "too many": (lambda be, x: be.topk(x, 5), ShapeError, r"5 entries of the 4 .*from 0 to 4"),
    "negative k": (lambda be, x: be.topk(x, -1), ShapeError, "-1 entries"),
    "k of another type": (lambda be, x: be.topk(x, 1.5), DtypeError, "topk: k 1.5"),
    "host index": (
        lambda be, x: be.take_along_axis(x, [[0, 1, 2, 3]], 0),
        IndexRangeError,
        "index 3 is out of range for axis 0 of size 3",
    ),
    "shape of indices": (
        lambda be, x: be.take_along_axis(x, [[0, 1]], 0),
        ShapeError,
        r"take_along_axis: indices of shape \(1, 2\).*be\.take",
    ),
    "float indices": (
        lambda be, x: be.take_along_axis(x, x, 0),
        DtypeError,
        "take_along_axis: indices of dtype float32",
    ),
    "sizes": (
        lambda be, x: be.concat([x, x.T]),
        ShapeError,
        r"concat: shapes \(3, 4\) and \(4, 3\).*except along axis 0",
    ),
    "ranks": (lambda be, x: be.concat([x, be.ones((1, 3, 4))]), ShapeError, "concat: shapes"),
    "no parts": (lambda be, x: be.concat([]), ShapeError, "nothing to put together"),
    "a tensor for a list": (lambda be, x: be.concat(x), DtypeError, "give a list"),
    "a number as a part": (lambda be, x: be.concat([x, 1.0]), DtypeError, "concatenate"),
    "shapes of a stack": (lambda be, x: be.stack([x, x.T]), ShapeError, "must be equal"),
    "axis of a stack": (lambda be, x: be.stack([x], axis=3), ShapeError, "stack: axis 3"),
    "open size": (lambda be, x: be.concat([be.onehot([0], 1), x]), ShapeError, "classes="),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_reported_when_the_tree_is_built(be, name):
    build, error, words = MISTAKES[name]
    with pytest.raises(error, match=words):
        build(be, be.array(random(3, 4)))

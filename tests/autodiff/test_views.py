"""Views of tensors: operands that are views, and requests for the gradient of a view."""

from __future__ import annotations

import numpy as np
import pytest

from neonport import Autodiff
from neonport.errors import NotDifferentiableError
from neonport.optree.node import walk

VIEWS = {
    "rows": lambda t: t[1:3],
    "steps": lambda t: t[::2, ::-1],
    "row": lambda t: t[1],
    "transpose": lambda t: t.T,
    "reshape": lambda t: t.reshape(2, 8),
    "share": lambda t: t.share((3, 5)),
    "chain": lambda t: t.T[1:].reshape(3, 2, 2).T[:, :, 1],
}


def numpy_view(name, array):
    """The same view of an array, by NumPy."""
    return {
        "rows": lambda a: a[1:3],
        "steps": lambda a: a[::2, ::-1],
        "row": lambda a: a[1:2],
        "transpose": lambda a: a.T,
        "reshape": lambda a: a.reshape(2, 8),
        "share": lambda a: a.reshape(-1)[:15].reshape(3, 5),
        "chain": lambda a: a.T[1:].reshape(3, 2, 2).transpose(0, 2, 1)[:, :, 1],
    }[name](array)


def ops(tree):
    return {node.op for node in walk(tree)}


def grads(tree, be, tensors):
    return Autodiff(tree, be).get_grad_asnumpyarray(tensors)


@pytest.fixture
def x(be64):
    return be64.array(np.arange(1.0, 17.0).reshape(4, 4))


@pytest.mark.parametrize("name", VIEWS)
def test_gradient_of_the_root_when_a_view_is_used(be64, x, name):
    found = grads(be64.square(VIEWS[name](x)), be64, [x])[0]
    flags = np.arange(16).reshape(4, 4)
    used = np.isin(flags, numpy_view(name, flags))
    np.testing.assert_allclose(found, 2 * x.get() * used)


@pytest.mark.parametrize("name", VIEWS)
def test_gradient_of_a_view_when_the_root_is_used(be64, x, name):
    found = grads(be64.square(x), be64, [VIEWS[name](x)])[0]
    np.testing.assert_allclose(found, 2 * numpy_view(name, x.get()))


@pytest.mark.parametrize("asked", VIEWS)
@pytest.mark.parametrize("used", VIEWS)
def test_gradient_of_one_view_when_another_is_used(be64, x, used, asked):
    error = np.linspace(1, 2, VIEWS[used](x).size).reshape(VIEWS[used](x).shape)
    tree = VIEWS[used](x) * be64.array(error) + 0 * be64.sum(x)
    of_root = np.zeros(16)
    flags = np.arange(16).reshape(4, 4)
    of_root[numpy_view(used, flags).reshape(-1)] = error.reshape(-1)
    expected = numpy_view(asked, of_root.reshape(4, 4))
    np.testing.assert_allclose(grads(tree, be64, [VIEWS[asked](x)])[0], expected)


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_made_again_is_the_same_and_needs_no_round_trip(be64, x, name):
    tree = be64.exp(VIEWS[name](x))
    gradient = Autodiff(tree, be64).get_grad_op_tree([VIEWS[name](x)])[0]
    assert ops(gradient) == {"exp"}


def test_disjoint_parts_do_not_meet(be64, x):
    top, bottom = x[:2], x[2:]
    tree = be64.exp(top) * be64.sum(be64.sqrt(bottom))
    ad = Autodiff(tree, be64)
    for gradient in ad.get_grad_op_tree([top, bottom]):
        assert not ops(gradient) & {"slice", "pad_region", "reshape"}
    whole = ad.get_grad_asnumpyarray([x])[0]
    np.testing.assert_allclose(whole, np.vstack(ad.get_grad_asnumpyarray([top, bottom])))


def test_a_view_of_a_view_goes_no_further_than_needed(be64, x):
    part = x[1:]
    gradient = Autodiff(be64.exp(part[:, 2:]), be64).get_grad_op_tree([part])[0]
    puts = [node for node in walk(gradient) if node.op == "pad_region"]
    assert [node.shape for node in puts] == [(3, 4)]


def test_root_and_views_add_up(be64, x):
    tree = be64.dot(x, x.T) + x[0] * x[:, 1:2]
    value = x.get()
    expected = 2 * np.tile(value.sum(0), (4, 1))
    expected[0] += value[:, 1].sum()
    expected[:, 1] += value[0].sum()
    np.testing.assert_allclose(grads(tree, be64, [x])[0], expected)


def test_overlapping_views(be64, x):
    tree = be64.sum(be64.square(x[:3])) + be64.sum(x[2:] * 10)
    value = x.get()
    expected = np.zeros((4, 4))
    expected[:3] += 2 * value[:3]
    expected[2:] += 10
    np.testing.assert_allclose(grads(tree, be64, [x])[0], expected)
    np.testing.assert_allclose(grads(tree, be64, [x[2:3]])[0], expected[2:3])
    assert not grads(be64.sum(x[:2]), be64, [x[2:]])[0].any()


def test_memory_read_as_another_dtype_is_refused(be64, x):
    bits = x.share((4, 4), dtype=np.float32)
    ad = Autodiff(be64.exp(bits), be64)
    with pytest.raises(NotDifferentiableError, match=r"reads its memory as float32 \(4, 4\)"):
        ad.get_grad_op_tree([x])
    assert ops(ad.get_grad_op_tree([bits])[0]) == {"exp"}


def test_constant_gradients_of_views(be64, x):
    assert grads(be64.sum(x[1:, ::3]), be64, [x])[0].sum() == 6
    third = be64.sum(x.share((5, 2))) * (1 / 3)
    np.testing.assert_array_equal(grads(third, be64, [x])[0].reshape(-1)[:11], [1 / 3] * 10 + [0])
    gradient = Autodiff(third, be64).get_grad_op_tree([x])[0]
    assert gradient.backend is be64
    assert gradient.shape == (4, 4)


def test_the_whole_as_a_view_is_not_cut(be64, x):
    column = x.share((16, 1))
    for used, asked in ((column, x), (x, column)):
        gradient = Autodiff(be64.exp(used), be64).get_grad_op_tree([asked])[0]
        assert ops(gradient) == {"exp", "reshape"}
        np.testing.assert_allclose(gradient.get().reshape(-1), np.exp(x.get()).reshape(-1))


def test_the_same_memory_under_another_handle(be64, x):
    try:
        twin = be64.from_dlpack(x)
    except BufferError as error:
        pytest.skip(str(error))
    assert twin.raw() == x.raw()
    found = Autodiff(be64.exp(x[1:]), be64).get_grad_asnumpyarray([twin])[0]
    np.testing.assert_allclose(found[1:], np.exp(x.get()[1:]))
    assert not found[0].any()

"""Gradients into buffers: what may share memory with what, and nothing written on a mistake."""

from __future__ import annotations

import numpy as np
import pytest

from neonport import Autodiff
from neonport.errors import AliasError, DtypeError, ReadOnlyError, ShapeError


@pytest.fixture
def net(be64, values):
    """A batch-normalised product: every gradient needs reductions of the error."""

    class Net:
        x, w, error = values(3, 5), values(3, 1), values(3, 5)
        tree = (x - be64.mean(x, axis=1)) / be64.std(x, axis=1) * w
        ad = Autodiff(tree, be64, next_error=error)
        expected = ad.get_grad_asnumpyarray([x, w])

    return Net


def test_into_the_error_itself(net, be64):
    dw = be64.empty((3, 1))
    net.ad.back_prop_grad([net.x, net.w], [net.error, dw])
    np.testing.assert_allclose(net.error.get(), net.expected[0])
    np.testing.assert_allclose(dw.get(), net.expected[1])


def test_into_views_of_the_error(net, be64):
    dx = be64.empty((3, 5))
    net.ad.back_prop_grad([net.w, net.x], [net.error[:, 2:3], dx])
    np.testing.assert_allclose(net.error.get()[:, 2:3], net.expected[1])
    np.testing.assert_allclose(dx.get(), net.expected[0])


def test_into_two_parts_of_the_error(be64, values):
    x, y, error = values(1, 4), values(3, 1), values(3, 4)
    ad = Autodiff(x * y, be64, next_error=error)
    expected = ad.get_grad_asnumpyarray([x, y])
    ad.back_prop_grad([x, y], [error[0], error[1:, :].reshape(8, 1)[2:5]])
    np.testing.assert_allclose(error.get()[0], expected[0][0])
    np.testing.assert_allclose(error.get()[1:].reshape(-1)[2:5], expected[1][:, 0])


def test_all_gradients_in_one_call(net, be64, monkeypatch):
    calls = []
    run = be64.executor.run
    monkeypatch.setattr(be64.executor, "run", lambda pairs: (calls.append(len(pairs)), run(pairs)))
    net.ad.back_prop_grad([net.x, net.w], [be64.empty((3, 5)), be64.empty((3, 1))])
    assert calls == [2]


def test_repeated_calls_check_and_build_nothing(net, be64, monkeypatch):
    buffers = [be64.empty((3, 5)), be64.empty((3, 1))]
    net.ad.back_prop_grad([net.x, net.w], buffers)
    monkeypatch.setattr(Autodiff, "_check_buffers", None)
    given = []
    monkeypatch.setattr(be64, "assign_many", lambda pairs: given.append(list(pairs)))
    for _ in range(2):
        net.ad.back_prop_grad([net.x, net.w], buffers)
    assert [p[0] for p in given[0]] == buffers
    for (_, first), (_, second) in zip(*given, strict=True):
        assert first is second
    assert net.ad.get_grad_op_tree([net.x])[0] is given[0][0][1]


def test_a_missing_tensor_clears_its_buffer(net, be64):
    buffer, other = be64.array(np.full((2, 2), np.nan)), be64.ones((2, 2))
    net.ad.back_prop_grad([other], [buffer])
    np.testing.assert_array_equal(buffer.get(), 0)


def test_slices_of_one_big_buffer(net, be64):
    pool = be64.zeros((18, 1))
    dx, dw = pool[:15].reshape(3, 5), pool[15:]
    net.ad.back_prop_grad([net.x, net.w], [dx, dw])
    np.testing.assert_allclose(pool.get()[:15, 0], net.expected[0].reshape(-1))
    np.testing.assert_allclose(pool.get()[15:], net.expected[1])


def test_a_buffer_of_narrower_type(net, be64):
    dx = be64.empty((3, 5), dtype=np.float32)
    net.ad.back_prop_grad([net.x], [dx])
    np.testing.assert_allclose(dx.get(), net.expected[0], rtol=1e-5, atol=1e-6)


def refused(net, error, match, pick):
    """Check that a call raises and writes nothing."""
    tensors, buffers = pick
    before = [b.get() for b in buffers]
    for _ in range(2):  # a refusal is not remembered as allowed
        with pytest.raises(error, match=match):
            net.ad.back_prop_grad(tensors, buffers)
    for buffer, values in zip(buffers, before, strict=True):
        np.testing.assert_array_equal(buffer.get(), values)


def test_buffers_that_are_read(net, be64):
    fresh = be64.empty((3, 1))
    both = [net.w, net.x]
    refused(net, AliasError, r"buffer 1 .*that the tree reads", (both, [fresh, net.x]))
    refused(net, AliasError, r"buffer 0 .*that the tree reads", ([net.w], [net.x[:, 1:2]]))
    refused(net, AliasError, r"buffer 0 .*that the tree reads", ([net.w], [net.w]))


def test_buffers_that_share(net, be64):
    dx = be64.ones((3, 5))
    refused(net, AliasError, r"buffer 1 .*buffer 0", ([net.x, net.x], [dx, dx]))
    refused(net, AliasError, r"buffer 1 .*buffer 0", ([net.x, net.w], [dx, dx[:, 4:]]))
    refused(net, AliasError, "buffer 1", ([net.x, net.w], [net.error, net.error[:, :1]]))


def test_buffers_that_do_not_fit(net, be64):
    dx = be64.ones((3, 5))
    refused(net, ShapeError, r"\(5, 3\).*\(3, 5\)", ([net.x], [dx.reshape(5, 3)]))
    refused(net, ShapeError, "2 tensors but 1", ([net.x, net.w], [dx]))
    refused(net, DtypeError, "int32", ([net.x], [be64.zeros((3, 5), dtype=np.int32)]))


def test_a_read_only_buffer(net, be64):
    dx = be64.ones((3, 5))
    object.__setattr__(dx.storage, "readonly", True)
    refused(net, ReadOnlyError, "buffer 0", ([net.x], [dx]))

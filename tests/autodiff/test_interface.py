"""What goes in and comes out: trees, tensors, numbers, errors from above, mistakes."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from neonport import Autodiff, OpTreeNode, Tensor
from neonport.backends import Autodiff as FromBackends
from neonport.backends.autodiff import Autodiff as FromNeonsPath
from neonport.errors import BackendMismatchError, ConfigurationError, ShapeError
from neonport.testing import check_grads


def test_it_is_one_real_class(be):
    assert FromBackends is FromNeonsPath is Autodiff
    assert inspect.isclass(Autodiff)
    assert isinstance(Autodiff(be.ones((2, 2)) * 2, be), Autodiff)
    names = list(inspect.signature(Autodiff).parameters)
    assert names == ["op_tree", "be", "next_error"]


def test_three_forms_of_a_gradient(be64, values):
    x, y = values(2, 3), values(2, 3)
    ad = Autodiff(op_tree=x * y, be=be64)
    trees = ad.get_grad_op_tree([y, x])
    assert all(isinstance(t, OpTreeNode) and t.shape == (2, 3) for t in trees)
    tensors = ad.get_grad_tensor([y, x])
    assert all(isinstance(t, Tensor) and t.dtype == be64.default_dtype for t in tensors)
    arrays = ad.get_grad_asnumpyarray([y, x])
    assert all(isinstance(a, np.ndarray) and a.dtype == np.float64 for a in arrays)
    buffers = [be64.empty((2, 3)), be64.empty((2, 3))]
    assert ad.back_prop_grad([y, x], buffers) is None
    for tree, tensor, array, buffer, expected in zip(
        trees, tensors, arrays, buffers, [x, y], strict=True
    ):
        for found in (tree.get(), tensor.get(), array, buffer.get()):
            np.testing.assert_array_equal(found, expected.get())


def test_results_have_the_default_dtype(make_backend):
    be = make_backend(dtype=np.float16)
    x = be.array(np.array([[1.0, 2.0]]), dtype=np.float32)
    ad = Autodiff(be.exp(x), be)
    assert ad.get_grad_tensor([x])[0].dtype == np.float16
    assert ad.get_grad_asnumpyarray([x])[0].dtype == np.float16


def test_a_tensor_is_the_identity(be64, values):
    x, error = values(3, 2), values(3, 2)
    np.testing.assert_array_equal(Autodiff(x, be64).get_grad_asnumpyarray([x])[0], 1.0)
    tree = Autodiff(x, be64, next_error=error).get_grad_op_tree([x])[0]
    assert isinstance(tree, OpTreeNode)
    np.testing.assert_array_equal(tree.get(), error.get())
    part = Autodiff(x, be64, next_error=error).get_grad_asnumpyarray([x[1:]])[0]
    np.testing.assert_array_equal(part, error.get()[1:])


@pytest.mark.parametrize("number", [3, 2.5, np.float32(1), True])
def test_a_number_depends_on_nothing(be64, values, number):
    x = values(2, 2)
    assert not Autodiff(number, be64).get_grad_asnumpyarray([x])[0].any()


def test_a_tree_of_numbers_depends_on_nothing(be64, values):
    x = values(2, 2)
    assert not Autodiff(be64.log(2.0) * 3, be64).get_grad_asnumpyarray([x])[0].any()
    check_grads(x * be64.exp(0.0) * be64.log(1.0), [x], be64)


def test_without_an_error_it_is_the_gradient_of_the_sum(be64, values):
    x = values(2, 3)
    ones = be64.ones((2, 3))
    implied = Autodiff(be64.exp(x), be64).get_grad_asnumpyarray([x])[0]
    given = Autodiff(be64.exp(x), be64, next_error=ones).get_grad_asnumpyarray([x])[0]
    np.testing.assert_array_equal(implied, given)


def test_the_error_may_be_a_tree(be64, values):
    x, e = values(2, 3), values(2, 3)
    found = Autodiff(be64.sqrt(x), be64, next_error=e * e + 1).get_grad_asnumpyarray([x])[0]
    np.testing.assert_allclose(found, (e.get() ** 2 + 1) * 0.5 / np.sqrt(x.get()))


def test_the_error_may_have_an_open_size(be64, values):
    x, labels = values(3, 2), be64.array(np.array([2, 0]), dtype=np.int32)
    ad = Autodiff(be64.square(x), be64, next_error=be64.onehot(labels, axis=0))
    expected = 2 * x.get() * np.eye(3)[:, [2, 0]]
    np.testing.assert_allclose(ad.get_grad_asnumpyarray([x])[0], expected)


def test_gradients_follow_the_values(be64, values):
    x = values(2, 2)
    tree = Autodiff(be64.square(x), be64).get_grad_op_tree([x])[0]
    x[:] = 5
    np.testing.assert_array_equal(tree.get(), 10)


def test_gradients_of_gradients(be64):
    x = be64.array([[0.5, 2.0]])
    tree, expected = x * x * x * x, [4, 12, 24, 24, 0]
    for power, factor in zip([3, 2, 1, 0, 0], expected, strict=True):
        tree = Autodiff(tree, be64).get_grad_op_tree([x])[0]
        np.testing.assert_allclose(tree.get(), factor * x.get() ** power)


def test_mixed_second_derivative(be64, values):
    x, y = values(2, 2), values(2, 2)
    gx = Autodiff(be64.exp(x) * be64.square(y), be64).get_grad_op_tree([x])[0]
    gxy = Autodiff(gx, be64).get_grad_op_tree([y])[0]
    np.testing.assert_allclose(gxy.get(), 2 * np.exp(x.get()) * y.get())


def test_shapes_that_do_not_fit(be64, values):
    x = values(2, 3)
    with pytest.raises(ShapeError, match=r"\(3, 2\).*\(2, 3\)"):
        Autodiff(x * 2, be64, next_error=values(3, 2))
    with pytest.raises(ShapeError, match=r"\(2, 3\).*\(1, 1\)"):
        Autodiff(be64.sum(x), be64, next_error=values(2, 3))
    with pytest.raises(ShapeError, match=r"\(1, 3\)"):
        Autodiff(x * 2, be64, next_error=values(1, 3))


def test_things_that_are_no_operands(be64, values):
    x = values(2, 2)
    with pytest.raises(TypeError, match="ndarray"):
        Autodiff(np.ones((2, 2)), be64)
    with pytest.raises(TypeError, match="str"):
        Autodiff("x", be64)
    with pytest.raises(TypeError, match="ndarray"):
        Autodiff(x * 2, be64, next_error=np.ones((2, 2)))
    with pytest.raises(TypeError, match="float"):
        Autodiff(x * 2, be64, next_error=1.0)
    with pytest.raises(TypeError, match="be must be a backend, not NoneType"):
        Autodiff(x * 2, None)
    ad = Autodiff(x * 2, be64)
    with pytest.raises(TypeError, match="needs tensors, not an op-tree"):
        ad.get_grad_op_tree(x * 2)
    with pytest.raises(TypeError, match="ndarray is not a Tensor"):
        ad.get_grad_tensor([np.ones((2, 2))])


def test_one_tensor_needs_no_list(be64, values):
    x, y = values(2, 3), values(2, 3)
    ad = Autodiff(x * y, be64)
    assert ad.get_grad_op_tree(x) is ad.get_grad_op_tree([x])[0]
    np.testing.assert_array_equal(ad.get_grad_tensor(x).get(), y.get())
    np.testing.assert_array_equal(ad.get_grad_asnumpyarray(x), y.get())
    buffer = be64.empty((2, 3))
    ad.back_prop_grad(x, buffer)
    np.testing.assert_array_equal(buffer.get(), y.get())
    with pytest.raises(ShapeError, match="2 tensors but 1 gradient"):
        ad.back_prop_grad([x, y], buffer)


def test_other_backends_are_refused(be64, values):
    other = type(be64)(rng_seed=0, default_dtype=np.float64)
    x, foreign = values(2, 2), other.ones((2, 2))
    for make in (
        lambda: Autodiff(x * 2, other),
        lambda: Autodiff(x * 2, be64, next_error=foreign),
        lambda: Autodiff(x * 2, be64).get_grad_op_tree([foreign]),
        lambda: Autodiff(x * 2, be64).back_prop_grad([x], [foreign]),
    ):
        with pytest.raises(BackendMismatchError):
            make()
    other.cleanup_backend()


def test_after_cleanup(be64, values):
    x = values(2, 2)
    ad = Autodiff(x * 2, be64)
    ad.cleanup()
    ad.cleanup()
    with pytest.raises(ConfigurationError, match="cleaned up; make a new one"):
        ad.get_grad_op_tree([x])

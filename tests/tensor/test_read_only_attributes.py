"""What says where elements are cannot be set: a larger shape would read outside the memory."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import FrozenError

LAYOUT = ("shape", "strides", "offset", "dtype", "storage", "backend", "base", "sig", "token")
DERIVED = ("size", "nbytes", "ndim", "T", "layout", "readonly", "native", "is_contiguous")
OF_NODES = ("op", "shape", "dtype", "params", "backend", "left", "right", "args", "T")
OF_STORAGES = ("native", "nbytes", "address", "readonly", "owner", "serial")


@pytest.mark.parametrize("name", [*LAYOUT, *DERIVED, "tokens", "scalars", "get"])
@pytest.mark.parametrize("view", [False, True])
def test_of_a_tensor(be, name, view):
    t = be.array(np.arange(6.0).reshape(2, 3))
    t = t[:, 1:] if view else t
    before = t.get()
    with pytest.raises(AttributeError, match=f"{name} is read-only") as caught:
        setattr(t, name, (4, 3))
    assert isinstance(caught.value, FrozenError)
    with pytest.raises(AttributeError):
        delattr(t, name)
    np.testing.assert_array_equal(t.get(), before)


def test_the_way_out_is_named(be):
    t = be.zeros((2, 3))
    with pytest.raises(AttributeError, match=r"t\.reshape"):
        t.shape = (3, 2)
    with pytest.raises(AttributeError, match=r"t\.astype"):
        t.dtype = np.dtype(np.int32)


@pytest.mark.parametrize("name", OF_NODES)
def test_of_a_node(be, name):
    tree = be.zeros((2, 3)) + 1
    with pytest.raises(AttributeError):
        setattr(tree, name, (4, 3))
    assert tree.shape == (2, 3)


@pytest.mark.parametrize("name", OF_STORAGES)
def test_of_a_storage(be, name):
    storage = be.zeros((2, 3)).storage
    before = getattr(storage, name)
    with pytest.raises(FrozenError, match=name):
        setattr(storage, name, 1 << 40)
    assert getattr(storage, name) is before


def test_labels_can_be_set(be):
    t = be.zeros((2, 3))
    t.name, t.persist_values, t.rounding = "weights", False, 3
    assert (t.name, t.persist_values, t.rounding) == ("weights", False, 3)
    with pytest.raises(AttributeError):
        t.anything = 1

"""Capsules that cannot be true, producers that fail, and arrays without elements."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import DLPackError, NeonportError
from neonport.plugins.registry import create_backend
from neonport.tensor.capsules import structs

HUGE = 1 << 62


class Edited:
    """A tensor whose capsules are changed before anybody sees them."""

    __dlpack_data__ = "cl_mem"

    def __init__(self, tensor, **fields):
        self.tensor, self.fields = tensor, fields

    def __dlpack__(self, **kwargs):
        capsule = self.tensor.__dlpack__(**kwargs)
        inner, _ = structs(capsule)
        for name, value in self.fields.items():
            if isinstance(value, tuple):
                for axis, entry in enumerate(value):
                    getattr(inner, name)[axis] = entry
            else:
                setattr(inner, name, value)
        return capsule

    def __dlpack_device__(self):
        return self.tensor.__dlpack_device__()


class Failing:
    """A producer that raises."""

    __dlpack_data__ = "cl_mem"

    def __init__(self, device, error):
        self.device, self.error = device, error

    def __dlpack__(self, **kwargs):
        raise self.error

    def __dlpack_device__(self):
        return self.device


CAPSULES = {
    "no memory": ({"data": None}, r"elements \(shape \(2, 3\)\) and no memory"),
    "no bits": ({"bits": 0}, "0 bits"),
    "odd bits": ({"bits": 24}, "24 bits"),
    "vectors": ({"lanes": 4}, "4 lanes"),
    "no lanes": ({"lanes": 0}, "0 lanes"),
    "complex": ({"code": 5, "bits": 64}, "code 5.*convert it first"),
    "negative shape": ({"shape": (-2, 3)}, "negative size"),
    "huge shape": ({"shape": (HUGE, HUGE)}, "lead out of the memory"),
    "huge stride": ({"strides": (HUGE, 1)}, "lead out of the memory"),
    "huge strides": ({"strides": (HUGE // 2, HUGE // 2)}, "lead out of the memory"),
    "huge negative stride": ({"strides": (-HUGE, 1)}, "lead out of the memory"),
    "negative rank": ({"ndim": -1}, "no shape"),
    "huge rank": ({"ndim": 1000}, "no shape"),
}
WAY_OUT = r"np\.array\(x\)|convert it first|copy it"


def producing(memory):
    """A backend whose tensors a backend of this memory adopts."""
    return memory if memory.dlpack_device() != (1, 0) else create_backend("cpu")


@pytest.fixture(params=["cpu", pytest.param("opencl, device memory", marks=pytest.mark.opencl)])
def be(request, with_memory):
    return with_memory(request.param)


@pytest.mark.parametrize("copy", [None, True])
@pytest.mark.parametrize("case", CAPSULES)
def test_a_capsule_that_cannot_be_true(be, case, copy):
    fields, words = CAPSULES[case]
    t = producing(be).array(np.arange(6.0).reshape(2, 3))
    with pytest.raises(DLPackError, match=words) as caught:
        be.from_dlpack(Edited(t, **fields), copy=copy)
    assert caught.match(WAY_OUT)


ERRORS = [KeyError, ValueError, TypeError, RuntimeError, AttributeError, BufferError, OSError]


@pytest.mark.parametrize("copy", [None, True])
@pytest.mark.parametrize("error", ERRORS)
def test_errors_of_producers(be, error, copy):
    device = be.dlpack_device()
    with pytest.raises(DLPackError, match=r"Failing (does not|cannot) .*out of paper") as caught:
        be.from_dlpack(Failing(device, error("out of paper")), copy=copy)
    assert caught.match(WAY_OUT)
    assert isinstance(caught.value.__cause__, error)


@pytest.mark.parametrize("device", [None, "ab", (1,), ("x", 0)])
def test_what_is_no_device(be, device):
    with pytest.raises(DLPackError, match="does not say on which device"):
        be.from_dlpack(Failing(device, ValueError()))


def test_what_is_no_capsule():
    class Number:
        def __dlpack__(self, **kwargs):
            return 7

        def __dlpack_device__(self):
            return (1, 0)

    with pytest.raises(DLPackError, match=r"7 is no DLPack capsule.*export the array again"):
        create_backend("cpu").from_dlpack(Number())


def test_ctrl_c_is_no_error_of_the_producer(be):
    with pytest.raises(KeyboardInterrupt):
        be.from_dlpack(Failing(be.dlpack_device(), KeyboardInterrupt()))


@pytest.mark.parametrize("lazy", ["neg", "conj"])
@pytest.mark.parametrize("copy", [None, True])
def test_values_that_are_not_what_is_in_memory(lazy, copy):
    class Lazy:  # as PyTorch's
        def __init__(self):
            self.memory = np.ones((2, 3), np.float32)

        def __dlpack__(self, **kwargs):
            return self.memory.__dlpack__(**kwargs)

        def __dlpack_device__(self):
            return (1, 0)

        def is_neg(self):
            return lazy == "neg"

        def is_conj(self):
            return lazy == "conj"

    with pytest.raises(DLPackError, match=rf"is_{lazy}\(\).*x\.resolve_{lazy}\(\)"):
        create_backend("cpu").from_dlpack(Lazy(), copy=copy)


@pytest.mark.interop
@pytest.mark.parametrize("copy", [None, True])
def test_negative_views_of_torch(copy):
    import torch

    be = create_backend("cpu")
    x = torch.tensor([1 + 2j, 3 + 4j]).conj().imag
    with pytest.raises(DLPackError, match=r"x\.resolve_neg\(\)"):
        be.from_dlpack(x, copy=copy)
    assert be.from_dlpack(x.resolve_neg(), copy=copy).get().tolist() == [[-2], [-4]]


def test_elements_across_the_bounds_of_their_size():
    be = create_backend("cpu")
    shifted = np.frombuffer(bytes(25), np.uint8)[1:].view(np.float32)
    with pytest.raises(DLPackError, match=r"not on multiples of their size; copy it first"):
        be.from_dlpack(shifted)
    assert be.from_dlpack(shifted, copy=True).get().sum() == 0


# ---- no elements ---------------------------------------------------------------------------------


@pytest.mark.parametrize("copy", [None, False, True])
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 3)])
def test_nothing_is_taken_from_anybody(memory, shape, copy):
    for dtype in (np.float32, np.int64, np.bool_):
        t = memory.from_dlpack(np.empty(shape, dtype), copy=copy)
        assert t.shape == (shape if len(shape) > 1 else (0, 1))
        assert t.dtype == dtype
        assert t.get().shape == t.shape
    spread = np.broadcast_to(np.empty((0, 1), np.float32), (0, 5))
    assert memory.from_dlpack(spread, copy=copy).shape == (0, 5)


def test_nothing_at_no_address():
    be = create_backend("cpu")
    for shape in ((0, 3), (3, 0)):
        nowhere = Edited(be.empty(shape), data=None)
        assert be.from_dlpack(nowhere).shape == shape


@pytest.mark.interop
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 3)])
def test_nothing_of_torch(memory, shape):
    import torch

    t = memory.from_dlpack(torch.empty(shape))
    assert t.shape == (shape if len(shape) > 1 else (0, 1))
    assert torch.from_dlpack(t.host()).shape == t.shape


def test_elements_that_repeat_are_still_refused():
    one = np.broadcast_to(np.ones((1, 3), np.float32), (2, 3))
    with pytest.raises(NeonportError, match="copy it first"):
        create_backend("cpu").device.adopt_array(one)

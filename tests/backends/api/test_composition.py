"""`Backend` is flat: its parts have no bases and share no name; a device is two classes deep."""

from __future__ import annotations

import inspect
import itertools
from importlib import import_module

import numpy as np
import pytest

from neonport.backends.backend import Backend
from neonport.engine.device import Device
from neonport.ops.op import OPS
from neonport.optree.node import apply

PARTS = Backend.__bases__
DEVICES = ("cpu.device:CPUDevice", "null.device:NullDevice", "opencl.device:OpenCLDevice",
           "cuda.device:CUDADevice")  # fmt: skip


@pytest.mark.parametrize("part", PARTS, ids=lambda c: c.__name__)
def test_a_part_has_no_base(part):
    assert part.__bases__ == (object,)


@pytest.mark.parametrize(
    ("one", "other"), list(itertools.combinations(PARTS, 2)), ids=lambda c: c.__name__
)
def test_parts_define_no_name_twice(one, other):
    hidden = {"__module__", "__doc__", "__dict__", "__weakref__", "__annotations__"}
    assert not (set(vars(one)) & set(vars(other))) - hidden


@pytest.mark.parametrize("part", PARTS, ids=lambda c: c.__name__)
def test_what_a_part_asks_for_is_there(be, part):
    for name in inspect.get_annotations(part):
        assert hasattr(be, name), f"{part.__name__} asks for {name}"


@pytest.mark.parametrize("path", DEVICES)
def test_a_device_is_two_classes_deep_at_most(path):
    module, _, name = path.partition(":")
    found = getattr(import_module(f"neonport.backends.{module}"), name)
    above = [c for c in found.__mro__[1:] if c.__module__.startswith("neonport.")]
    assert above[-1] is Device
    assert len(above) <= 2
    assert not inspect.isabstract(found)


def test_memory_and_copies_are_all_that_is_required():
    assert Device.__abstractmethods__ == {"probe", "allocate", "read", "write"}


def test_a_call_without_a_kernel_runs_its_numpy_definition(be, monkeypatch):
    monkeypatch.setattr(type(be.device), "library_call", Device.library_call)
    x = np.arange(2 * 1 * 4 * 4 * 3, dtype=np.float32).reshape(2, 1, 4, 4, 3)
    form = {"how": "max", "window": (1, 1, 2, 2), "padding": (0, 0, 0, 0), "stride": (1, 1, 2, 2)}
    size = (2, 1, 2, 2)
    y = be.empty((*size, 3))
    y[:] = apply("pool", be.array(x), **form, size=size)
    np.testing.assert_array_equal(y.get(), OPS["pool"].numpy(x, **form, size=size))

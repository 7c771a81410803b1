"""Mistakes in the device of a backend are named, with what to write instead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.backends.backend import Backend
from neonport.backends.cpu.device import CPUDevice
from neonport.backends.host import memory
from neonport.compiler.codegen.cpu.dialect import c_dialect
from neonport.engine.device import Capabilities, Device
from neonport.errors import DeviceContractError
from neonport.tensor.storage import Storage


class Plain(Device):
    """Memory of the host behind copies, and a C compiler that nobody asks."""

    @classmethod
    def probe(cls) -> Any:
        return CPUDevice.probe()

    def allocate(self, nbytes: int) -> Any:
        return memory.allocate(nbytes)

    def read(self, storage: Storage, start: int, out: np.ndarray) -> None:
        out[...] = storage.native.view(np.uint8).reshape(-1)[start : start + out.nbytes]

    def write(self, storage: Storage, start: int, values: np.ndarray) -> None:
        storage.native.view(np.uint8).reshape(-1)[start : start + values.nbytes] = values


def backend_of(device: Any) -> Backend:
    return type("Mine", (Backend,), {"backend_name": "mine", "device_class": device})(rng_seed=0)


def with_part(**parts: Any) -> type[Device]:
    return type("Wrong", (Plain,), parts)


def no_device_id(self: Any) -> None:
    Plain.__init__(self)


def no_super(self: Any, device_id: int = 0) -> None:
    self.opened = device_id


@pytest.mark.parametrize(
    ("device", "words"),
    [
        (None, r"^Mine\.device_class is None; give a subclass of .*Device$"),
        (Storage, "device_class is <class .*Storage"),
        (with_part(__init__=no_device_id), r"Wrong\.__init__.*must take device_id"),
        (with_part(__init__=no_super), r"Wrong\.__init__.*must call super"),
        (with_part(capabilities={"dtypes": ()}), r"Wrong\.capabilities is \{.*Capabilities\("),
        (with_part(capabilities=Capabilities(dtypes="float32")), "dtypes is 'float32'.* tuple"),  # type: ignore[arg-type]
        (with_part(capabilities=Capabilities(dtypes=("f32",))), "float16, bfloat16, float32"),
        (with_part(capabilities=Capabilities(dtypes=())), r"dtypes is \(\)"),
        (with_part(dialect="C"), r"Wrong\.dialect is 'C'; give a Dialect"),
    ],
)
def test_construction(device: Any, words: str) -> None:
    with pytest.raises(DeviceContractError, match=words):
        backend_of(device)


def test_other_mistakes_of_a_constructor_stay_what_they_are() -> None:
    def missing(self: Any, device_id: int = 0, *, path: str) -> None:
        Plain.__init__(self, device_id)

    with pytest.raises(TypeError, match="path") as caught:
        backend_of(with_part(__init__=missing))
    assert not isinstance(caught.value, DeviceContractError)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda self, n: bytearray(n), r"Wrong\.allocate returned a bytearray; .*Storage\("),
        (lambda self, n: None, "returned a NoneType"),
        (lambda self, n: memory.allocate(n // 2), r"allocate\(48\) returned a Storage of 24 bytes"),
    ],
)
def test_memory(given: Any, words: str) -> None:
    be = backend_of(with_part(allocate=given))
    with pytest.raises(DeviceContractError, match=words):
        be.empty((3, 4))


@pytest.mark.parametrize("given", [None, [], ["neo_main"], lambda: None, "x" * 10_000])
def test_compiled_entries(given: Any) -> None:
    be = backend_of(with_part(dialect=c_dialect(), compile_c=lambda self, source, names: given))
    x = be.empty((2, 3))
    with pytest.raises(DeviceContractError, match=r"Wrong\.compile_c returned .*entry\(words, ta"):
        x[:] = be.exp(x)
    with pytest.raises(DeviceContractError) as caught:
        x[:] = be.exp(x)
    assert len(str(caught.value)) < 500


def test_calls_that_are_bound() -> None:
    parts = {"matmul": lambda self, *args: None, "batched_matmul": lambda self, *args: 0}
    be = backend_of(type("Wrong", (CPUDevice,), parts))
    a, b = be.ones((2, 2)), be.ones((2, 2, 2))
    for statement, words in (
        (lambda: be.compound_dot(a, a, be.empty((2, 2))), r"Wrong\.matmul returned None"),
        (lambda: a.__setitem__(slice(None), be.dot(a, a) + 1), r"Wrong\.matmul returned None"),
        (lambda: be.batched_dot(b, b, be.empty((2, 2, 2))), "batched_matmul returned 0"),
    ):
        with pytest.raises(DeviceContractError, match=words):
            statement()
    be = backend_of(type("Wrong", (CPUDevice,), {"library_call": lambda self, *args: 3}))
    x = be.ones((2, 3))
    with pytest.raises(DeviceContractError, match=r"library_call\('sort', \.\.\.\) returned 3"):
        x[:] = be.sort(x, axis=1)

"""The faults that are planted for the conformance suite show in a short training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neonport.backends.cpu.device import CPUDevice
from neonport.checking.finding import WrongResultWarning
from neonport.checking.opinion import second_opinion
from neonport.checking.second import SecondBackend
from neonport.engine.executor import Executor
from neonport.errors import CompileError, DLPackError, OutOfDeviceMemory, WrongResultError
from neonport.testing.suite.devices.faults import Switch, failing_launches, replaced
from tests.checking import trainings as of
from tests.testing import test_finds_device_faults as of_devices
from tests.testing import test_finds_faults as of_ops

CHECK = "cpu:1:raise"
A_WARNING = pytest.mark.filterwarnings("ignore:.*kernels are not compiled")

NUMPY_RUNS = {of_ops.Evaluator, *(part for _, part, _ in of_ops.FAULTS.values())}

# fault: (a training in which it shows, words of what is said)
OPS: dict[str, tuple[Any, str]] = {
    "memory is not zeroed": (of.dense, "memory that is not zero"),
    "memory is not zeroed again": (of.quantized("int32", 3.0), "memory that is not zero"),
    "nbytes is rounded up": (of.dense, "a block of 64 bytes"),
    "equal addresses": (of.dense, "an address that is in use"),
    "equal memory": (of.dense, "the operand"),
    "copy_out gives a view": (of.dense, "live memory"),
    "copy_out gives a frozen array": (of.dense, "cannot be written"),
    "copy_in reads later": (of.dense, "read after it has returned"),
    "out of memory is not translated": (of.too_large, "raised MemoryError"),
    "out of memory is not noticed": (of.wide, "gives a block of 1048576 bytes"),
    "read-only memory is written": (of.on_arrays, "are forbidden, and its tensor takes them"),
    "read-only is lost": (of.on_arrays, "are forbidden, and its tensor takes them"),
    "the owner is dropped": (of.on_arrays, "is let go while a tensor is over it"),
    "the owner is kept": (of.on_arrays, "is kept after its last tensor is gone"),
    "an exported copy shares": (of.exporting(True), "the live memory instead of a copy"),
    "a little off": (of.computes(lambda be, x: be.exp(x)), "elements that exp gives"),
    "float16 arithmetic": (of.computes(lambda be, x: x + 0.1), "elements that add gives"),
    "fast reciprocal": (of.computes(lambda be, x: 1 / x), "elements that div gives"),
    "nan is lost": (of.computes(lambda be, x: be.max(x, axis=0), of.with_gaps), "that max gives"),
    "nan compares": (of.computes(lambda be, x: x < 0.5, of.with_gaps), "that lt gives"),
    "last tie": (of.computes(lambda be, x: be.argmax(be.rint(x), axis=0)), "that argmax gives"),
    "variance in one pass": (
        of.computes(lambda be, x: be.var(x, axis=0), lambda: of.features() + 3000),
        "that var gives",
    ),
    "ties away from zero": (of.computes(lambda be, x: be.rint(x), of.halves), "that rint gives"),
    "wrong sign of 0 ** odd": (of.computes(lambda be, x: x**3), "that pow gives"),
    "one store before the next read": (of.dense, "are wrong"),
    "truncating stores": (of.quantized("int32", 3.0), "are wrong"),
    "wrapping stores": (of.quantized("int8", 1000.0), "are wrong"),
    "writes outside of views": (of.paths, "outside of the target were written"),
    "other random numbers": (of.dense, "random numbers come from"),
    "reads an output that beta = 0 hides": (of.dense, "elements that dot gives"),
    "forgets alpha": (of.paths, "elements that add gives"),
    "raises": (of.computes(lambda be, x: be.tanh(x)), "tanh raised NotImplementedError"),
}
DEVICES: dict[str, tuple[Any, str]] = {
    "says that it compiles": (of.dense, "says that it compiles kernels"),
    "a replay forgets a launch": (of.recorded, "a replay left"),
    "a replay has old numbers": (of.recorded, "a replay left"),
    "products are off": (of.dense, "elements that dot gives"),
    "exports are copies": (of.exporting(None), "a copy, of which writes do not arrive"),
    "an error is swallowed": (of.beyond_memory, "OutOfDeviceMemory (no block of"),
    "a target is written first": (of.dense, "are wrong"),
    "an error gets another name": (of.beyond_memory, "in place of OutOfDeviceMemory"),
    "nothing works after an error": (of.smaller_after_an_error, "a statement failed before"),
}
# in these memory runs out, on a device that is right too, if kernels need room between them
ON_SMALL_MEMORY = (of.beyond_memory, of.smaller_after_an_error)


def with_fault(part: type, training: Any = None) -> Any:
    """A backend with one part replaced.

    Args:
        part: a device, an executor or a backend.
        training: what will run there; in some the blocks of memory are small.
    """
    be = (of_ops if part in NUMPY_RUNS else of_devices).make(part)
    if training in ON_SMALL_MEMORY:
        be.device = of.SmallMemory()
        be.executor = part(be, be.device)
    be.bsz = 4
    return be


def test_every_planted_fault_is_found_in_a_training():
    assert OPS.keys() == of_ops.FAULTS.keys()
    assert DEVICES.keys() == of_devices.FAULTS.keys()


@A_WARNING
@pytest.mark.parametrize("fault", [*OPS, *DEVICES])
def test_it_is_found(fault):
    faults, found = (of_ops.FAULTS, OPS) if fault in OPS else (of_devices.FAULTS, DEVICES)
    training, words = found[fault]
    be = with_fault(faults[fault][1], training)
    with pytest.raises(WrongResultError) as caught:
        training(be, check=CHECK)
    assert words in str(caught.value)
    assert "second opinion of cpu:0" in str(caught.value)
    assert be.second_opinion is None


def every(found: dict[str, tuple[Any, str]]) -> list[Any]:
    """Each training once; those of one formula are all different."""
    return list({id(training): training for training, _ in found.values()}.values())


@A_WARNING
@pytest.mark.parametrize("part", [of_ops.Evaluator, Executor])
def test_without_a_fault_the_same_trainings_say_nothing(part):
    ends = {of.too_large, *([of.beyond_memory] if part is Executor else [])}
    for training in every(OPS | DEVICES):
        be = with_fault(part, training)
        with second_opinion(be, CHECK) as (opinion,):
            if training in ends:
                with pytest.raises(OutOfDeviceMemory):
                    training(be)
            else:
                training(be)
        assert opinion.checked > 10
        assert not opinion.findings


def test_a_dtype_that_is_taken_must_be_declared():
    be = of_devices.make(of_devices.TakesAnyDtype, ("float32",))
    with pytest.raises(WrongResultError, match="a tensor of float64 takes part, which"):
        of.quantized("float64", 3.0)(be, check=CHECK)


# ---- what is said of errors ---------------------------------------------------------------------


def test_the_error_of_a_device_is_the_cause():
    be = with_fault(of_ops.Raises)
    with pytest.raises(WrongResultError) as caught:
        OPS["raises"][0](be, check=CHECK)
    assert type(caught.value.__cause__) is NotImplementedError
    finding = caught.value.finding
    assert finding.op == "tanh"
    assert "none of neonport's errors; cpu:0 computes the same statement" in finding.problem


@pytest.mark.parametrize("rate", ["1", "0.000001"])
def test_after_a_warning_the_error_comes_through_at_any_rate(rate):
    be = with_fault(of_ops.Raises)
    with pytest.warns(WrongResultWarning, match="tanh raised"), pytest.raises(NotImplementedError):
        OPS["raises"][0](be, check=f"cpu:{rate}")


@pytest.mark.parametrize("rate", ["1", "0.000001"])
@pytest.mark.parametrize("kind", ["statement", "product"])
def test_an_error_of_what_ran_before_is_looked_at_too(kind, rate):
    be, switch = of_devices.make(Executor), Switch()
    x, y = be.array(np.ones((4, 4))), be.array(np.full((4, 4), 5.0))

    def matmul(before):
        def bind(*operands):
            call = before(*operands)
            return lambda: (switch.check(), call())

        return bind

    def program():
        if kind == "product":
            be.compound_dot(x, x, y, beta=1.0)
        else:
            y[:] = y + x

    with (
        second_opinion(be, f"cpu:{rate}:raise") as (opinion,),
        failing_launches(be.device, switch),
        replaced(be.device, "matmul", matmul),
    ):
        program()
        program()
        kept = y.get()
        switch.error = RuntimeError("driver error 700")
        with pytest.raises(WrongResultError, match=r"add raised .*700") as caught:
            program()
        assert caught.value.__cause__ is switch.error
        assert switch.raised == 1  # it is not tried again
        switch.error = OutOfDeviceMemory("no room")
        with pytest.raises(OutOfDeviceMemory, match="no room"):
            program()
        switch.error = None
        assert np.array_equal(y.get(), kept)
        program()
        assert not np.array_equal(y.get(), kept)
    assert len(opinion.findings) == 1


def test_an_error_that_both_backends_raise_is_about_the_statement(monkeypatch):
    def fails(self, *args):
        raise NotImplementedError("nobody has a tanh")

    monkeypatch.setattr(SecondBackend, "results", fails)
    be = with_fault(of_ops.Raises)
    with second_opinion(be, CHECK) as (opinion,), pytest.raises(NotImplementedError):
        OPS["raises"][0](be)
    assert opinion.checked
    assert not opinion.findings


def test_an_error_of_our_own_is_no_finding():
    be = with_fault(Executor, of.beyond_memory)
    with second_opinion(be, CHECK) as (opinion,), pytest.raises(OutOfDeviceMemory):
        of.beyond_memory(be)
    assert not opinion.findings


@pytest.mark.parametrize("method", ["copy_in", "copy_out", "allocate"])
def test_an_error_of_a_copy_or_allocation_is_named(method):
    class Breaks(CPUDevice):
        """Says what its driver says."""

    def fails(self, *args):
        raise RuntimeError("driver error 719")

    be = of_devices.make(Breaks)
    x = be.array(np.ones((3, 4)))
    setattr(Breaks, method, fails)
    calls = {"copy_in": lambda: x.set(np.zeros((3, 4))), "copy_out": x.get}
    with second_opinion(be, CHECK), pytest.raises(WrongResultError) as caught:
        calls.get(method, lambda: be.empty((3, 4)))()
    assert f"{method}" in caught.value.finding.op
    assert "raised RuntimeError (driver error 719), which is none of" in str(caught.value)


def test_a_swallowed_error_is_found_at_any_rate():
    be = with_fault(of_devices.Swallows, of.beyond_memory)
    with second_opinion(be, "cpu:0.000001:raise") as (opinion,):
        with pytest.raises(WrongResultError, match=r"was raised on the way; \d+ of 256"):
            of.beyond_memory(be)
        assert opinion.checked == 1


def test_a_device_that_has_another_way_may_be_silent_about_an_error():
    class Frugal(Executor):
        """Lets NumPy evaluate what needs more memory than there is."""

        def run(self, pairs):
            try:
                super().run(pairs)
            except OutOfDeviceMemory:
                self.interpret(pairs)

    for rate in ("1", "0.000001"):
        be = with_fault(Frugal, of.beyond_memory)
        with second_opinion(be, f"cpu:{rate}:raise") as (opinion,):
            of.beyond_memory(be)
        assert opinion.checked
        assert not opinion.findings


# ---- what is rare -------------------------------------------------------------------------------


def test_the_first_adoption_and_export_are_looked_at_whatever_the_rate():
    be = with_fault(of_ops.OwnerIsDropped)
    with second_opinion(be, "cpu:0.000001:raise"), pytest.raises(WrongResultError, match="let go"):
        be.from_dlpack(np.ones((3, 4)))
    be = with_fault(of_ops.SharesACopy)
    x = be.ones((3, 4))
    with second_opinion(be, "cpu:0.000001:raise"):
        np.from_dlpack(x)  # shared, as was asked for
        with pytest.raises(WrongResultError, match="live memory"):
            np.from_dlpack(x, copy=True)


def test_adopted_memory_has_the_values_of_its_owner_and_is_shared():
    class Shifted(CPUDevice):
        """Begins an element too late."""

        def adopt_array(self, array):
            return super().adopt_array(np.roll(array, 1))

    class Elsewhere(CPUDevice):
        """Adopts other memory than it is given."""

        def adopt_array(self, array):
            return super().adopt_array(array.copy())

    for part, words in ((Shifted, "holds other values"), (Elsewhere, "is not shared")):
        be = of_devices.make(part)
        with second_opinion(be, CHECK), pytest.raises(WrongResultError, match=words):
            be.from_dlpack(np.arange(12, dtype=np.float32).reshape(3, 4))


def test_what_others_write_meanwhile_is_no_finding():
    values = np.zeros((3, 4), np.float32)

    class Beside(CPUDevice):
        """Another thread writes whenever values are read."""

        def copy_out(self, source):
            values[:] += 1
            return super().copy_out(source)

    be = of_devices.make(Beside)
    with second_opinion(be, CHECK) as (opinion,):
        be.from_dlpack(values)
    assert opinion.checked == 1
    assert not opinion.findings


def test_what_the_host_cannot_read_is_not_compared(monkeypatch):
    def refuses(x):
        raise DLPackError("not by NumPy")

    be = of_devices.make(Executor)
    monkeypatch.setattr("neonport.checking.device.exchange.host_array", refuses)
    with second_opinion(be, CHECK) as (opinion,):
        be.from_dlpack(np.ones((3, 4)))
    assert opinion.checked == 1
    assert not opinion.findings


@pytest.mark.parametrize("kind", ["array", "read-only", "tensor", "column", "bits", "empty"])
def test_memory_of_many_kinds_is_adopted_and_exported_without_a_word(kind, be):
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    values[0, 0] = np.nan
    made = {
        "array": values,
        "read-only": values.copy(),
        "tensor": be.array(values),
        "column": values[::2, 1::2],
        "bits": values.view(np.uint32),
        "empty": values[:0],
    }[kind]
    if kind == "read-only":
        made.flags.writeable = False
    with second_opinion(be, CHECK) as (opinion,):
        try:
            tensor = be.from_dlpack(made)
        except DLPackError:  # the memory of the host is not that of this device
            tensor = be.from_dlpack(made, copy=True)
        assert tensor.size == np.size(made.get() if kind == "tensor" else made)
        for copy in (None, False, True):
            tensor.__dlpack__(dl_device=tensor.__dlpack_device__(), max_version=(1, 0), copy=copy)
    assert not opinion.findings


def test_a_device_that_compiles_some_statements_is_not_accused():
    class Some(CPUDevice):
        """Its compiler takes statements without an exponential."""

        def prefetch(self, kernels):
            if any(node.op == "exp" for kernel in kernels for node in kernel.kernel.nodes):
                raise CompileError("no exponentials here")
            super().prefetch(kernels)

        def give_up_kernels(self, error):
            return True

    be = of_devices.make(Some)
    x = be.array(np.ones((3, 4)))
    with second_opinion(be, CHECK) as (opinion,):
        out = [be.empty((3, 4)) for _ in range(20)]
        out[0][:] = x + 1
        for number, y in enumerate(out):
            y[:] = be.exp(x) * number
    assert not opinion.findings

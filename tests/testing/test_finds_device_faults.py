"""Devices and libraries with one fault each in what is no op: levels, recording, errors."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from neonport.backends.cpu.device import CPUBackend, CPUDevice
from neonport.engine.device import Capabilities
from neonport.engine.executor import Executor
from neonport.errors import CompileError, ConfigurationError, OutOfDeviceMemory
from neonport.testing import conformance
from neonport.testing.abilities import declared


class SaysItCompiles(CPUDevice):
    """Its compiler refuses every kernel, so NumPy runs."""

    @property
    def compiles(self):
        return True

    def prefetch(self, kernels):
        raise CompileError("no compiler after all")

    def give_up_kernels(self, error):
        return True


class ForgetsALaunch(CPUDevice):
    """Replays all launches but the last."""

    def make_replay(self, recorder):
        replay, how = super().make_replay(recorder)
        recorder.parts.pop()
        return super().make_replay(recorder)[0] if recorder.parts else replay, how


class OldNumbers(CPUDevice):
    """Replays what was recorded, without numbers and random numbers of the step."""

    def make_replay(self, recorder):
        launches = recorder.launches()
        return lambda: [launch() for launch in launches], "launches"


class ProductsAreOff(CPUDevice):
    def matmul(self, a, b, c, alpha, beta):
        return super().matmul(a, b, c, alpha * 1.003, beta)


class SharesNothing(CPUDevice):
    """Its exports are copies."""

    def dlpack_export(self, tensor, *, stream, max_version, copy):
        return super().dlpack_export(tensor, stream=stream, max_version=max_version, copy=True)


class TakesAnyDtype(CPUBackend):
    def check_dtype(self, dtype):
        """Refuse nothing."""


class Swallows(Executor):
    """Goes on after an error."""

    def run(self, pairs):
        with suppress(OutOfDeviceMemory):
            super().run(pairs)


class HalfWritten(Executor):
    """Writes the target before it knows whether it can."""

    def run(self, pairs):
        for target, _ in pairs:
            self.device.copy_in(target, np.zeros(target.shape, target.dtype))
        super().run(pairs)


class Renames(Executor):
    """Raises another error than the device did."""

    def run(self, pairs):
        try:
            super().run(pairs)
        except OutOfDeviceMemory as error:
            raise RuntimeError("something failed") from error


class Broken(Executor):
    """Is lost after the first error."""

    failed = False

    def run(self, pairs):
        if self.failed:
            raise RuntimeError("a statement failed before")
        try:
            super().run(pairs)
        except Exception:
            self.failed = True
            raise


FAULTS = {
    "says that it compiles": ("level", SaysItCompiles, "NumPy did"),
    "a replay forgets a launch": ("recording", ForgetsALaunch, "step"),
    "a replay has old numbers": ("recording", OldNumbers, "of step"),
    "products are off": ("trainings", ProductsAreOff, "elements"),
    "exports are copies": ("level", SharesNothing, "what adopted its memory differ"),
    "an error is swallowed": ("faults", Swallows, "was swallowed"),
    "a target is written first": ("faults", HalfWritten, "failed was written"),
    "an error gets another name": ("faults", Renames, "raised RuntimeError (something failed)"),
    "nothing works after an error": ("faults", Broken, "afterwards, a statement raises"),
}


def make(part, dtypes=None):
    """The cpu backend with one part replaced."""
    made = (part if issubclass(part, CPUBackend) else CPUBackend)(rng_seed=0)
    made.bsz = 4
    if issubclass(part, CPUDevice):
        made.device = part()
    if dtypes:
        made.device.capabilities = replace(made.device.capabilities, dtypes=dtypes)
    made.executor = (part if issubclass(part, Executor) else Executor)(made, made.device)
    return made


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_found(fault):
    op, part, words = FAULTS[fault]
    failed = [r for r in conformance.run(make(part), only=[op]) if not r.passed]
    assert failed
    assert any(words in r.message for r in failed), failed[0].message


def test_a_dtype_that_is_taken_must_be_declared():
    be = make(TakesAnyDtype, ("float32",))
    results = {r.case_id: r for r in conformance.run(be, only=["undeclared"])}
    assert not results["float64 is refused"].passed
    assert "which is not declared" in results["float64 is refused"].message


def test_what_is_not_declared_is_listed_with_the_number_of_its_cases():
    class Few(CPUDevice):
        capabilities = Capabilities(dtypes=("float32",), device_type=0, host_memory=True)
        compiles = False

    be = make(Few)
    lacks = {lack.name: lack for lack in conformance.undeclared(be)}
    assert set(lacks) == {
        "float16", "bfloat16", "float64", "kernels", "convolution", "recording", "random numbers",
    }  # fmt: skip
    tested = sum(1 for _ in conformance.applicable(be))
    skipped = [c for c in conformance.cases() if not c.needs <= declared(be)]
    refusals = sum(1 for c in skipped if any(n.startswith("without") for n in c.needs))
    assert tested + len(skipped) == len(list(conformance.cases()))
    assert max(lack.cases for lack in lacks.values()) < len(skipped) - refusals
    assert lacks["kernels"].level == 1
    assert "compile_c" in lacks["kernels"].how


def test_a_level_asks_for_what_the_lower_ones_have():
    with conformance.opened("cpu") as be:
        ids = {n: [c.id for c in conformance.applicable(be, ["level"], n)] for n in range(4)}
    assert [len(ids[n]) for n in range(4)] == [0, 1, 3, 6]
    assert all(id_[0] <= str(level) for level, found in ids.items() for id_ in found)


def test_a_level_that_there_is_not():
    with conformance.opened("cpu") as be:
        with pytest.raises(ConfigurationError, match="no level 4; 0: memory and copies; 1: comp"):
            list(conformance.run(be, level=4))
        with pytest.raises(ConfigurationError, match="seed -1"):
            list(conformance.run(be, seed=-1))


def test_a_seed_gives_other_numbers_under_the_same_names():
    errors, be = [], make(Executor)
    be.executor.run = be.executor.interpret
    for seed in (0, 5, 5):
        results = list(conformance.run(be, only=["dot", "sum"], seed=seed))
        assert all(r.passed for r in results)
        errors.append({(r.op, r.case_id): r.max_error for r in results})
    assert errors[0].keys() == errors[1].keys()
    assert errors[1] == errors[2]
    for op in ("dot", "sum"):
        assert any(errors[0][key] != errors[1][key] for key in errors[0] if key[0] == op)


def test_errors_in_units_of_the_last_place_and_of_the_bound():
    with conformance.opened("cpu") as be:
        rounded, exact, empty = (
            conformance.run_case(be, conformance.find_case("dot", f"float32 {label}"))
            for label in ("(17, 100, 1)", "(1, 1, 1)", "(0, 3, 5)")
        )
    assert 0 < rounded.ulps == rounded.max_error / np.finfo(np.float32).eps
    assert 0 < rounded.share == rounded.max_error / rounded.bound < 1
    assert exact.ulps is not None
    assert (empty.ulps, empty.share) == (None, None)


def test_units_are_those_of_what_is_computed_and_gradients_have_none():
    with conformance.opened("cpu") as be:
        narrow = conformance.find_case("add", "int32 with float32 into float64")
        ulps = conformance.run_case(be, narrow).ulps
        gradient = conformance.run_case(be, conformance.find_case("add", "gradient of operand 0"))
    assert 0 < ulps <= 0.5
    assert gradient.ulps is None
    assert gradient.share < 1

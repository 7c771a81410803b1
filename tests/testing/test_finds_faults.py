"""Backends with one fault each: the suite must see it, and say where."""

from __future__ import annotations

import ctypes
import itertools
import weakref
from typing import Any

import numpy as np
import pytest

from neonport.backends.cpu.device import CPUBackend, CPUDevice
from neonport.dtypes import cast
from neonport.engine.device import Device
from neonport.engine.evaluator import drawn, evaluate
from neonport.engine.executor import Executor
from neonport.ops.philox import PhiloxState
from neonport.optree.node import OpTreeNode
from neonport.tensor.storage import Storage
from neonport.testing import conformance


class Evaluator(Executor):
    """Runs every statement in NumPy."""

    def run(self, pairs):
        self.interpret(pairs)


def make(part: type) -> CPUBackend:
    """The cpu backend without compiled code, with one part replaced."""
    made = CPUBackend(rng_seed=0)
    if issubclass(part, Device):
        made.device = part()
    elif issubclass(part, CPUBackend):
        made = part(rng_seed=0)
    made.executor = (part if issubclass(part, Executor) else Evaluator)(made, made.device)
    return made


def after(op: str, change: Any) -> type:
    """An executor that changes the stored result of an op: `change(result, operands)`."""

    class Faulty(Evaluator):
        def interpret(self, pairs):
            operands = [
                [a.get() if hasattr(a, "get") else a for a in tree.args]
                if isinstance(tree, OpTreeNode)
                else []
                for _, tree in pairs
            ]
            super().interpret(pairs)
            for (target, tree), values in zip(pairs, operands, strict=True):
                if isinstance(tree, OpTreeNode) and tree.op == op and target.size:
                    with np.errstate(all="ignore"):
                        target.native[...] = change(target.native, tree, *values)

    return Faulty


def last_tie(result, tree, x):
    axes = tree.params["axes"]
    if len(axes) != 1:
        return result
    flipped = np.flip(x, axes[0])
    return x.shape[axes[0]] - 1 - np.expand_dims(flipped.argmax(axes[0]), axes[0])


def one_pass(result, tree, x):
    axes, x = tree.params["axes"], x.astype(np.float32)
    mean = x.mean(axis=axes, keepdims=True)
    return (x * x).mean(axis=axes, keepdims=True) - mean * mean


class InOrder(Evaluator):
    """Stores the first result before the second operand is read."""

    def interpret(self, pairs):
        for pair in pairs:
            super().interpret([pair])


class Truncating(Evaluator):
    def interpret(self, pairs):
        draws = drawn(pairs, self.owner.philox.reserve_with_key)
        values = [evaluate(v, t.shape, draws) for t, v in pairs]
        for (target, _), value in zip(pairs, values, strict=True):
            whole = np.trunc(value) if target.dtype.kind in "iu" else value
            target.native[...] = cast(whole, target.dtype)


class Wrapping(Evaluator):
    def interpret(self, pairs):
        draws = drawn(pairs, self.owner.philox.reserve_with_key)
        values = [evaluate(v, t.shape, draws) for t, v in pairs]
        for (target, _), value in zip(pairs, values, strict=True):
            with np.errstate(all="ignore"):
                target.native[...] = np.rint(value.astype(np.float64)).astype(target.dtype)


class Spilling(Evaluator):
    """Writes the whole buffer that the target is a view of."""

    def interpret(self, pairs):
        super().interpret(pairs)
        for target, _ in pairs:
            if target.base is not None and target.size:
                kept = target.get()
                target._original_base.native[...] = 1
                target.native[...] = kept


class Skipping(PhiloxState):
    def reserve_with_key(self, n, dtype=np.float32):
        super().reserve_with_key(4)
        return super().reserve_with_key(n, dtype)


class OtherNumbers(CPUBackend):
    def gen_rng(self, seed=None):
        rng = super().gen_rng(seed)
        self.philox = Skipping(seed)
        return rng


class ReadsTheOutput(CPUDevice):
    def matmul(self, a, b, c, alpha, beta):
        def call():
            c.native[...] = alpha * (a.native @ b.native) + beta * c.native

        return call


class NoAlpha(CPUDevice):
    def matmul(self, a, b, c, alpha, beta):
        return super().matmul(a, b, c, 1.0, beta)


class Raises(Evaluator):
    def interpret(self, pairs):
        if any(isinstance(v, OpTreeNode) and v.op == "tanh" for _, v in pairs):
            raise NotImplementedError("tanh is not supported on this device")
        super().interpret(pairs)


class NotZeroed(CPUDevice):
    def allocate(self, nbytes):
        storage = super().allocate(nbytes)
        storage.native[...] = 3
        return storage


class UsedAgain(CPUDevice):
    """A pool that hands out memory as it came back."""

    def __init__(self, device_id=0):
        super().__init__(device_id)
        self.free = {}

    def allocate(self, nbytes):
        kept = self.free.setdefault(nbytes, [])
        storage = super().allocate(nbytes)
        if kept:
            block = kept.pop()
            storage = Storage(block, nbytes, storage.space, block.ctypes.data)
        weakref.finalize(storage, kept.append, storage.native)
        return storage


class WrongLength(CPUDevice):
    def allocate(self, nbytes):
        storage = super().allocate(nbytes)
        return Storage(storage.native, max(nbytes, 64), storage.space, storage.address)


class OneAddress(CPUDevice):
    def allocate(self, nbytes):
        storage = super().allocate(nbytes)
        return Storage(storage.native, nbytes, "npu", 0)


class OneBlock(CPUDevice):
    """Memory that is shared by all blocks of a size."""

    def __init__(self, device_id=0):
        super().__init__(device_id)
        self.block = super().allocate(1 << 20)
        self.places = itertools.count(1)

    def allocate(self, nbytes):
        if nbytes > 1 << 20:
            return super().allocate(nbytes)
        self.block.native[:nbytes] = 0
        return Storage(self.block.native[:nbytes], nbytes, "host", next(self.places) << 20)


class LiveCopies(CPUDevice):
    def copy_out(self, source):
        return source.native


class FrozenCopies(CPUDevice):
    def copy_out(self, source):
        values = super().copy_out(source)
        values.flags.writeable = False
        return values


class LateCopies(CPUDevice):
    """Copies in when it waits."""

    def __init__(self, device_id=0):
        super().__init__(device_id)
        self.late = []

    def copy_in(self, target, values):
        self.late.append((target, values))

    def copy_out(self, source):
        self.synchronize()
        return super().copy_out(source)

    def synchronize(self):
        while self.late:
            target, values = self.late.pop(0)
            target.native[...] = values


class RawMemoryError(CPUDevice):
    def allocate(self, nbytes):
        block = np.zeros(nbytes, np.uint8)
        return Storage(block, nbytes, "host", block.ctypes.data)


class Promises(CPUDevice):
    """Gives an address to memory that there is no room for."""

    def allocate(self, nbytes):
        return super().allocate(min(nbytes, 1 << 20))


class WritesAnything(CPUDevice):
    def adopt_array(self, array):
        return super().adopt_array(writable_view(array))


class ReadOnlyIsLost(CPUDevice):
    """Says that it may be written, and cannot."""

    def adopt_array(self, array):
        tensor = super().adopt_array(array)
        object.__setattr__(tensor.storage, "readonly", False)
        return tensor


def writable_view(array):
    """The same memory without the flag."""
    memory = (ctypes.c_char * array.nbytes).from_address(array.ctypes.data)
    view = np.frombuffer(memory, array.dtype).reshape(array.shape)
    KEPT.append(array)
    return view


KEPT = []


class OwnerIsDropped(CPUDevice):
    """Keeps the address, not the array."""

    def adopt_array(self, array):
        memory = (ctypes.c_char * array.nbytes).from_address(array.ctypes.data)
        return super().adopt_array(np.frombuffer(memory, array.dtype).reshape(array.shape))


class OwnerIsKept(CPUDevice):
    def adopt_array(self, array):
        KEPT.append(array)
        return super().adopt_array(array)


class SharesACopy(CPUDevice):
    def dlpack_export(self, tensor, *, stream, max_version, copy):
        return super().dlpack_export(tensor, stream=stream, max_version=max_version, copy=None)


FAULTS = {
    "memory is not zeroed": ("memory", NotZeroed, "not 0 (new)"),
    "memory is not zeroed again": ("memory", UsedAgain, "not 0 (used before)"),
    "nbytes is rounded up": ("memory", WrongLength, "with nbytes 64"),
    "equal addresses": ("memory", OneAddress, "they overlap"),
    "equal memory": ("memory", OneBlock, "share memory"),
    "copy_out gives a view": ("memory", LiveCopies, "live memory"),
    "copy_out gives a frozen array": ("memory", FrozenCopies, "cannot be written"),
    "copy_in reads later": ("memory", LateCopies, "after it has returned"),
    "out of memory is not translated": ("memory", RawMemoryError, "instead of OutOfDeviceMemory"),
    "out of memory is not noticed": ("memory", Promises, "says that there is room"),
    "read-only memory is written": ("memory", WritesAnything, "wrote read-only memory"),
    "read-only is lost": ("memory", ReadOnlyIsLost, "not ReadOnlyError"),
    "the owner is dropped": ("memory", OwnerIsDropped, "was let go while a view is in use"),
    "the owner is kept": ("memory", OwnerIsKept, "kept after its last tensor"),
    "an exported copy shares": ("memory", SharesACopy, "copy=True shares memory"),
    "a little off": ("exp", after("exp", lambda r, t, x: r * (1 + 1e-5)), "elements"),
    "float16 arithmetic": ("add", after("add", lambda r, t, a, b: np.float16(r)), "float32"),
    "fast reciprocal": ("div", after("div", lambda r, t, a, b: r * (1 + 2e-6)), "elements"),
    "nan is lost": ("max", after("max", lambda r, t, x: np.nan_to_num(r)), "nan"),
    "nan compares": ("lt", after("lt", lambda r, t, a, b: r + np.isnan(a + b)), "elements"),
    "last tie": ("argmax", after("argmax", last_tie), "elements"),
    "variance in one pass": ("var", after("var", one_pass), "elements"),
    "ties away from zero": ("rint", after("rint", lambda r, t, x: np.floor(x + 0.5)), "elements"),
    "wrong sign of 0 ** odd": ("pow", after("pow", lambda r, t, a, b: np.abs(r)), "elements"),
    "one store before the next read": ("assign", InOrder, "elements"),
    "truncating stores": ("store", Truncating, "elements"),
    "wrapping stores": ("store", Wrapping, "elements"),
    "writes outside of views": ("add", Spilling, "outside of the target"),
    "other random numbers": ("rand", OtherNumbers, "elements"),
    "reads an output that beta = 0 hides": ("compound_dot", ReadsTheOutput, "elements"),
    "forgets alpha": ("compound_dot", NoAlpha, "elements"),
    "raises": ("tanh", Raises, "raised NotImplementedError: tanh is not supported"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_found(fault):
    op, part, words = FAULTS[fault]
    failed = [r for r in conformance.run(make(part), only=[op]) if not r.passed]
    assert failed
    assert all(r.op == op for r in failed)
    assert any(words in r.message for r in failed), failed[0].message


@pytest.mark.parametrize("op", sorted({op for op, _, _ in FAULTS.values()}))
def test_without_a_fault_nothing_is_found(op):
    results = list(conformance.run(make(Evaluator), only=[op]))
    assert results
    assert not [r for r in results if not r.passed]


def test_one_fault_does_not_fail_other_ops():
    results = list(conformance.run(make(Raises), only=["sig", "tanh"]))
    assert {r.op for r in results if not r.passed} == {"tanh"}
    assert all(r.max_error is None for r in results if r.message.startswith("raised"))

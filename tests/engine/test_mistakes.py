"""Mistakes: each has its own error, which says what is wrong, and changes no tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.backends import cleanup_backend, gen_backend
from neonport.backends.cpu.device import CPUBackend
from neonport.errors import (
    AliasError,
    BackendMismatchError,
    ClosedBackendError,
    ConfigurationError,
    DtypeError,
    NeonportError,
    ReadOnlyError,
    ShapeError,
)
from neonport.optree.node import apply


class World:
    """Some tensors to make mistakes with."""

    def __init__(self, be: Any) -> None:
        rng = np.random.RandomState(0)
        self.be = be
        self.a = be.array(rng.normal(size=(3, 4)), name="a")
        self.b = be.array(rng.normal(size=(5, 4)), name="b")
        self.c = be.array(rng.normal(size=(2, 3, 4)), name="c")
        self.i = be.array(np.arange(3), dtype=np.int32, name="i")
        self.out = be.array(rng.normal(size=(3, 4)), name="out")
        self.out16 = be.empty((3, 5), dtype=np.float16)
        frozen = np.ones((3, 4), np.float32)
        frozen.flags.writeable = False
        self.frozen = be.device.adopt_array(frozen) if isinstance(be, CPUBackend) else None

    def tensors(self) -> list[Any]:
        return [self.a, self.b, self.c, self.i, self.out, self.out16]


def assign(w: World, value: Any) -> None:
    w.out[:] = value


Mistake = Callable[[World], Any]
MISTAKES: dict[str, tuple[Mistake, type[Exception], type[Exception], str]] = {
    "add shapes": (lambda w: w.a + w.b, ShapeError, ValueError, r"add.*\(3, 4\).*\(5, 4\)"),
    "where shapes": (lambda w: w.be.where(w.a, w.b, 1), ShapeError, ValueError, "where"),
    "dot inner": (lambda w: w.be.dot(w.a, w.b), ShapeError, ValueError, r"dot.*\.T"),
    "dot rank": (lambda w: w.be.dot(w.c, w.a), ShapeError, ValueError, "dot"),
    "batched rank": (
        lambda w: apply("batched_dot", w.a, w.b, reduce=False),
        ShapeError,
        ValueError,
        "batched_dot",
    ),
    "batched output": (
        lambda w: w.be.batched_dot(w.a.T, w.c, w.out),
        ShapeError,
        ValueError,
        "batched_dot",
    ),
    "sum axis": (lambda w: w.be.sum(w.a, axis=2), ShapeError, ValueError, "axis 2"),
    "sum axis twice": (lambda w: w.be.sum(w.a, axis=(0, 0)), ShapeError, ValueError, "twice"),
    "sum of a number": (lambda w: w.be.sum(3.0), NeonportError, TypeError, "sum"),
    "empty max": (lambda w: w.be.max(w.be.empty((0, 3)), axis=0), ShapeError, ValueError, "max"),
    "take axis": (lambda w: w.be.take(w.a, [0], axis=5), ShapeError, ValueError, "take"),
    "take host index": (lambda w: w.be.take(w.a, [0, 9], axis=0), IndexError, IndexError, "9"),
    "take float index": (lambda w: w.be.take(w.a, [0.5], axis=0), DtypeError, TypeError, "integer"),
    "take float tensor": (lambda w: w.be.take(w.a, w.b, axis=0), NeonportError, Exception, "take"),
    "onehot axis": (lambda w: w.be.onehot(w.i, axis=2), ShapeError, ValueError, "axis 2"),
    "onehot float": (lambda w: w.be.onehot(w.a[:, :1], axis=0), DtypeError, TypeError, "onehot"),
    "open size": (
        lambda w: w.be.sum(w.be.onehot(w.i, axis=0), axis=0),
        ShapeError,
        ValueError,
        "classes",
    ),
    "reshape size": (lambda w: w.a.reshape(5, 5), ShapeError, ValueError, r"\(3, 4\).*12"),
    "reshape two unknown": (lambda w: w.a.reshape(-1, -1), ShapeError, ValueError, "-1"),
    "reshape a slice": (lambda w: w.a[:, 1:3].reshape(6, 1), ShapeError, ValueError, "copy"),
    "share too much": (lambda w: w.a.share((30, 40)), ShapeError, ValueError, "fit"),
    "permute": (lambda w: w.a.permute((0, 0)), ShapeError, ValueError, "order"),
    "index range": (lambda w: w.a[7], IndexError, IndexError, "7"),
    "index count": (lambda w: w.a[0, 0, 0], IndexError, IndexError, "too many"),
    "index two lists": (lambda w: w.a[[0], [1]], IndexError, IndexError, "one axis"),
    "index two dots": (lambda w: w.a[..., ...], IndexError, IndexError, "Ellipsis"),
    "index by name": (lambda w: w.a["x"], NeonportError, TypeError, "index"),
    "not one number": (lambda w: float(w.a), ShapeError, ValueError, "one number"),
    "ndarray operand": (lambda w: w.a + np.ones((3, 4)), DtypeError, TypeError, r"be\.array"),
    "ndarray on the left": (lambda w: np.ones((3, 4)) + w.a, DtypeError, TypeError, r"be\.array"),
    "text operand": (lambda w: w.be.exp("x"), DtypeError, TypeError, "exp"),
    "complex operand": (lambda w: w.be.exp(1j), DtypeError, TypeError, "exp"),
    "unknown op": (lambda w: apply("sinc", w.a), NeonportError, TypeError, "sinc"),
    "arity": (lambda w: apply("add", w.a), NeonportError, TypeError, "add"),
    "assign shape": (lambda w: assign(w, w.b), ShapeError, ValueError, r"\(5, 4\).*\(3, 4\)"),
    "assign tree": (lambda w: assign(w, w.b * 2.0), ShapeError, ValueError, r"\(5, 4\).*\(3, 4\)"),
    "assign ndarray": (lambda w: assign(w, np.ones((1, 4))), ShapeError, ValueError, "broadcast"),
    "assign list of text": (lambda w: assign(w, [["a"] * 4] * 3), NeonportError, TypeError, "set"),
    "assign text": (lambda w: assign(w, "x"), NeonportError, TypeError, "assign|set"),
    "assign into a tree": (
        lambda w: (w.a + 1).__setitem__(slice(None), 1),
        NeonportError,
        TypeError,
        "tensor",
    ),
    "set shape": (lambda w: w.out.set(np.ones((4, 3))), ShapeError, ValueError, r"\(4, 3\)"),
    "overlapping targets": (
        lambda w: w.be.assign_many([(w.out, w.a * 2.0), (w.out[1:], 1.0)]),
        AliasError,
        ValueError,
        "memory",
    ),
    "product aliases": (
        lambda w: w.be.compound_dot(w.a.T, w.out, w.out),
        NeonportError,
        ValueError,
        "compound_dot",
    ),
    "product shape": (
        lambda w: w.be.compound_dot(w.a, w.b, w.out),
        ShapeError,
        ValueError,
        "compound_dot",
    ),
    "product dtype": (
        lambda w: w.be.compound_dot(w.a, w.b.T, w.be.zeros(w.out.shape, dtype="int32")),
        DtypeError,
        TypeError,
        "int32",
    ),
    "copy_transpose": (
        lambda w: w.be.copy_transpose(w.a, w.out),
        ShapeError,
        ValueError,
        "copy_transpose",
    ),
    "bad shape": (lambda w: w.be.zeros((-1, 2)), ShapeError, ValueError, "negative"),
    "bad shape type": (lambda w: w.be.zeros((2.5, 2)), NeonportError, TypeError, "integer"),
    "bad dtype": (
        lambda w: w.be.zeros((2, 2), dtype="complex64"),
        DtypeError,
        TypeError,
        "complex64",
    ),
    "iobuf list": (lambda w: w.be.iobuf([3, 4]), ConfigurationError, ValueError, "tuple"),
    "random state": (
        lambda w: w.be.rng_set_state((1, 2, 3)),
        ConfigurationError,
        ValueError,
        "rng_set_state",
    ),
    "pool padding": (
        lambda w: w.be.output_dim(8, 2, 2, 1, pooling=True),
        ConfigurationError,
        ValueError,
        "padding",
    ),
    "no dlpack": (lambda w: w.be.from_dlpack([1, 2]), NeonportError, TypeError, "dlpack"),
    "dlpack device": (
        lambda w: w.a.__dlpack__(dl_device=(2, 0)),
        NeonportError,
        BufferError,
        "device",
    ),
    "dlpack bfloat16": (
        lambda w: w.be.zeros((2, 3), dtype="bfloat16").__dlpack__(),
        NeonportError,
        BufferError,
        "share",
    ),
    "dlpack negative": (lambda w: w.a[::-1].__dlpack__(), NeonportError, BufferError, "negative"),
    "negative deviation": (
        lambda w: w.be.fill_normal(w.out, 0, -1),
        ConfigurationError,
        ValueError,
        "negative",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(make_backend, name):
    mistake, cls, builtin, words = MISTAKES[name]
    w = World(make_backend(batch_size=4, rng_seed=0))
    before = [t.get().tobytes() for t in w.tensors()]
    with pytest.raises(cls, match=words) as caught:
        mistake(w)
    assert isinstance(caught.value, builtin)
    assert [t.get().tobytes() for t in w.tensors()] == before


def test_there_are_at_least_forty():
    assert len(MISTAKES) >= 40


def test_read_only_target(make_backend, backend_name):
    w = World(make_backend(batch_size=4, rng_seed=0))
    if w.frozen is None:
        pytest.skip(f"{backend_name} does not adopt host memory")
    for write in (
        lambda: w.frozen.__setitem__(slice(None), w.a),
        lambda: w.frozen.fill(2),
        lambda: w.frozen.set(np.zeros((3, 4))),
        lambda: w.frozen[0].__setitem__(slice(None), 1.0),
    ):
        with pytest.raises(ReadOnlyError, match="read-only"):
            write()
    assert (w.frozen.get() == 1).all()


def test_tensors_of_two_backends(make_backend):
    w = World(make_backend(batch_size=4, rng_seed=0))
    other = CPUBackend(rng_seed=1)
    foreign = other.array(np.ones((3, 4)))
    before = foreign.get().tobytes(), w.out.get().tobytes()
    for mix in (
        lambda: w.a + foreign,
        lambda: assign(w, foreign),
        lambda: w.be.compound_dot(w.a, foreign.T, w.be.empty((3, 3))),
        lambda: foreign.__setitem__(slice(None), w.a * 2.0),
    ):
        with pytest.raises(BackendMismatchError, match=r"be\.array|copy_from"):
            mix()
    assert (foreign.get().tobytes(), w.out.get().tobytes()) == before
    w.out.copy_from(foreign)
    assert (w.out.get() == 1).all()
    other.cleanup_backend()


def test_a_closed_backend():
    be = gen_backend("cpu", batch_size=2)
    t, u = be.zeros((2, 2)), be.zeros((2, 2))
    t[:] = u + 1.0
    cleanup_backend()
    for use in (
        lambda: t.get(),
        lambda: t.__setitem__(slice(None), u + 1.0),
        lambda: t.fill(3),
        lambda: be.zeros((2, 2)),
    ):
        with pytest.raises(ClosedBackendError, match="cleaned up"):
            use()
    assert "cleaned up" in repr(t)

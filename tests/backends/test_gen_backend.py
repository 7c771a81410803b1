"""gen_backend: neon's signature, the one process-wide backend, its life and its errors."""

from __future__ import annotations

import gc
import inspect
import logging
import subprocess
import sys
import textwrap
import weakref

import numpy as np
import pytest

import neonport.backends as backends
from neonport import NervanaObject
from neonport.backends import cleanup_backend, gen_backend
from neonport.errors import (
    BackendUnavailable,
    ClosedBackendError,
    ConfigurationError,
    UnknownBackendError,
)
from neonport.plugins import registry


@pytest.fixture(autouse=True)
def _no_backend_left(monkeypatch):
    monkeypatch.delenv("NEONPORT_BACKEND", raising=False)
    yield
    cleanup_backend()


def test_signature_is_neons():
    assert list(inspect.signature(gen_backend).parameters) == [
        "backend",
        "rng_seed",
        "datatype",
        "batch_size",
        "stochastic_round",
        "device_id",
        "max_devices",
        "compat_mode",
        "deterministic_update",
        "deterministic",
    ]


def test_it_sets_the_process_wide_backend_and_the_batch_size(backend_name, make_backend):
    be = make_backend(batch_size=17, rng_seed=5, datatype=np.float32)
    assert NervanaObject.be is be
    assert be.bsz == 17
    assert be.rng_seed == 5
    assert be.default_dtype == np.float32


def test_the_keywords_of_construction(monkeypatch):
    seen = {}

    class Fake:
        def cleanup_backend(self):
            pass

    def create(name, **keywords):
        seen.update(keywords, name=name)
        return Fake()

    monkeypatch.setattr(registry, "require", lambda name: None)
    monkeypatch.setattr(registry, "create_backend", create)
    gen_backend("npu", 3, np.float16, 9, True, 2, 4, "caffe")
    assert seen == {
        "name": "npu",
        "rng_seed": 3,
        "default_dtype": np.float16,
        "stochastic_round": True,
        "device_id": 2,
        "num_devices": 4,
        "compat_mode": "caffe",
        "deterministic": None,
    }


def test_the_previous_one_lives_as_long_as_something_uses_it():
    first = gen_backend("cpu")
    tensor = first.ones((2, 3))
    second = gen_backend("cpu")
    assert NervanaObject.be is second
    tensor[:] = tensor + 1
    assert (tensor.get() == 2).all()
    gone = weakref.ref(first)
    del first, tensor
    gc.collect()
    assert gone() is None


def test_cleanup_closes_what_was_replaced_as_well():
    first = gen_backend("cpu")
    tensor = first.ones((2, 3))
    second = gen_backend("cpu")
    cleanup_backend()
    assert first.closed
    assert second.closed
    with pytest.raises(ClosedBackendError):
        tensor.get()


@pytest.mark.parametrize("stage", ["found", "constructed"])
def test_one_that_does_not_come_to_be_leaves_the_present_one_alone(monkeypatch, stage):
    be = gen_backend("cpu", batch_size=4)
    tensor = be.ones((2, 2))

    def fail(*args, **keywords):
        raise BackendUnavailable("no device")

    what = {"found": "require", "constructed": "create_backend"}[stage]
    monkeypatch.setattr(registry, what, fail)
    with pytest.raises(BackendUnavailable, match="no device"):
        gen_backend("cpu")
    assert NervanaObject.be is be
    assert tensor.get().sum() == 4


@pytest.mark.parametrize("value", ["x", -1, 2.5, None, True])
def test_a_batch_size_that_is_none(value):
    be = gen_backend("cpu", batch_size=4)
    with pytest.raises(ConfigurationError, match=r"gen_backend: batch_size=.* whole number"):
        gen_backend("cpu", batch_size=value)
    assert NervanaObject.be is be


def test_a_name_that_cannot_be_used_leaves_the_present_one_alone():
    be = gen_backend("cpu", batch_size=4)
    with pytest.raises(UnknownBackendError):
        gen_backend("nonsense")
    assert NervanaObject.be is be
    assert be.zeros((2, 2)).get().sum() == 0


def test_unknown_name_is_a_valueerror_with_the_choices():
    with pytest.raises(
        ValueError, match=r"unknown backend 'cpuu'. Did you mean 'cpu'\? Ready: cpu, "
    ):
        gen_backend("cpuu")


def test_neons_names():
    assert type(gen_backend("mkl")) is type(gen_backend("cpu"))
    assert not gen_backend("mkl").is_mkl()


def test_a_backend_that_is_not_there_says_why(monkeypatch):
    monkeypatch.setattr("neonport.backends.builtin.BUILTIN", ())
    fresh = registry.Registry()
    monkeypatch.setattr(registry, "require", fresh.require)
    with pytest.raises(BackendUnavailable, match=r"backend 'cuda' \(neonport .*not installed"):
        gen_backend("gpu")


@pytest.mark.parametrize("argument", ["deterministic", "deterministic_update"])
@pytest.mark.parametrize("value", [True, False])
def test_deprecated_arguments_are_logged_and_dropped(caplog, argument, value):
    with caplog.at_level(logging.WARNING, "neonport"):
        gen_backend("cpu", **{argument: value})
    assert f"argument {argument} is deprecated" in caplog.text
    caplog.clear()
    gen_backend("cpu")
    assert caplog.text == ""


def test_cleanup_backend_forgets_and_is_repeatable(monkeypatch):
    be = gen_backend("cpu")
    closed = []
    monkeypatch.setattr(be, "cleanup_backend", lambda: closed.append(True))
    cleanup_backend()
    cleanup_backend()
    assert NervanaObject.be is None
    assert closed == [True]


def test_a_cleanup_that_raises_does_not_leave_a_dead_backend(monkeypatch):
    be = gen_backend("cpu")

    def fail():
        raise RuntimeError("device lost")

    monkeypatch.setattr(be, "cleanup_backend", fail)
    with pytest.raises(RuntimeError, match="device lost"):
        cleanup_backend()
    assert NervanaObject.be is None


def test_the_exit_handler_is_registered_once_and_closes_the_backend():
    code = """
        import atexit
        calls = []
        real = atexit.register
        atexit.register = lambda f, *a, **k: (calls.append(f), real(f, *a, **k))[1]
        import neonport
        from neonport.backends import cleanup_backend, gen_backend
        for _ in range(3):
            be = gen_backend("cpu")
        print("registered", calls.count(cleanup_backend))
        close = be.cleanup_backend
        be.cleanup_backend = lambda: (print("closed"), close())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["registered", "1", "closed"], done.stderr


def test_autodiff_is_found_here_and_imported_late():
    from neonport.autodiff.autodiff import Autodiff

    assert backends.Autodiff is Autodiff
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = backends.nonsense

"""A second opinion on a backend: put on and taken off, of trainings, and what it says and saves."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import warnings
import weakref

import numpy as np
import pytest

from neonport.backends import cleanup_backend, gen_backend
from neonport.backends.cpu.device import CPUBackend, CPUDevice
from neonport.checking import examination
from neonport.checking.finding import WrongResultWarning
from neonport.checking.opinion import CountedTable, second_opinion
from neonport.checking.second import SecondBackend
from neonport.engine.device import Device
from neonport.errors import BackendUnavailable, ConfigurationError, WrongResultError
from neonport.foundation.bounded_table import BoundedTable
from neonport.initializers import Gaussian
from neonport.layers import LSTM, Affine, Conv, Dropout, GeneralizedCost, Pooling, RecurrentLast
from neonport.models import Model
from neonport.optimizers import Adam, GradientDescentMomentum
from neonport.plugins.registry import create_backend
from neonport.transforms import CrossEntropyMulti, Logistic, Rectlin, Softmax, Tanh


class WrongProducts(CPUDevice):
    """A library that is wrong in one element, as a broken one would be."""

    def matmul(self, a, b, c, alpha, beta):
        call = super().matmul(a, b, c, alpha, beta)
        view = c.native

        def run():
            call()
            view[-1, -1] *= 1.001

        return run

    def matmuls(self, products):
        return Device.matmuls(self, products)


class WrongBackend(CPUBackend):
    device_class = WrongProducts


@pytest.fixture
def wrong():
    made = WrongBackend(rng_seed=0)
    made.bsz = 8
    yield made
    made.cleanup_backend()


@pytest.fixture
def cpu():
    yield gen_backend("cpu", batch_size=8, rng_seed=0)
    cleanup_backend()


def product(be):
    rng = np.random.RandomState(0)
    a, b, c = be.array(rng.randn(4, 5)), be.array(rng.randn(5, 3)), be.zeros((4, 3))
    a.name, b.name = "a", "b"
    return a, b, c


# ---- on and off ---------------------------------------------------------------------------------


def test_nothing_is_left_when_it_is_off(be):
    objects = (be.device, be.executor, be.tracer)
    before = [dict(vars(x)) for x in objects]
    table = be.bound
    with second_opinion(be, "cpu:1"):
        assert type(be.bound) is CountedTable
        assert [dict(vars(x)) for x in objects] != before
    after = [dict(vars(x)) for x in objects]
    for x, y in zip(before, after, strict=True):
        assert {k: v for k, v in y.items() if callable(v)} == {
            k: v for k, v in x.items() if callable(v)
        }
    assert be.bound is table
    assert type(table) is BoundedTable
    assert be.second_opinion is None


def test_two_of_them_nest(be):
    x, y = be.ones((3, 4)), be.empty((3, 4))
    with second_opinion(be, "cpu:1") as (outer,):
        with second_opinion(be, "cpu:1") as (inner,):
            y[:] = be.exp(x)
            assert inner.checked == 1
        seen = outer.checked
        y[:] = be.exp(x)
        assert outer.checked == seen + 1
    assert be.second_opinion is None


def test_every_run_of_a_statement_is_a_candidate(be):
    x, y, z = be.ones((3, 4)), be.empty((3, 4)), be.empty((3, 4))
    with second_opinion(be, "cpu:1:raise") as (opinion,):
        for i in range(5):  # the same statement with another number
            y[:] = x * float(i)
        be.assign_many([(y, x + 1), (z, x - 1)])
        be.assign_many([(y, x + 1), (z, x - 1)])
        assert opinion.checked == 7
        w, c = be.ones((2, 3)), be.empty((2, 4))
        seen = opinion.checked
        for _ in range(3):
            be.compound_dot(w, x, c)
        assert opinion.checked == seen + 3
        for _ in range(3):
            be.compound_dots((w, x, c), (w, w.T, z[:2, :2]))
        assert opinion.checked == seen + 6
        assert (y.get() == 2).all()


def test_the_rate_is_that_of_the_runs(be):
    x, y = be.ones((3, 4)), be.empty((3, 4))
    with second_opinion(be, "cpu:0.02:raise") as (opinion,):
        for i in range(2000):
            y[:] = x * float(i)
            assert y.get()[0, 0] == i
        assert 20 <= opinion.checked <= 60


def test_what_is_checked_changes_no_value(make_backend):
    found = []
    for check in (None, "cpu:0.3:raise"):
        be = make_backend(batch_size=8, rng_seed=7)
        x, y = be.array(np.random.RandomState(0).randn(6, 8)), be.zeros((6, 8))
        with second_opinion(be, check):
            for _ in range(10):
                y[:] = y * 0.5 + be.dropout(0.5) * x
                y += be.rand()
        found.append(y.get())
    assert np.array_equal(*found)


def test_memory_is_not_held(be):
    x, y = be.ones((3, 4)), be.empty((3, 4))
    with second_opinion(be, "cpu:1:raise"):
        y[:] = be.exp(x)
        be.compound_dot(be.ones((2, 3)), x, be.empty((2, 4)))
        kept = weakref.ref(x.storage)
        del x
        gc.collect()
        assert kept() is None


def test_an_error_of_the_program_comes_through(be):
    x, y = be.ones((3, 4)), be.array(np.full((3, 5), 7.0))
    with second_opinion(be, "cpu:1:raise"):
        with pytest.raises(ValueError, match="does not fit"):
            y[:] = be.exp(x)
        assert (y.get() == 7).all()


def test_threads_are_checked_each_for_itself(be):
    failed = []

    def run(seed):
        try:
            x, y = be.array(np.full((3, 4), seed)), be.empty((3, 4))
            for i in range(20):
                y[:] = x * float(i)
                assert (y.get() == seed * i).all()
        except BaseException as error:
            failed.append(error)

    with second_opinion(be, "cpu:0.5:raise") as (opinion,):
        threads = [threading.Thread(target=run, args=(seed,)) for seed in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed
        assert opinion.checked > 10


def test_where_the_second_backend_fails_the_definition_decides(wrong, monkeypatch):
    def fails(self, *args):
        raise NotImplementedError("no such type here")

    a, b, c = product(wrong)
    monkeypatch.setattr(SecondBackend, "results", fails)
    with second_opinion(wrong, "cpu:1:raise"):
        c[:] = wrong.tanh(c) + 1
        with pytest.raises(WrongResultError, match=r"worst at \(3, 2\)"):
            c[:] = wrong.dot(a, b)


def test_a_backend_that_computes_nothing_has_no_opinion(be):
    with pytest.raises(ConfigurationError, match="computes nothing"), second_opinion(be, "null:1"):
        pass


# ---- trainings ----------------------------------------------------------------------------------


def network():
    return Model(
        [
            Affine(12, Gaussian(scale=0.3), batch_norm=True, activation=Rectlin()),
            Affine(9, Gaussian(scale=0.3), bias=Gaussian(), activation=Tanh()),
            Dropout(keep=0.8),
            Affine(3, Gaussian(scale=0.3), activation=Softmax()),
        ]
    )


def images():
    return Model(
        [
            Conv((3, 3, 4), Gaussian(scale=0.3), activation=Rectlin(), padding=1),
            Pooling(2, strides=2),
            Affine(3, Gaussian(scale=0.3), activation=Softmax()),
        ]
    )


def sequence():
    gates = {"activation": Tanh(), "gate_activation": Logistic(), "reset_cells": True}
    return Model(
        [
            LSTM(5, Gaussian(scale=0.3), **gates),
            RecurrentLast(),
            Affine(3, Gaussian(scale=0.3), activation=Softmax()),
        ]
    )


SHAPES = {network: (6,), images: (2, 4, 4), sequence: (4, 3)}


def fit(model, build, epochs=2, optimizer=None, **how):
    rng = np.random.RandomState(0)
    X, y = rng.randn(40, *SHAPES[build]), np.arange(40) % 3
    return model.fit(
        X,
        y,
        cost=GeneralizedCost(costfunc=CrossEntropyMulti()),
        optimizer=optimizer or Adam(learning_rate=0.01),
        num_epochs=epochs,
        progress_bar=False,
        **how,
    )


@pytest.mark.parametrize("build", SHAPES)
def test_a_training_that_is_right_says_nothing(make_backend, build, monkeypatch):
    """Every result is held against the bounds, also where both backends agree to the bit."""
    monkeypatch.setattr(examination.Examination, "_agree", lambda *args: False)
    make_backend(batch_size=8, rng_seed=0)
    model = build()
    history = fit(model, build, check="cpu:0.5:raise", validation_data=None)
    assert np.isfinite(history["cost"]).all()
    assert model.be.second_opinion is None


def test_a_wrong_library_shows_in_a_training(wrong):
    model = Model(network().layers.layers, be=wrong)
    with pytest.raises(WrongResultError, match=r"dot.* of \d+ elements .* are wrong") as caught:
        fit(model, network, check="cpu:0.2:raise")
    assert caught.value.finding.op == "dot"
    assert wrong.second_opinion is None  # taken off


def test_a_training_goes_on_after_a_warning(wrong):
    model = Model(network().layers.layers, be=wrong)
    with pytest.warns(WrongResultWarning) as seen:
        history = fit(model, network, check="cpu:0.2")
    assert len(history["cost"]) == 2
    assert len([w for w in seen if w.category is WrongResultWarning]) == 1  # the first


def test_a_recorded_training_is_checked_too(make_backend):
    make_backend(batch_size=8, rng_seed=0)
    costs = []
    for check in (None, "cpu:0.02:raise"):
        gen = make_backend(batch_size=8, rng_seed=0)
        checked = []
        if check:
            with second_opinion(gen, check) as (opinion,):
                costs.append(fit(network(), network, epochs=8, record=True)["cost"])
            checked.append(opinion.checked)
            assert opinion.recorded > 10
            assert checked[0] > 3
        else:
            costs.append(fit(network(), network, epochs=8, record=True)["cost"])
    assert np.allclose(*costs, rtol=1e-6)


def test_a_wrong_library_shows_in_a_recorded_training(wrong):
    model = Model(network().layers.layers, be=wrong)
    momentum = GradientDescentMomentum(0.1, 0.9)
    with pytest.raises(WrongResultError):
        fit(model, network, epochs=40, optimizer=momentum, record=True, check="cpu:0.01:raise")


def test_every_backend_of_a_mixed_network_is_checked(cpu, wrong):
    model = network()
    for layer in model.layers.layers[:2]:
        layer.set_backend(wrong)
    with pytest.raises(WrongResultError):
        fit(model, network, check="cpu:0.3:raise")
    assert cpu.second_opinion is wrong.second_opinion is None


@pytest.mark.parametrize("check", ["cpu", "cpu:3", 0.5])
def test_what_makes_no_sense_is_refused_before_anything_runs(cpu, check):
    model = network()
    with pytest.raises(ConfigurationError, match="fit: check="):
        fit(model, network, check=check)
    assert not model.initialized


def test_a_second_backend_that_is_not_there_is_named(cpu):
    with pytest.raises(BackendUnavailable, match="nowhere"), second_opinion(cpu, "nowhere:1"):
        pass
    assert type(cpu.bound) is BoundedTable


# ---- the variable -------------------------------------------------------------------------------


def test_the_variable_is_for_every_backend_that_is_made(monkeypatch):
    monkeypatch.setenv("NEONPORT_CHECK", "cpu:1:raise")
    be = gen_backend("cpu")
    try:
        y = be.empty((3, 4))
        y[:] = be.exp(be.ones((3, 4)))
        assert be.second_opinion.checked >= 2
        assert be.second_opinion.second.be.second_opinion is None
        second = be.second_opinion.second.be
    finally:
        cleanup_backend()
    assert second.closed
    gen_backend("null")  # computes nothing, so nothing is wrong
    cleanup_backend()


def test_a_wrong_variable_is_refused(monkeypatch):
    monkeypatch.setenv("NEONPORT_CHECK", "often")
    with pytest.raises(ConfigurationError, match="NEONPORT_CHECK='often'"):
        gen_backend("cpu")


# ---- what is said and saved ---------------------------------------------------------------------


def test_the_report_names_what_one_needs(wrong):
    a, b, c = product(wrong)
    with second_opinion(wrong, "cpu:1:raise"), pytest.raises(WrongResultError) as caught:
        c[:] = wrong.tanh(wrong.dot(a, b) * 2)
    text, finding = str(caught.value), caught.value.finding
    assert text == str(finding)
    assert finding.op == "tanh"
    assert "worst at (3, 2)" in text
    assert "times the error that is allowed" in text
    assert "cpu:0 gives" in text
    assert "= tanh((dot(a, b) * 2))" in text or "tanh" in finding.statement
    assert "kernel" in finding.kernels
    assert CPUDevice.probe().device in finding.backend
    assert not finding.saved


def test_a_wrong_second_backend_is_told_from_a_wrong_first(cpu, monkeypatch):
    import neonport.checking.second as module

    def make(name, **keywords):
        return WrongBackend(rng_seed=0)

    monkeypatch.setattr(module.registry, "create_backend", make)
    a, b, c = product(cpu)
    with second_opinion(cpu, "cpu:1:raise") as (opinion,):
        with pytest.raises(WrongResultError) as caught:
            c[:] = cpu.dot(a, b)
        assert np.allclose(c.get(), a.get() @ b.get())
    assert f"on {opinion.second.be} are wrong" in str(caught.value)


def test_each_of_several_products_is_looked_at(cpu, monkeypatch):
    a, b, c = product(cpu)
    d, bind = cpu.empty((4, 4)), cpu.device.matmuls

    def spoilt(products):
        call, view = bind(products), products[-1][2].native

        def run():
            call()
            view[0, 0] += 1

        return run

    monkeypatch.setattr(cpu.device, "matmuls", spoilt)
    with second_opinion(cpu, "cpu:1:raise"), pytest.raises(WrongResultError):
        cpu.compound_dots((a, b, c), (a, a.T, d))


@pytest.mark.parametrize("kind", ["statement", "product", "products", "views", "random"])
def test_inputs_and_a_script_are_saved(wrong, tmp_path, kind):
    def run():
        a, b, c = product(wrong)
        if kind == "product":
            wrong.compound_dot(a, b, c, alpha=0.5, beta=2.0)
        elif kind == "products":
            wrong.compound_dots((a, b, c), (a, a.T, wrong.empty((4, 4))))
        elif kind == "views":
            big = wrong.array(np.random.RandomState(1).randn(6, 9))
            big[1:5, 2:8:2][:] = wrong.dot(a, big[:5, 6::-3]) + 1
        elif kind == "random":
            c[:] = wrong.dot(a, b) * (wrong.rand() < 2.0)
        else:
            c[:] = wrong.dot(a, b.astype("float32")) + float("inf") * 0 + 1
            wrong.assign_many([(c, wrong.dot(a, b)), (a, a * 2)])

    folder = tmp_path / "made" / "here"
    for number in (1, 2):
        with (
            second_opinion(wrong, "cpu:1:raise", str(folder)),
            pytest.raises(WrongResultError) as caught,
        ):
            run()
        where = folder / f"statement-{number}"
        assert caught.value.finding.saved == str(where)
        assert {p.name for p in where.iterdir()} == {"inputs.npz", "reproduce.py", "report.txt"}
        assert "worst at" in (where / "report.txt").read_text()
    script = (folder / "statement-1" / "reproduce.py").read_text()
    space: dict = {"__name__": "x", "__file__": str(folder / "statement-1" / "reproduce.py")}
    argv, sys.argv = sys.argv, ["reproduce.py"]
    try:
        exec(compile(script, "reproduce.py", "exec"), space)  # on the cpu, where nothing is wrong
    finally:
        sys.argv = argv
        cleanup_backend()
    assert space["problems"] == []


def test_the_script_runs_by_itself_and_tells(wrong, tmp_path):
    a, b, c = product(wrong)
    with second_opinion(wrong, "cpu:1:raise", str(tmp_path)), pytest.raises(WrongResultError):
        c[:] = wrong.dot(a, b)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(tmp_path / "statement-1" / "reproduce.py"), "cpu"],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert done.stdout == "nothing is wrong here\n"


def test_the_script_finds_what_was_found(wrong, tmp_path, monkeypatch, capsys):
    a, b, c = product(wrong)
    with second_opinion(wrong, "cpu:1:raise", str(tmp_path)), pytest.raises(WrongResultError):
        c[:] = wrong.dot(a, b)
    path = tmp_path / "statement-1" / "reproduce.py"
    monkeypatch.setattr("neonport.gen_backend", lambda *a, **k: WrongBackend(rng_seed=0))
    monkeypatch.setattr(sys, "argv", ["reproduce.py"])
    exec(compile(path.read_text(), str(path), "exec"), {"__file__": str(path), "__name__": "x"})
    assert "worst at (3, 2)" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_named(wrong, tmp_path):
    (tmp_path / "file").write_text("mine")
    a, b, c = product(wrong)
    with (
        second_opinion(wrong, "cpu:1:raise", str(tmp_path / "file")),
        pytest.raises(ConfigurationError, match="cannot be saved"),
    ):
        c[:] = wrong.dot(a, b)
    assert (tmp_path / "file").read_text() == "mine"


def test_nothing_is_saved_unless_asked_for(wrong, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    a, b, c = product(wrong)
    with warnings.catch_warnings(), second_opinion(wrong, "cpu:1") as (opinion,):
        warnings.simplefilter("ignore", WrongResultWarning)
        c[:] = wrong.dot(a, b)
    assert len(opinion.findings) == 1
    assert not list(tmp_path.iterdir())


def test_create_backend_is_for_those_who_check_themselves(monkeypatch):
    monkeypatch.setenv("NEONPORT_CHECK", "cpu:1:raise")
    be = create_backend("cpu")
    assert be.second_opinion is None
    be.cleanup_backend()

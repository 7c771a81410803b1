"""NEONPORT_TRACE=1, and observers of statements."""

from __future__ import annotations

import re

import numpy as np
import pytest

from neonport.backends import gen_backend
from neonport.engine.tracing import observers, observing

LINE = re.compile(
    r"neonport cpu:0 kernel (?P<key>[0-9a-f]{8}) (?P<sizes>\([\d, ]+\)) "
    r"(?P<us>[\d.]+) us [\d.]+ GB/s"
)


@pytest.fixture
def traced(monkeypatch):
    monkeypatch.setenv("NEONPORT_TRACE", "1")
    be = gen_backend("cpu", batch_size=8)
    yield be
    be.cleanup_backend()


def test_kernel_shape_and_time_on_stderr(traced, capsys):
    x, y = traced.ones((30, 40)), traced.empty((30, 40))
    tree = traced.exp(x) * 2
    capsys.readouterr()
    for _ in range(3):
        y[:] = tree
    out, err = capsys.readouterr()
    assert out == ""
    lines = [LINE.fullmatch(line) for line in err.splitlines()]
    assert len(lines) == 3
    assert all(lines)
    (kernel,) = traced.explain([(y, tree)]).kernels
    assert {line["key"] for line in lines} == {kernel.spec.kernel.key[:8]}
    assert lines[0]["sizes"] == str(kernel.spec.sizes)
    assert float(lines[0]["us"]) > 0
    np.testing.assert_allclose(y.get(), 2 * np.e, rtol=1e-6)


def test_calls_are_traced_too(traced, capsys):
    w, x = traced.ones((3, 4)), traced.ones((4, 5))
    y = traced.empty((3, 5))
    capsys.readouterr()
    y[:] = traced.dot(w, x) + 1
    first, second = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"neonport cpu:0 call dot \(3, 5\) [\d.]+ us", first)
    assert LINE.fullmatch(second)


def test_products_that_are_no_statements_are_traced_too(traced, capsys):
    w, x, y = traced.ones((3, 4)), traced.ones((4, 5)), traced.empty((3, 5))
    many, products = traced.ones((2, 3, 4)), traced.empty((2, 3, 5))
    capsys.readouterr()
    for _ in range(2):
        traced.compound_dot(w, x, y)
    traced.batched_dot(many, x, products)
    *lines, last = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert re.fullmatch(r"neonport cpu:0 call compound_dot \(3, 5\) [\d.]+ us", line)
    assert re.fullmatch(r"neonport cpu:0 call batched_dot \(2, 3, 5\) [\d.]+ us", last)


def test_launches_are_counted_on_request(cpu):
    cpu.tracer.on = True
    x, y, z = cpu.ones((3, 4)), cpu.ones((4, 2)), cpu.empty((3, 2))
    cpu.tracer.count = 0
    for _ in range(4):
        x[:] = x + 1
    cpu.compound_dot(x, y, z)
    assert cpu.tracer.count == 5


@pytest.mark.parametrize("value", ["", "0"])
def test_off_prints_nothing_and_wraps_nothing(monkeypatch, capsys, value):
    monkeypatch.setenv("NEONPORT_TRACE", value)
    be = gen_backend("cpu", batch_size=8)
    x = be.ones((3, 4))
    x[:] = x + 1
    assert capsys.readouterr().err == ""
    assert not be.tracer.on
    be.cleanup_backend()


def test_an_observer_sees_new_statements_only(cpu):
    x, y = cpu.ones((2, 2)), cpu.ones((2, 2))
    seen = []
    with observing(lambda backend, pairs: seen.append((backend, pairs))):
        for rate in (1.0, 2.0, 3.0):
            x[:] = x * rate
        cpu.assign_many([(x, y + 1), (y, x + 1)])
    x[:] = y - x
    assert [backend for backend, _ in seen] == [cpu, cpu]
    assert [len(pairs) for _, pairs in seen] == [1, 2]
    assert observers == []

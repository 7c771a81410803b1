"""Timing of minibatches and layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.benchmark import Benchmark
from neonport.errors import ConfigurationError

Make = Callable[..., Any]


class TestBenchmark:
    def test_times_training(self, make_problem: Make, caplog: pytest.LogCaptureFixture) -> None:
        p = make_problem(ndata=16)
        result = p.model.benchmark(
            p.data, cost=p.cost, optimizer=p.optimizer, niterations=5, nskip=1
        )
        assert list(result) == ["fprop", "bprop", "iteration"]
        for stats in result.values():
            assert 0 < stats["min"] <= stats["median"] <= stats["max"]
            assert stats["min"] <= stats["mean"] <= stats["max"]
        assert result["iteration"]["mean"] == pytest.approx(
            result["fprop"]["mean"] + result["bprop"]["mean"]
        )
        assert "Median" in caplog.text

    def test_times_inference(self, make_problem: Make) -> None:
        p = make_problem(ndata=16)
        assert list(p.model.benchmark(p.data, inference=True, niterations=2)) == ["fprop"]

    def test_mistakes_are_named(self, make_problem: Make) -> None:
        p = make_problem(ndata=16)
        with pytest.raises(RuntimeError, match="cost and optimizer"):
            p.model.benchmark(p.data)
        with pytest.raises(ConfigurationError, match="niterations"):
            p.model.benchmark(p.data, inference=True, niterations=0)

    def test_layers_if_wanted(self, make_problem: Make) -> None:
        p = make_problem(ndata=16)
        found = p.model.benchmark(
            p.data, True, niterations=3, nskip=1, time_layers=True, cost=p.cost
        )
        names = [f"fprop {layer.name}" for layer in p.model.layers.layers]
        assert list(found) == ["fprop", *names]


class Slow:
    """A layer's method that takes a while."""

    def __init__(self, milliseconds: float) -> None:
        self.milliseconds = milliseconds

    def __call__(self, method: Callable[..., Any]) -> Callable[..., Any]:
        import time

        def call(*args: Any, **kwargs: Any) -> Any:
            time.sleep(self.milliseconds / 1e3)
            return method(*args, **kwargs)

        return call


class TestBenchmarkClass:
    def ready(self, make_problem: Make) -> Any:
        p = make_problem(ndata=16)
        p.model.initialize(p.data, p.cost)
        p.model.optimizer = p.optimizer
        return p

    def test_names_and_sums(self, make_problem: Make) -> None:
        p = self.ready(make_problem)
        times = Benchmark(p.model).time(p.data, niterations=4)
        layers = [layer.name for layer in p.model.layers.layers]
        assert list(times) == [
            *("fprop", "bprop", "iteration", "data_loading"),
            *(f"fprop {name}" for name in layers),
            *(f"bprop {name}" for name in layers),
        ]
        assert {values.shape for values in times.values()} == {(4,)}
        np.testing.assert_allclose(times["iteration"], times["fprop"] + times["bprop"])
        forward = sum(times[f"fprop {name}"] for name in layers) + times["data_loading"]
        assert (forward <= times["fprop"]).all()

    def test_a_slow_layer_is_found(self, make_problem: Make) -> None:
        p = self.ready(make_problem)
        slow = p.model.layers.layers[2]
        slow.bprop = Slow(2)(slow.bprop)
        kept = slow.bprop
        times = Benchmark(p.model).time(p.data, niterations=3)
        assert (times[f"bprop {slow.name}"] >= 2).all()
        assert (times["bprop"] >= times[f"bprop {slow.name}"]).all()
        assert slow.bprop is kept  # what was wrapped is as it was
        assert all("fprop" not in vars(layer) for layer in p.model.layers.layers)

    def test_without_layers(self, make_problem: Make) -> None:
        p = self.ready(make_problem)
        watch = Benchmark(p.model, time_layers=False)
        assert watch.time_layers is False
        assert list(watch.time(p.data, inference=True, niterations=2)) == ["fprop", "data_loading"]

    def test_layers_of_one_name_and_an_error_in_a_layer(self, make_problem: Make) -> None:
        p = self.ready(make_problem)
        for layer in p.model.layers.layers:
            layer.name = "same"
        times = Benchmark(p.model).time(p.data, inference=True, niterations=1)
        assert list(times)[2:5] == ["fprop same", "fprop same (2)", "fprop same (3)"]
        p.model.layers.layers[0].bprop = lambda error: 1 / 0
        with pytest.raises(ZeroDivisionError):
            Benchmark(p.model).time(p.data, niterations=1)
        assert "bprop" not in vars(p.model.layers.layers[1])

    def test_mistakes_are_named(self, make_problem: Make) -> None:
        p = make_problem(ndata=16)
        watch = Benchmark(p.model)
        for nothing in (None, [], 0):
            with pytest.raises(ValueError, match=r"the dataset is .*; give a data iterator"):
                watch.time(nothing, inference=True)
        with pytest.raises(ValueError, match="niterations=0"):
            watch.time(p.data, inference=True, niterations=0)
        with pytest.raises(RuntimeError, match="has no cost before a fit"):
            watch.time(p.data)


class TestPrintStats:
    class Output:
        text = ""

        def display(self, text: str) -> None:
            self.text = text

    def test_table(self) -> None:
        output = self.Output()
        stats = {"fprop": [9.0, 1.0, 2.0, 4.5], "bprop": np.array([9.0, 3.0, 3.0, 3.0])}
        Benchmark.print_stats(stats, output=output, nskip=1)
        rows = [
            [cell.strip() for cell in line.split("|")]
            for line in output.text.splitlines()
            if "|" in line
        ]
        assert rows == [
            ["Func", "Mean", "Median", "Min", "Max", "Units"],
            ["fprop", "2.5", "2", "1", "4.5", "msec"],
            ["bprop", "3", "3", "3", "3", "msec"],
        ]
        Benchmark.print_stats(stats, functions=[np.ptp], output=output)
        assert "Ptp" in output.text
        assert "Median" not in output.text

    def test_mistakes_are_named(self) -> None:
        with pytest.raises(ValueError, match="no times to show"):
            Benchmark.print_stats({})
        with pytest.raises(TypeError, match="a list, has no method display"):
            Benchmark.print_stats({"fprop": [1.0]}, output=[])
        with pytest.raises(ConfigurationError, match="nskip=1 leaves no times of 'fprop'"):
            Benchmark.print_stats({"fprop": [1.0]}, nskip=1)

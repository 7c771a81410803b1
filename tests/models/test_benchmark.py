"""Timing of minibatches and layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.benchmark import Benchmark
from neonport.errors import ConfigurationError
from neonport.models.benchmark import Stopwatch

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


class Ticks:
    """A backend whose clock goes on by one at each mark."""

    def __init__(self) -> None:
        self.now = 0

    def init_mark(self) -> dict[str, int]:
        return {}

    def record_mark(self, mark: dict[str, int]) -> None:
        self.now += 1
        mark["time"] = self.now

    def synchronize_mark(self, mark: dict[str, int]) -> None:
        assert mark

    def get_time(self, start: dict[str, int], end: dict[str, int]) -> int:
        return end["time"] - start["time"]


def test_a_stopwatch_adds_up_pieces_of_one_name_and_nests() -> None:
    clock = Stopwatch(Ticks(), "all", "part", "unused")
    for pieces in (2, 1):
        with clock.lap("all"):
            for _ in range(pieces):
                with clock.lap("part"):
                    pass
        assert clock.read() == {"all": 2 * pieces + 1, "part": pieces, "unused": 0}


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

    def test_layers_are_as_they_were(self, make_problem: Make) -> None:
        p = self.ready(make_problem)
        layer = p.model.layers.layers[2]
        method = layer.bprop
        layer.bprop = lambda error: method(error)
        kept = layer.bprop
        Benchmark(p.model).time(p.data, niterations=1)
        assert layer.bprop is kept
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

"""Timing of forward and backward passes, as a whole and layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import wraps
from typing import Any

import numpy as np

from neonport.errors import ConfigurationError
from neonport.foundation.turns import in_turn
from neonport.log import logger
from neonport.models import checks
from neonport.models.state import Network

STATISTICS: dict[str, Callable[..., Any]] = {
    "mean": np.mean,
    "median": np.median,
    "min": np.min,
    "max": np.max,
}


class MissingTrainingParts(ConfigurationError, RuntimeError):
    """Training is to be timed without a cost or an optimizer."""


class MissingDisplay(ConfigurationError, TypeError):
    """Statistics are to be shown by something that cannot show them."""


class Benchmark:
    """Times minibatches of a model, and its layers.

    Args:
        model: the model.
        time_layers: time each layer too; their number makes the whole a little slower.

    Example:
        times = Benchmark(model).time(train, inference=True, niterations=5)
        assert times["fprop"].shape == (5,)
        Benchmark.print_stats(times, nskip=1)
    """

    def __init__(self, model: Network, time_layers: bool = True) -> None:
        self.model = model
        self.time_layers = bool(time_layers)

    def time(
        self, dataset: Any, inference: bool = False, niterations: int = 20
    ) -> dict[str, np.ndarray]:
        """Time `niterations` minibatches; training takes cost and optimizer from the model.

        Args:
            dataset: data iterator; starts again when it ends.
            inference: only the forward pass.
            niterations: minibatches, the first of which may be slower: nothing warms up.

        Returns:
            Name -> (niterations,) milliseconds: "fprop" (with the loading of the data), "bprop"
            (with cost and optimizer), "iteration" (their sum), "data_loading", and, if layers are
            timed, "fprop <layer>" and "bprop <layer>". For inference without bprop and iteration.

        Raises:
            ConfigurationError: (a ValueError) no dataset, or no minibatch to time.
            MissingTrainingParts: (a RuntimeError) the model has no cost or optimizer.
        """
        self._check("time", dataset, niterations)
        parts: tuple[str, ...] = ()
        if not inference:
            self._check_training("time")
            _check_no_gan("Benchmark.time", self.model)
            parts = ("fprop", "bprop")
        times = measure(self.model, dataset, parts, niterations, self.time_layers)
        loading = times.pop("data_loading")
        found = {name: times.pop(name) for name in ("fprop", *parts[1:])}
        found["fprop"] = found["fprop"] + loading
        if not inference:
            found["iteration"] = found["fprop"] + found["bprop"]
        return {**found, "data_loading": loading, **times}

    def time_gan(self, dataset: Any, niterations: int = 101) -> dict[str, np.ndarray]:
        """Time training steps of a GAN, which takes cost and optimizer from the model.

        Args:
            dataset: data iterator; starts again when it ends.
            niterations: minibatches.

        Returns:
            Name -> (niterations,) milliseconds: "discriminator", "generator" (0 where it was not
            trained), "iteration" (their sum, with the loading of the data) and "data_loading"; and
            "fprop <layer>" and "bprop <layer>", if layers are timed.

        Raises:
            ConfigurationError: the model is no GAN, or there is nothing to time.
            MissingTrainingParts: (a RuntimeError) the model has no cost or optimizer.
        """
        self._check("time_gan", dataset, niterations)
        if not _is_gan(self.model):
            raise ConfigurationError("Benchmark.time_gan: the model is no GAN; call time")
        self._check_training("time_gan")
        parts = ("discriminator", "generator")
        times = measure(self.model, dataset, parts, niterations, self.time_layers)
        found = {name: times.pop(name) for name in parts}
        loading = times.pop("data_loading")
        found["iteration"] = found["discriminator"] + found["generator"] + loading
        return {**found, "data_loading": loading, **times}

    def _check(self, call: str, dataset: Any, niterations: Any) -> None:
        if dataset is None or isinstance(dataset, (bool, int, str, list, tuple, dict)):
            raise ConfigurationError(
                f"Benchmark.{call}: the dataset is {dataset!r}; give a data iterator"
            )
        checks.check_benchmark(self.model, dataset, None, None, niterations, 0)

    def _check_training(self, call: str) -> None:
        for part in ("cost", "optimizer"):
            if getattr(self.model, part, None) is None:
                raise MissingTrainingParts(
                    f"Benchmark.{call}: the model has no {part} before a fit; set model.cost and "
                    "model.optimizer" + (", or pass inference=True" if call == "time" else "")
                )

    @staticmethod
    def print_stats(
        stats: Mapping[str, Sequence[float] | np.ndarray],
        functions: Sequence[Callable[..., Any]] | None = None,
        output: Any = None,
        nskip: int = 0,
    ) -> None:
        """Show a table: a row for each name, a column for each function.

        Args:
            stats: what `time` returned: name -> milliseconds.
            functions: of an array; default mean, median, min and max. Their names are the headings.
            output: has a method `display(text)`; default neonport's logger.
            nskip: iterations left out at the beginning.

        Raises:
            ConfigurationError: (a ValueError) there is nothing to show.
            MissingDisplay: (a TypeError) `output` has no `display`.

        Example:
            Benchmark.print_stats({"fprop": [1.5, 2.5]}, functions=[np.mean])
        """
        output = logger if output is None else output
        if not callable(getattr(output, "display", None)):
            raise MissingDisplay(
                f"print_stats: output, a {type(output).__name__}, has no method display; leave it "
                "out, or give a logger of neonport"
            )
        if not stats:
            raise ConfigurationError("print_stats: there are no times to show; call time first")
        chosen = {f.__name__: f for f in functions} if functions else STATISTICS
        kept = {name: np.asarray(times)[nskip:] for name, times in stats.items()}
        if short := [name for name, times in kept.items() if not times.size]:
            raise ConfigurationError(
                f"print_stats: nskip={nskip} leaves no times of {short[0]!r}; skip fewer"
            )
        output.display(table(summary(kept, chosen)))


@in_turn
def benchmark(
    model: Network,
    dataset: Any,
    inference: bool,
    cost: Any,
    optimizer: Any,
    niterations: int,
    nskip: int,
    time_layers: bool,
) -> dict[str, dict[str, float]]:
    """See `Model.benchmark`."""
    if not inference and (cost is None or optimizer is None):
        raise MissingTrainingParts(
            "benchmark of training needs cost and optimizer; pass both, or inference=True"
        )
    parts: tuple[str, ...] = ()
    kept = model.optimizer
    if not inference:
        _check_no_gan("benchmark", model)
        parts, model.optimizer = ("fprop", "bprop"), optimizer
    try:
        model.initialize(dataset, cost)
        times = measure(model, dataset, parts, niterations + nskip, time_layers)
    finally:
        model.optimizer = kept
    del times["data_loading"]
    if parts:
        own = {name: times.pop(name) for name in parts}
        times = {**own, "iteration": own["fprop"] + own["bprop"], **times}
    result = summary({name: values[nskip:] for name, values in times.items()}, STATISTICS)
    logger.display(table(result))  # type: ignore[attr-defined]
    return result


def measure(
    model: Network, dataset: Any, parts: Sequence[str], iterations: int, time_layers: bool
) -> dict[str, np.ndarray]:
    """Time minibatches: training steps, or the forward pass as in inference.

    Args:
        model: has cost and optimizer, if it is to be trained.
        dataset: data iterator; starts again when it ends.
        parts: names for the parts of a training step; none for inference.
        iterations: minibatches.
        time_layers: time each layer too.

    Returns:
        Name -> (iterations,) milliseconds of "data_loading", the parts (or "fprop"), the layers.
    """
    model.initialize(dataset, model.cost if parts else None)
    batches = _endless(dataset)
    clock = Stopwatch(model.be, "data_loading", *(parts or ["fprop"]))
    rows = []
    with _timed_layers(model, clock, bool(parts)) if time_layers else nullcontext():
        for _ in range(iterations):
            with clock.lap("data_loading"):
                x, t = next(batches)
            if parts:
                _step(model, x, t, parts, clock)
            else:
                with clock.lap("fprop"):
                    model.fprop(x, inference=True)
            rows.append(clock.read())
    return {name: np.array([row[name] for row in rows]) for name in clock.names}


def _step(model: Network, x: Any, t: Any, names: Sequence[str], clock: Stopwatch) -> None:
    """Train on a minibatch; what follows a part, such as the cost, counts for the next one."""
    then: Callable[[], None] | None = None
    for name, part in zip(names, model.step_parts(x, t, 0, lambda cost: None), strict=False):
        with clock.lap(name):
            if then is not None:
                then()
            part.run()
            then = part.then
    if then is not None:
        with clock.lap(name):
            then()


def _is_gan(model: Any) -> bool:
    return hasattr(model, "generator") and hasattr(model, "discriminator")


def _check_no_gan(call: str, model: Any) -> None:
    if _is_gan(model):
        raise ConfigurationError(
            f"{call}: the steps of a GAN are timed by Benchmark(model).time_gan(dataset)"
        )


class Stopwatch:
    """Times pieces of work between marks of the backend, all read together.

    Args:
        be: backend.
        names: of the pieces.
    """

    def __init__(self, be: Any, *names: str) -> None:
        self.names = list(names)
        self._be = be
        self._pairs: list[tuple[Any, Any]] = []  # made once, used again after each reading
        self._used: list[str] = []

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        """Time a piece of work; pieces may contain others."""
        number = len(self._used)
        if number == len(self._pairs):
            self._pairs.append((self._be.init_mark(), self._be.init_mark()))
        self._used.append(name)
        start, end = self._pairs[number]
        self._be.record_mark(start)
        yield
        self._be.record_mark(end)

    def read(self) -> dict[str, float]:
        """Milliseconds of each piece since the last reading; pieces of one name are added up."""
        total = dict.fromkeys(self.names, 0.0)
        for name, (start, end) in zip(self._used, self._pairs, strict=False):
            self._be.synchronize_mark(end)
            total[name] += float(self._be.get_time(start, end))
        self._used.clear()
        return total


@contextmanager
def _timed_layers(model: Network, clock: Stopwatch, training: bool) -> Iterator[None]:
    """Time each layer that is no container while the block runs."""
    layers = {
        id(layer): layer for layer in model.layers.layers_fprop() if not hasattr(layer, "layers")
    }
    wrapped = []
    try:
        for method in ("fprop", "bprop") if training else ("fprop",):
            for layer in layers.values():
                name, number = f"{method} {layer.name}", 1
                while name in clock.names:
                    number += 1
                    name = f"{method} {layer.name} ({number})"
                clock.names.append(name)
                own = vars(layer).get(method)
                setattr(layer, method, _timed(getattr(layer, method), clock, name))
                wrapped.append((layer, method, own))
        yield
    finally:
        for layer, method, own in wrapped:
            if own is None:
                delattr(layer, method)
            else:
                setattr(layer, method, own)


def _timed(method: Callable[..., Any], clock: Stopwatch, name: str) -> Callable[..., Any]:
    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        with clock.lap(name):
            return method(*args, **kwargs)

    return call


def _endless(dataset: Any) -> Iterator[Any]:
    while True:
        empty = True
        for batch in dataset:
            empty = False
            yield batch
        if empty:
            raise ConfigurationError("benchmark got no batch from the dataset: is it empty?")


def summary(
    times: Mapping[str, np.ndarray], functions: Mapping[str, Callable[..., Any]]
) -> dict[str, dict[str, float]]:
    """Apply functions to the times of each name."""
    return {
        name: {stat: float(function(values)) for stat, function in functions.items()}
        for name, values in times.items()
    }


def table(result: Mapping[str, Mapping[str, float]]) -> str:
    """Lay out statistics as text, one row a name."""
    columns = list(next(iter(result.values())))
    heads = ["Func", *(name.title() for name in columns), "Units"]
    rows = [
        [name, *(f"{stats[key]:.5g}" for key in columns), "msec"] for name, stats in result.items()
    ]
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    rule = "-" * (sum(widths) + 3 * (len(widths) - 1))
    lines = [
        " | ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True))
        for row in [heads, *rows]
    ]
    return "\n".join(["", rule, lines[0], rule, *lines[1:], rule])

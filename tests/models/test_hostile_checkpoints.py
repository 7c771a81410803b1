"""Campaign: checkpoints with a right checksum and wrong contents, loaded in four ways.

Whatever such a file says, it is loaded whole or not at all, the only error is CheckpointError, no
file is opened for writing and no process is started. `--campaign N` runs N times as many.
"""

from __future__ import annotations

import copy
import importlib
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.errors import CheckpointError, NeonportError
from neonport.foundation.descriptions import PLACES
from neonport.io import checkpoint
from neonport.io.json_encoding import encode
from neonport.models import Model
from tests.models.conftest import make_layers

Make = Callable[..., Any]

FILES = 160
STARTS = {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system"}
WRITES = {"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"}
STARTS |= {"subprocess.Popen", "socket.connect", "ctypes.dlopen"}

_seen: list[tuple[str, Any]] | None = None


def _hook(event: str, arguments: Any) -> None:
    if _seen is None:
        return
    if event == "open":
        path, mode, flags = arguments
        if (isinstance(mode, str) and set(mode) & set("wax+")) or (flags or 0) & 3:
            _seen.append((event, path))
    elif event in STARTS or event in WRITES:
        _seen.append((event, arguments))


sys.addaudithook(_hook)  # cannot be taken away again, so it stays silent outside `watched`


@contextmanager
def watched() -> Iterator[list[tuple[str, Any]]]:
    """Note files that are opened for writing, and processes that are started."""
    global _seen
    _seen = found = []
    try:
        yield found
    finally:
        _seen = None


def test_the_watcher_sees(tmp_path: Path) -> None:
    import subprocess

    with watched() as found:
        (tmp_path / "x").write_text("x")
        subprocess.run([sys.executable, "-c", ""], check=True)
        (tmp_path / "x").unlink()
    assert {event for event, _ in found} >= {"open", "subprocess.Popen", "os.remove"}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside dicts, lists and tuples."""
    if isinstance(value, dict):
        items: Any = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    else:
        return
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def mutable(value: Any) -> Any:
    """The description with lists for tuples, so that every place can be written to."""
    if isinstance(value, dict):
        return {key: mutable(item) for key, item in value.items()}
    return [mutable(item) for item in value] if isinstance(value, (list, tuple)) else value


class Mutations:
    """Changes a description in one place or a few."""

    def __init__(self, seed: int, victim: Path) -> None:
        self.rng = random.Random(seed)
        names = [
            f"neon.{module}.{name}"
            for place in PLACES.values()
            for module, names in place.items()
            for name in names.split()
        ]
        self.classes = [
            *names,
            "neon.callbacks.callbacks.Callbacks",
            "neon.models.model.Model",
            "neon.data.dataiterator.ArrayIterator",
            "neon.layers.layer.Layer",
            "neonport.layers.named_parameters.NamedParameterLayer",
            "neonport.__main__.main",
            "os.system",
            "",
        ]
        self.victim = str(victim)

    def value(self, depth: int = 0) -> Any:
        """Any value that a file can hold."""
        r = self.rng
        plain = [
            None, True, False, 0, 1, -1, 3, 2**31, 2**53, 2**63, 10**40, -(10**40), 0.5, -0.0, 1j,
            float("nan"), float("inf"), "", "x", "W", "\udc80", self.victim, b"", b"x", [], {}, (),
            np.zeros(0), np.zeros((0, 3)), np.zeros((8, 6)), np.ones((8, 6), "f4"), np.arange(3),
            np.array("text"), np.array([b"ab", b"c"]), np.array(1j), np.float32(3), np.int8(-1),
            np.full((8, 6), np.nan), np.zeros((1,) * 30), np.uint64(2**64 - 1), np.bool_(True),
        ]  # fmt: skip
        kind = r.random()
        if kind < 0.7 or depth > 3:
            return r.choice(plain)
        if kind < 0.85:
            config: Any = {
                r.choice(
                    ["nout", "init", "name", "layers", "transform", "keep", "rho", "eps", "path",
                     "output_file", "save_path", "model", "scale", "val", "reshape", "slope"]
                ): self.value(depth + 1)
                for _ in range(r.randrange(4))
            }  # fmt: skip
            return {"type": r.choice(self.classes), "config": config}
        if kind < 0.95:
            return [self.value(depth + 1) for _ in range(r.randrange(4))]
        return {r.choice(["W", "type", "config", 3, None]): self.value(depth + 1)}

    def change(self, description: Any) -> str:
        """Change one place; returns what was done."""
        r = self.rng
        path = r.choice([p for p in places(description) if p])
        holder, key = at(description, path[:-1]), path[-1]
        kind = r.choice(["replace", "replace", "remove", "add", "copy", "class", "swap"])
        if kind == "remove":
            del holder[key]
        elif kind == "add" and isinstance(holder, dict):
            holder[r.choice(["type", "params", "states", "W", "be", "extra", "layers", 5])] = (
                self.value()
            )
        elif kind == "copy" and isinstance(holder, list):
            holder.extend(copy.deepcopy(holder[key : key + 1]) * r.choice([1, 2, 500]))
        elif kind == "class":
            types = [p for p in places(description) if p[-1] == "type"]
            if types:
                path = r.choice(types)
                at(description, path[:-1])["type"] = r.choice(self.classes)
        elif kind == "swap":
            other = r.choice([p for p in places(description) if p])
            holder[key] = copy.deepcopy(at(description, other))
        else:
            holder[key] = self.value()
        return f"{kind} {path}"


def everything(p: Any) -> tuple[Any, ...]:
    """All that loading may change in a model and its backend, as plain data."""
    m, be = p.model, p.be
    layers = m.layers.get_description(get_weights=m.initialized, keep_states=m.initialized)
    structure, arrays = encode(layers)
    rng, philox = be.rng_get_state()
    return (
        structure,
        {name: array.tobytes() for name, array in arrays.items()},
        (rng[0], rng[1].tobytes(), *rng[2:], philox),
        (m.state.epoch, m.state.minibatch, m.state.total_cost.tobytes(), m.state.pending),
        (be.compat_mode, p.optimizer.get_state(), p.data.get_state()),
        None if m.initialized else [getattr(layer, "W", None) for layer in m.layers.layers],
    )


@pytest.mark.parametrize("optimizer", ["adam", "multi"])
@pytest.mark.parametrize("way", ["path", "new", "initialized", "trained"])
def test_right_checksum_wrong_contents(
    make_problem: Make, fit: Make, tmp_path: Path, campaign: int, way: str, optimizer: str
) -> None:
    def target() -> Any:
        p = make_problem(optimizer, layers=make_layers(dropout=True))
        if way == "initialized":
            p.model.initialize(p.data, p.cost)
        elif way == "trained":
            fit(p, 1)
        return p

    file, victim = tmp_path / "m.prm", tmp_path / "victim"
    victim.write_text("precious")
    source = make_problem(optimizer, dropout=True)
    fit(source, 1)
    good = mutable(source.model.serialize())
    checkpoint.save(good, file)
    Model(file)  # imports and compiles what is used below
    for place in PLACES.values():
        for module in place:
            importlib.import_module(f"neonport.{module}")
    loaded, p = 0, target()
    for seed in range(FILES // 8 * campaign):
        mutations = Mutations(seed, victim)
        description = copy.deepcopy(good)
        changes = [mutations.change(description) for _ in range(mutations.rng.choice([1, 1, 1, 2]))]
        try:
            checkpoint.save(description, file)
        except CheckpointError:  # nothing that a file can hold
            continue
        before = everything(p)
        with watched() as found:
            try:
                model = Model(file) if way == "path" else p.model
                if way != "path":
                    model.load_params(file)
            except CheckpointError:
                assert not found, (seed, changes, found)
                assert everything(p) == before, (seed, changes)
                continue
            except Exception as error:
                raise AssertionError((seed, changes)) from error
        assert not found, (seed, changes, found)
        loaded += 1
        p.model = model
        with suppress(NeonportError, UserWarning):  # optimizer and data look at their states
            fit(p, model.state.epoch + 1 if model.state.epoch < 10 else 1)
        p = target()
    assert loaded
    assert victim.read_text() == "precious"

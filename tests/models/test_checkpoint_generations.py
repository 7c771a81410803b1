"""Checkpoints of every generation of neon's and of ours: the same numbers, or a `CheckpointError`.

One network in the form that each generation gave it: 1.0 and 1.1 hold parameters by position, up to
2.2 a convolution and its bias were two layers, since 2.3 they are one; ours are safetensors files.
"""

from __future__ import annotations

import copy
import gzip
import random
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from neonport.callbacks import Callbacks
from neonport.errors import CheckpointError
from neonport.initializers import Constant, Gaussian
from neonport.layers import Affine, Conv, GeneralizedCost, LookupTable, Pooling, RecurrentSum
from neonport.models import Model
from neonport.optimizers import RMSProp
from neonport.transforms import CrossEntropyMulti, Rectlin, Softmax
from tests.fixtures.old_pickles import python2, python3
from tests.io.test_campaigns import damage
from tests.models.test_hostile_checkpoints import watched

Make = Callable[..., Any]
WRITERS = {"python2": python2, "python3": python3}
GENERATIONS = ["1.0", "1.1", "1.2 to 2.2", "since 2.3"]
X = np.random.RandomState(0).normal(size=(12, 1, 6, 5)).astype("f4")


def layers() -> list[Any]:
    init = Gaussian(scale=0.3)
    return [
        Conv((3, 3, 4), init, bias=Constant(0.1), activation=Rectlin()),
        Pooling(2),
        Conv((1, 1, 3), init, batch_norm=True, activation=Rectlin()),
        Affine(3, init, bias=Constant(0.2), activation=Softmax()),
    ]


@pytest.fixture
def trained(make_backend: Make) -> SimpleNamespace:
    """A model after an epoch, and the description that neon 2.3 would have given of it."""
    make_backend(batch_size=4, rng_seed=5)
    model = Model(layers())
    model.fit(
        X, np.arange(12) % 3, GeneralizedCost(CrossEntropyMulti()), RMSProp(), 1,
        Callbacks(model, progress_bar=False),
    )  # fmt: skip
    description = model.serialize(keep_states=True)
    for key in ("resume", "optimizer", "cost", "rng_state"):
        description.pop(key, None)
    description |= {
        "neon_version": "2.6.0+abc",
        "backend": {"type": "NervanaCPU", "compat_mode": "neon", "rng_seed": 0},
    }
    return SimpleNamespace(model=model, description=description)


def older(description: dict[str, Any], generation: str) -> dict[str, Any]:
    """The same network as a generation wrote it."""
    description = copy.deepcopy(description)
    if generation == "since 2.3":
        return description
    entries = []
    for entry in description["model"]["config"]["layers"]:
        if not entry["type"].endswith("Convolution_bias"):
            entries.append(entry)
            continue
        config = dict(entry["config"])
        bias = {"init": config.pop("bias"), "name": f"{config['name']}_bias"}
        params, states = entry["params"], entry["states"]
        entries += [
            {"type": "neon.layers.layer.Convolution", "config": config,
             "params": {"W": params["W"]}, "states": states[0]},
            {"type": "neon.layers.layer.Bias", "config": bias,
             "params": {"W": params["weight_bias"]}, "states": states[1]},
        ]  # fmt: skip
    description["model"]["config"]["layers"] = entries
    if generation == "1.2 to 2.2":
        return description
    items = []
    for entry in entries:
        if "params" not in entry:
            continue
        params = entry["params"]
        if "gmean" in params:
            stored: Any = [params[key] for key in ("beta", "gamma", "gmean", "gvar")]
        else:
            stored = {**params, "name": entry["config"]["name"]}
            stored = params["W"] if generation == "1.0" else stored
        items.append({"params": stored, "states": entry["states"]})
    return {"layer_params_states": items, "epoch_index": description["epoch_index"]}


def numbers(model: Any) -> list[bytes]:
    """The bits of all parameters, statistics and states."""
    found = []
    for layer in model.layers.layers_fprop():
        entry = layer.get_description(get_weights=True) if layer.has_params else {}
        stack = [entry.get("params"), entry.get("states")]
        while stack:
            value = stack.pop()
            if isinstance(value, np.ndarray):
                found.append(value.tobytes())
            elif isinstance(value, (dict, list, tuple)):
                stack.extend(value.values() if isinstance(value, dict) else value)
    return found


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("writer", WRITERS)
def test_each_generation_loads_to_the_same_numbers(
    trained: SimpleNamespace, writer: str, generation: str, tmp_path: Path
) -> None:
    path = tmp_path / "old.prm"
    path.write_bytes(WRITERS[writer](older(trained.description, generation), 2))
    model = Model(layers())
    model.load_params(path)
    models = [model]
    if generation not in ("1.0", "1.1"):  # which do not describe their layers
        models.append(Model(path))
    for model in models:
        model.initialize((1, 6, 5))
        np.testing.assert_array_equal(model.predict(X), trained.model.predict(X))
        assert sorted(numbers(model)) == sorted(numbers(trained.model))
        assert len(numbers(model)) == 16
        assert model.epoch_index == 1


def test_a_lookup_table_that_lay_the_other_way(make_backend: Make, tmp_path: Path) -> None:
    """Up to 1.1.4 a column was a word."""
    be = make_backend(batch_size=4, rng_seed=5)
    table = np.random.RandomState(0).normal(size=(7, 3)).astype("f4")
    stored = [{"params": {"W": table.T.copy(), "name": "words"}, "states": [2 * table.T.copy()]}]
    path = tmp_path / "words.prm"
    path.write_bytes(python2({"layer_params_states": stored, "epoch_index": 1}))
    model = Model([LookupTable(7, 3, Gaussian()), RecurrentSum()])
    model.initialize((5, 1))
    model.load_params(path)
    np.testing.assert_array_equal(model.layers.layers[0].W.get(), table)
    np.testing.assert_array_equal(model.layers.layers[0].states[0].get(), 2 * table)
    found = model.fprop(be.array(np.full((5, 4), 6)), inference=True)
    np.testing.assert_allclose(found.get().T, np.tile(5 * table[6], (4, 1)), rtol=1e-6)


# ---- mutations ----------------------------------------------------------------------------------

NAMES = (b"numpy.core.multiarray\n_reconstruct", b"numpy\nndarray", b"numpy\ndtype")
CALLS = (
    b"os\nsystem",
    b"posix\nsystem",
    b"builtins\neval",
    b"__builtin__\nexec",
    b"neonport\nnone",
    b"subprocess\nPopen",
    b"shutil\nrmtree",
    b"neon.layers.layer\nLinear",
    b"numpy.core.multiarray\nscalar",
    b"collections\nOrderedDict",
    b"builtins\nbytearray",
)


class Mutations:
    """Damages a file, or changes what the program in it says."""

    def __init__(self, seed: int, victim: Path) -> None:
        self.r = random.Random(seed)
        self.victim = repr(str(victim)).encode()

    def changed(self, data: bytes) -> bytes:
        """Another file: a third of them by instructions that mean harm."""
        kind = self.r.randrange(9)
        if kind == 0:
            return data.replace(self.r.choice(NAMES), self.r.choice(CALLS), self.r.choice([1, -1]))
        place = self.r.randrange(3, len(data))
        if kind == 1:
            return data[:place] + self.harm() + data[place:]
        if kind == 2:
            return data[: len(data) - 1] + self.harm() + b"."
        return damage(data, self.r)

    def harm(self) -> bytes:
        """Instructions that call something, refer to themselves, or make much of little."""
        name = self.r.choice(CALLS)
        return self.r.choice(
            [
                b"c" + name + b"\n(S" + self.victim + b"\ntR",
                b"(S" + self.victim + b"\ni" + name + b"\n",
                b"c" + name + b"\n)\x81}b",
                b"(l" * 400,
                b"]q\x05h\x05a" * 20,
                b"\x8a\xff" + b"\x7f" * 255,
                b"\x8e" + (2**50).to_bytes(8, "little"),
                b"cbuiltins\nbytearray\n(J\xff\xff\xff\x7ftR",
                b"cnumpy\nndarray\n((J\xff\xff\xff\x0fK\x10ttR",
                b"\x8c\x01x" + b"2" * 3000 + b"(" + b"t" * 50,
                b"h\xfa" + b"0",
                b"\x95" + b"\xff" * 8,
                b"V\\ud800\n" * 3,
            ]
        )


@pytest.mark.parametrize("generation", [*GENERATIONS, "gzip", "ours"])
def test_mutated_checkpoints(
    trained: SimpleNamespace, generation: str, tmp_path: Path, campaign: int
) -> None:
    """Loaded, or a `CheckpointError` that says file, place and reason, and the model as it was.

    No code runs, no file is written, and memory is in proportion to the file.
    """
    good, path, victim = tmp_path / "good.prm", tmp_path / "m.prm", tmp_path / "victim"
    trained.model.save_params(good)
    if generation == "ours":
        files = [good.read_bytes()]
    elif generation == "gzip":
        files = [gzip.compress(python2(older(trained.description, name))) for name in GENERATIONS]
    else:
        found = older(trained.description, generation)
        files = [write(found, protocol) for write in WRITERS.values() for protocol in (2, 1, 0)]
    model = Model(layers())
    model.load_params(good)
    model.initialize((1, 6, 5))
    model.load_params(good)
    victim.write_text("precious")
    before, mutations = numbers(model), Mutations(7, victim)
    refused = 0
    tries = -(-5_000 // (len(GENERATIONS) + 2))
    for _ in range(tries * campaign):
        path.unlink(missing_ok=True)  # ext4 flushes a file that is emptied and written anew
        path.write_bytes(mutations.changed(mutations.r.choice(files)))
        measured = mutations.r.random() < 0.1  # measuring takes longer than reading
        if measured:
            tracemalloc.start()
        try:
            with watched() as events:
                model.load_params(path)
        except CheckpointError as error:
            refused += 1
            file, message = repr(str(path)), str(error)
            assert file in message
            assert len(message) < 4_000
            check_place(message.replace(file, ""), path.read_bytes())
        else:
            model.load_params(good)
        finally:
            if measured:
                peak = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
                assert peak < 60_000_000
        assert not events
    assert refused > 0.4 * tries * campaign
    assert numbers(model) == before
    assert victim.read_text() == "precious"


OTHER_PLACES = (
    r"truncated, damaged or no checkpoint \(.+\)",  # of a safetensors file, which has a checksum
    "do not match its checksum",
    "a safetensors file, but not a neonport checkpoint",
    "an empty file",
    "no description of a model: there is no 'model' with type and config, only ",
    r"[A-Z]\w+ '.+'|for layers \w+",
    "epoch_index|backend|layer_params_states|train_input_shape|the model cannot be built from",
)


def check_place(message: str, data: bytes) -> None:
    """An error in reading a pickle says the byte; one in the contents says the layer or entry."""
    by_byte = re.search(r"at byte (\d+)( of (\d+))?", message)
    if by_byte and by_byte[3] and not data.startswith(b"\x1f\x8b"):
        assert int(by_byte[1]) <= int(by_byte[3]) == len(data)
    elif not by_byte:
        assert re.search("|".join(OTHER_PLACES), message), message

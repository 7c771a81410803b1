"""Checkpoints of every generation of neon's, as Python 2 and 3 wrote them."""

from __future__ import annotations

import copy
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.errors import CheckpointError
from tests.fixtures.old_pickles import python2, python3

Make = Callable[..., Any]
WRITERS = {"python2": python2, "python3": python3}


def trained(make_problem: Make, fit: Make, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
    """A problem and the description that neon's `Model.serialize` would give of it."""
    p = make_problem(**kwargs)
    fit(p, 2)
    p.outputs = p.model.predict(p.x)
    description = p.model.serialize(keep_states=True)
    mersenne = description["backend"].pop("rng_state")[0]
    for key in ("resume", "optimizer", "cost"):
        description.pop(key, None)
    description |= {
        "neon_version": "1.8.0+abc",
        "backend": {"type": "NervanaCPU", "compat_mode": "neon", "rng_seed": 0},
        "rng_state": mersenne,
    }
    return p, description


def items(description: dict[str, Any], generation: int) -> dict[str, Any]:
    """The same parameters as neon 1.0 (0) and 1.1 (1) wrote them."""
    found: list[dict[str, Any]] = []
    for entry in description["model"]["config"]["layers"]:
        if "params" not in entry:
            continue
        params = entry["params"]
        if "gmean" in params:
            stored: Any = [params[key] for key in ("beta", "gamma", "gmean", "gvar")]
        else:
            stored = params["W"] if generation == 0 else {**params, "name": entry["config"]["name"]}
        found.append({"params": stored, "states": entry["states"]})
    return {"layer_params_states": found, "epoch_index": description["epoch_index"]}


def check_loaded(model: Any, p: Any) -> None:
    for layer, trained_layer in zip(
        model.layers_to_optimize, p.model.layers_to_optimize, strict=True
    ):
        for key, value in trained_layer.get_description(get_weights=True)["params"].items():
            np.testing.assert_array_equal(getattr(layer, key).get(), value, strict=True)
        found, wanted = (
            x.get_description(get_weights=True)["states"] for x in (layer, trained_layer)
        )
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(one, other)
    assert model.epoch_index == 2
    np.testing.assert_array_equal(model.predict(p.x), p.outputs)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_described_models_build_themselves(
    make_problem: Make, fit: Make, tmp_path: Path, writer: str, packed: bool
) -> None:
    from neonport.models import Model

    p, description = trained(make_problem, fit)
    data = WRITERS[writer](description, 2)
    path = tmp_path / ("old.prm.gz" if packed else "old.prm")
    path.write_bytes(gzip.compress(data) if packed else data)
    model = Model(str(path))
    check_loaded(model, p)
    q = make_problem()
    q.model.load_params(path)
    check_loaded(q.model, p)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("generation", [0, 1])
def test_parameters_by_position(
    make_problem: Make, fit: Make, tmp_path: Path, writer: str, generation: int
) -> None:
    from neonport.models import Model

    p, description = trained(make_problem, fit)
    path = tmp_path / "old.prm"
    path.write_bytes(WRITERS[writer](items(description, generation), 2))
    q = make_problem()
    q.model.load_params(str(path))
    check_loaded(q.model, p)
    with pytest.raises(CheckpointError, match="build the model with its layers"):
        Model(str(path))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda found: found.pop(), "too few for this model"),
        (lambda found: found.append(found[0]), "this model uses"),
        (lambda found: found.insert(0, found.pop()), "shape"),
        (lambda found: found[0].update(params=3), "no parameters"),
        (lambda found: found[0].update(states=3), "no list"),
        (lambda found: found[0].update(states=[([1], 2)]), "state of W is .* differ in length"),
        (lambda found: found[0].update(params={"W": [[1], [2, 3]]}), "W is .* differ in length"),
        (lambda found: found[0].update(params=found[0]["params"].T), "shape"),
        (lambda found: found.__setitem__(0, "text"), "no list of parameters"),
        (lambda found: found[0].pop("params"), "no parameters"),
    ],
)
def test_parameters_that_do_not_fit(
    make_problem: Make, fit: Make, tmp_path: Path, change: Any, words: str
) -> None:
    _, description = trained(make_problem, fit)
    old = items(description, 0)
    change(old["layer_params_states"])
    (tmp_path / "old.prm").write_bytes(python2(old))
    q = make_problem()
    q.model.initialize(q.data)
    before = copy.deepcopy(q.model.serialize())
    with pytest.raises(CheckpointError, match=words):
        q.model.load_params(tmp_path / "old.prm")
    np.testing.assert_equal(q.model.serialize()["model"], before["model"])


def test_a_generator_of_a_gpu_only_warns(make_problem: Make, fit: Make, tmp_path: Path) -> None:
    p, description = trained(make_problem, fit)
    description["rng_state"] = (description["rng_state"], np.zeros(3, np.uint32))
    (tmp_path / "gpu.prm").write_bytes(python2(description))
    q = make_problem()
    q.model.load_params(tmp_path / "gpu.prm")
    check_loaded(q.model, p)


def test_errors_of_huge_entries_are_short(make_problem: Make, fit: Make, tmp_path: Path) -> None:
    _, description = trained(make_problem, fit)
    entries = description["model"]["config"]["layers"]
    entries[0]["type"] = entries[0]["config"]["name"] = "x" * 10_000
    entries += [entries[-1]] * 500
    (tmp_path / "old.prm").write_bytes(python2(description))
    with pytest.raises(CheckpointError, match="layers, the file 5") as caught:
        make_problem().model.load_params(tmp_path / "old.prm")
    assert len(str(caught.value)) < 4_000

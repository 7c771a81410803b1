"""What users construct and call has an example in its docstring, and the example runs."""

from __future__ import annotations

import inspect
import textwrap
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport import Autodiff, gen_backend
from neonport.backends import api, cleanup_backend

ROOMS = (
    "layers",
    "initializers",
    "transforms",
    "optimizers",
    "callbacks",
    "callbacks.callbacks",
    "callbacks.plotting_callbacks",
    "data",
    "data.aeon_shim",
    "data.convert_manifest",
    "data.dataloader_transformers",
    "data.dataloaderadapter",
    "data.indexer",
    "models",
    "sklearn",
)


def public(rooms: tuple[str, ...]) -> dict[str, Any]:
    """The classes and functions that `rooms` give to users, by name."""
    found = {}
    for room in rooms:
        home = f"neonport.{room.split('.')[0]}"
        for name, value in vars(import_module(f"neonport.{room}")).items():
            if (inspect.isclass(value) or inspect.isfunction(value)) and (
                value.__module__.startswith(home) and not name.startswith("_")
            ):
                found[name] = value
    return found


def example_of(owner: Any) -> str:
    """The code below `Example:` in the docstring of `owner`, empty if there is none."""
    _, found, rest = inspect.cleandoc(owner.__doc__ or "").partition("\nExample:\n")
    lines = []
    for line in rest.splitlines() if found else []:
        if line and not line.startswith(" "):
            break
        lines.append(line)
    return textwrap.dedent("\n".join(lines))


PUBLIC = public(ROOMS)
METHODS = {
    f"{base.__name__}.{method.__name__}": method  # of bases that are not public too, each once
    for owner in PUBLIC.values()
    if inspect.isclass(owner)
    for base in owner.__mro__
    if base.__module__.startswith("neonport.")
    for method in vars(base).values()
    if inspect.isfunction(method) and example_of(method)
}
INTERNAL = {"check_dtype", "wrap", "shared_iobuf_size"}  # what layers and devices call
HOOKS = ("memory", "neon_helpers")  # what devices implement, and neon's calls without effect


def functions_of_a_backend() -> dict[str, Any]:
    """The functions that users call on a backend."""
    found = {}
    folder = Path(api.__path__[0])
    for path in folder.rglob("[a-z]*.py"):
        inner = ".".join(path.relative_to(folder).with_suffix("").parts)
        module = import_module(f"neonport.backends.api.{inner}")
        owners = [c for c in vars(module).values() if inspect.isclass(c)]
        for owner in (c for c in owners if c.__module__ == module.__name__):
            for name in (n for n in vars(owner) if not n.startswith("_") and n not in INTERNAL):
                value = getattr(owner, name)
                if inspect.isfunction(value) and (path.stem not in HOOKS or example_of(value)):
                    found[f"be.{name}"] = value
    return found


PUBLIC_OF_BACKEND = functions_of_a_backend()


def usual_names() -> dict[str, Any]:
    """What an example may use without making it: a backend, batches of it, a model to train."""
    be = gen_backend("cpu", batch_size=4, rng_seed=0)
    names: dict[str, Any] = {"be": be, "np": np, "Autodiff": Autodiff, **public(ROOMS)}
    rng = np.random.RandomState(0)
    names |= {
        "x": be.array(np.linspace(-2, 2, 12).reshape(3, 4)),  # inputs: 3 features, 4 samples
        "y": be.empty((3, 4)),  # a target
        "p": be.array(np.full((3, 4), 1 / 3)),  # probabilities of 3 classes
        "t": be.array(np.eye(3)[[0, 1, 2, 0]].T),  # true classes, one-hot
        "train": names["ArrayIterator"](rng.rand(40, 3), rng.randint(3, size=40), nclass=3),
        "cost": names["GeneralizedCost"](costfunc=names["CrossEntropyMulti"]()),
        "optimizer": names["GradientDescentMomentum"](0.1, momentum_coef=0.9),
    }
    output = names["Affine"](nout=3, init=names["Gaussian"](), activation=names["Softmax"]())
    names["model"] = names["Model"]([output])
    return names


@pytest.mark.parametrize("name", sorted(PUBLIC | PUBLIC_OF_BACKEND))
def test_what_users_get_has_an_example(name: str) -> None:
    owner = (PUBLIC | PUBLIC_OF_BACKEND)[name]
    assert example_of(owner), f"{name}: no Example in its docstring"


@pytest.mark.parametrize("name", sorted(PUBLIC | METHODS | PUBLIC_OF_BACKEND))
def test_the_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = example_of((PUBLIC | METHODS | PUBLIC_OF_BACKEND)[name])
    monkeypatch.chdir(tmp_path)
    try:
        exec(compile(code, f"example of {name}", "exec", dont_inherit=True), usual_names())
    finally:
        cleanup_backend()

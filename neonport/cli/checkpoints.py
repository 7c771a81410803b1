"""What a checkpoint holds, as `neonport show` lists it, and `neonport convert`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from neonport.cli.output import refuse_existing, show
from neonport.errors import CheckpointError
from neonport.io import checkpoint
from neonport.io.pickle_reader import is_pickle

GRAPH = ".onnx"
SUFFIXES = (".safetensors", ".prm", GRAPH)


@click.command(epilog="Example: neonport convert cifar10.prm cifar10.safetensors")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    help="Of a sample, such as 3,32,32, where SOURCE does not tell; once an input. For .onnx.",
)
@click.option("--force", is_flag=True, help="Replace TARGET if it exists.")
def convert(source: Path, target: Path, shapes: tuple[str, ...], force: bool) -> None:
    """Write the checkpoint SOURCE, of neon's or of this library, as another file.

    Nothing in SOURCE is executed. A TARGET that ends in .safetensors or .prm is a safetensors file
    and holds all of it: layers, weights, the optimizer's states, the state of the random generator.
    One that ends in .onnx is a graph for inference: layers and weights.
    """
    if target.suffix not in SUFFIXES:
        raise click.BadParameter(
            f"{target.name!r} must end in {' or '.join(SUFFIXES)}", param_hint="TARGET"
        )
    if shapes and target.suffix != GRAPH:
        raise click.BadParameter("is for a TARGET that ends in .onnx", param_hint="--shape")
    given = [_shape(text) for text in shapes]
    refuse_existing([target], force)
    description = checkpoint.load(source)
    if target.suffix == GRAPH:
        _export(description, target, given)
    else:
        checkpoint.save(description, target)
    click.echo(f"{target}: {target.stat().st_size:,} bytes, from {source.stat().st_size:,}")


def _shape(text: str) -> Any:
    """The logical shape in an option's text: an int, or a tuple.

    Raises:
        BadParameter: it is none.
    """
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) for part in parts):
        raise click.BadParameter(f"{text!r} must be sizes such as 3,32,32", param_hint="--shape")
    sizes = tuple(map(int, parts))
    return sizes if len(sizes) > 1 else sizes[0]


def _export(description: Any, target: Path, shapes: list[Any]) -> None:
    """Write the model of a checkpoint as a graph."""
    from neonport.backends import cleanup_backend, gen_backend
    from neonport.models import Model
    from neonport.models.evaluation import loaded_features

    gen_backend("cpu", batch_size=1)
    try:
        model = Model(description, weights_only=True)
        shape: Any = shapes if len(shapes) > 1 else shapes[0] if shapes else None
        if shape is None:
            shape = description.get("train_input_shape") or loaded_features(model.layers)
        if shape is None:
            raise click.UsageError(
                "the checkpoint does not tell the shape of a sample; give it: --shape 3,32,32"
            )
        model.initialize(shape)
        model.export_onnx(target)
    finally:
        cleanup_backend()


def is_checkpoint_file(path: str) -> bool:
    """Whether a file begins like a checkpoint of ours or of neon's."""
    try:
        with open(path, "rb") as file:
            start = file.read(16)
    except OSError:
        return False
    return is_pickle(start) or checkpoint.is_checkpoint(path)


def show_checkpoint(path: str) -> None:
    """Print what a checkpoint holds: where it comes from, and its layers with their parameters.

    Raises:
        CheckpointError: it cannot be read, or holds no model.
    """
    description = checkpoint.load(path)
    if not isinstance(description, dict):
        raise CheckpointError(f"{path!r} holds a {type(description).__name__}, no checkpoint")
    for label, value in _facts(description):
        click.echo(f"{label:<10} {_printable(value)}")
    rows = list(_rows(description))
    if not rows:
        raise CheckpointError(
            f"{path!r} holds no model; it has {', '.join(map(repr, list(description)[:8]))}"
        )
    click.echo()
    show(
        ("layer", "type", "parameters", "states", "bytes"),
        [tuple(map(_printable, _texts(row))) for row in rows],
    )
    total = sum(size for *_, size in rows)
    count = sum(int(array.size) for _, _, params, _, _ in rows for array in params.values())
    click.echo(f"\n{len(rows)} layers, {count:,} parameters, {total:,} bytes with states")


def _facts(description: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Lines of what a checkpoint says besides its layers."""
    named = isinstance(description.get("model"), dict)
    written = description.get("neon_version")
    yield "written by", str(written)[:80] if named else "neon 1.0 or 1.1"
    for label, key in (("backend", "type"), ("mode", "compat_mode")):
        backend = description.get("backend")
        if isinstance(backend, dict) and backend.get(key):
            yield label, str(backend[key])[:80]
    yield "epochs", str(description.get("epoch_index", "not stored"))[:80]
    if "train_input_shape" in description:
        yield "input", str(description["train_input_shape"])[:80]
    for key in ("optimizer", "cost"):
        if isinstance(description.get(key), dict):
            yield key, str(description[key].get("type"))[:80]


Row = tuple[str, str, dict[str, np.ndarray], list[np.ndarray], int]


def _rows(description: dict[str, Any]) -> Iterator[Row]:
    """Name, type, parameters, states and bytes of each layer."""
    if isinstance(description.get("model"), dict):
        entries = list(_layers(description["model"]))
    else:
        items = description.get("layer_params_states")
        entries = (
            [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
        )
    for number, entry in enumerate(entries):
        config = entry.get("config")
        name = config.get("name") if isinstance(config, dict) else None
        kind = str(entry.get("type", "")).removeprefix("neon.layers.")
        params = dict(_arrays(entry.get("params"), "W"))
        states = [array for _, array in _arrays(entry.get("states"), "")]
        size = sum(array.nbytes for array in (*params.values(), *states))
        yield str(number if name is None else name), kind, params, states, size


def _layers(entry: Any) -> Iterator[dict[str, Any]]:
    """The entries of all layers that hold no layers, front to back."""
    config = entry.get("config") if isinstance(entry, dict) else None
    members = config.get("layers") if isinstance(config, dict) else None
    if isinstance(members, list):
        for member in members:
            yield from _layers(member)
    elif isinstance(entry, dict):
        yield entry


def _arrays(value: Any, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays within an entry, by name."""
    if isinstance(value, np.ndarray):
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _arrays(item, str(key))
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _arrays(item, f"{name}{number}")


def _texts(row: Row) -> tuple[str, ...]:
    name, kind, params, states, size = row
    shapes = ", ".join(
        f"{key[:20]} {'x'.join(map(str, array.shape))} {array.dtype}"
        for key, array in params.items()
    )
    return name[:60], kind[:80], shapes, str(len(states) or ""), f"{size:,}" if size else ""


def _printable(text: str) -> str:
    """Text of a stranger's without what a terminal takes for commands."""
    return "".join(c if c.isprintable() else "?" for c in text)


def existing(path: str) -> str:
    """The path of a file that is there.

    Raises:
        BadParameter: it is not.
    """
    if not os.path.isfile(path):
        raise click.BadParameter(f"there is no file {path!r}", param_hint="FILE")
    return path

"""`neonport coverage NAME`: what a device does itself, weighted by the time of a model."""

from __future__ import annotations

import os
import runpy
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neonport import settings
from neonport.cli.output import print_json, reports_only, show
from neonport.plugins import registry

if TYPE_CHECKING:
    from neonport.engine.profile import Profile
    from neonport.testing.reports.coverage import Coverage

OPS = ("op", "by", "calls", "seconds", "share")
ADVICE = ("", "write", "saves up to", "for")
STYLES = {"native": "green", "derived": "yellow", "fallback": "red"}
DEFAULT_STEPS = 5


@click.command(
    epilog="Examples: neonport coverage npu; neonport coverage npu --model train.py -- --epochs 1"
)
@click.argument("name")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--model",
    "script",
    metavar="SCRIPT.PY",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Script that trains your model; its gen_backend() makes NAME. [default: two small "
    "networks on random images]",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    help=f"Training steps of the small networks. [default: {DEFAULT_STEPS}]",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    help="Stop the script after that time. [default: 60]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def coverage(
    name: str,
    arguments: tuple[str, ...],
    script: Path | None,
    steps: int | None,
    seconds: float,
    as_json: bool,
) -> None:
    """Show who does each op of a training on backend NAME, and what to write next.

    An op is native (the device does it), derived (put together from what the device has) or a
    fallback (NumPy does it, on the host). Times are measured with waits before and after each
    launch. A script is run as `python SCRIPT.PY ARGUMENTS` would run it, with NEONPORT_BACKEND set
    to NAME, so it has to call gen_backend() without a name.
    """
    from neonport.engine.profile import Profile

    if script is None and arguments:
        raise click.UsageError("arguments belong to the script of --model")
    if script is not None and steps is not None:
        raise click.UsageError("--steps belongs to the small networks; a script has its own")
    registry.require(name)
    profile = Profile(None if script is None else seconds)
    with reports_only():
        if script is None:
            took = _networks(name, profile, steps or DEFAULT_STEPS)
        else:
            took = _script(name, profile, script, arguments)
    found = _found(name, profile, took, script)
    if as_json:
        print_json(found.as_data())
    else:
        _print(found)


def _found(name: str, profile: Profile, seconds: float, script: Path | None) -> Coverage:
    """What was seen.

    Raises:
        ClickException: nothing ran on the backend.
    """
    from neonport.testing.reports.coverage import Coverage

    others = profile.backends - {name}
    if name not in profile.backends:
        where = f" but on {', '.join(sorted(others))}" if others else ""
        raise click.ClickException(
            f"{script} ran nothing on {name}{where}; let it call gen_backend() without a name"
        )
    return Coverage(name, profile.rows(name), seconds)


def _networks(name: str, profile: Profile, steps: int) -> float:
    """Train small networks on random images; the first step, which compiles, is not counted."""
    import numpy as np

    from neonport.backends import cleanup_backend, gen_backend
    from neonport.cli.train_digits import NETS, network, optimizer
    from neonport.data import ArrayIterator
    from neonport.engine.tracing import traced_by
    from neonport.layers import GeneralizedCost
    from neonport.models import Model
    from neonport.transforms import CrossEntropyMulti

    batch, rng = 32, np.random.RandomState(0)
    images = rng.uniform(0, 1, (batch, 64)).astype(np.float32)
    labels = rng.randint(0, 10, batch)
    seconds = 0.0
    for net in NETS:
        with traced_by(profile):
            be = gen_backend(name, rng_seed=0, batch_size=batch)
        try:
            if not be.device.capabilities.runs:
                raise click.ClickException(
                    f"{name} computes nothing, so there is no time to measure"
                )
            data = ArrayIterator(images, labels, 10, lshape=(1, 8, 8))
            model, cost = Model(network(net)), GeneralizedCost(CrossEntropyMulti())
            with profile.paused():
                model.fit(data, cost, optimizer(net), 1, progress_bar=False)
            start = time.perf_counter()
            model.fit(data, cost, model.optimizer, 1 + steps, progress_bar=False)
            seconds += time.perf_counter() - start
        finally:
            cleanup_backend()
    return seconds


@contextmanager
def _as_main(name: str, script: Path, arguments: tuple[str, ...]) -> Iterator[None]:
    """Arguments, module path and default backend as a script finds them."""
    variable = settings.BACKEND.name
    before = sys.argv, list(sys.path), os.environ.get(variable)
    sys.argv = [str(script), *arguments]
    sys.path.insert(0, str(script.resolve().parent))
    os.environ[variable] = name
    try:
        yield
    finally:
        sys.argv, sys.path[:] = before[:2]
        os.environ.pop(variable)
        if before[2] is not None:
            os.environ[variable] = before[2]


def _script(name: str, profile: Profile, script: Path, arguments: tuple[str, ...]) -> float:
    """Run a script to its end, or until the time is over.

    Raises:
        ClickException: it ends itself with a status that says that something is wrong.
    """
    from neonport.backends import cleanup_backend
    from neonport.engine.profile import Enough
    from neonport.engine.tracing import traced_by

    shown = click.format_filename(script)
    start = time.perf_counter()
    with traced_by(profile), _as_main(name, script, arguments):
        try:
            runpy.run_path(str(script), run_name="__main__")
        except Enough:
            click.echo(f"{shown} was stopped; --seconds lets it go on")
        except SystemExit as end:  # many scripts end with sys.exit(main())
            if end.code not in (None, 0):
                raise click.ClickException(f"{shown} ended with status {end.code}") from end
        finally:
            cleanup_backend()
    return time.perf_counter() - start


def _print(found: Coverage) -> None:
    """Print the ops by time, then what to write next."""
    rows = [
        (row.op, row.origin, row.calls, f"{row.seconds:.4f}", f"{found.share(row.seconds):.1%}")
        for row in found.rows
    ]
    show(OPS, rows, STYLES, whole=OPS)
    parts = ", ".join(f"{share:.0%} {origin}" for origin, share in found.origins().items())
    click.echo(f"{found.backend}: {parts} of {found.busy:.3f} s in ops ({found.seconds:.3f} s all)")
    advice = found.advice()
    if not advice:
        click.echo("nothing is left to write: no op of this model falls back to NumPy")
        return
    click.echo("what to write next:")
    show(
        ADVICE,
        [
            (f"{number}.", step.method, f"{found.share(step.seconds):.1%}", ", ".join(step.ops))
            for number, step in enumerate(advice, 1)
        ],
        whole=("", "write", "saves up to"),
    )

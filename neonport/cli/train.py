"""`neonport train`: train a small network on real data, with progress and checkpoints."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from neonport.cli.output import reports_only
from neonport.cli.train_digits import (
    DEFAULT_BATCH_SIZE,
    DEFAULT_EPOCHS,
    HELD_OUT,
    NETS,
    DigitsRun,
)
from neonport.errors import UnknownBackendError

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_CHECKPOINT = "neonport-digits.safetensors"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def train() -> None:
    """Train a small network, to see that everything works here and how fast.

    The data are real and need no download.
    """


@train.command()
@click.option(
    "--net",
    type=click.Choice(NETS),
    help="Network: two hidden layers, or three convolutions. [default: mlp, or that of the "
    "checkpoint with --resume]",
)
@click.option(
    "--backend",
    metavar="NAME",
    help="Backend to train on; `neonport doctor` lists them. [default: $NEONPORT_BACKEND or cpu]",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    default=DEFAULT_EPOCHS,
    show_default=True,
    help="Passes over the training images, in total: with --resume the earlier ones count.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    help="Seed of the initial weights; the same seed gives the same bits. [default: 0, or that of "
    "the checkpoint with --resume]",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1, HELD_OUT),
    help=f"Images in a minibatch. [default: {DEFAULT_BATCH_SIZE}, or that of the checkpoint with "
    "--resume]",
)
@click.option(
    "--checkpoint",
    type=click.Path(dir_okay=False),
    default=DEFAULT_CHECKPOINT,
    show_default=True,
    help="File that is replaced, in one step, after each epoch.",
)
@click.option("--resume", is_flag=True, help="Continue from the checkpoint.")
@click.option("--force", is_flag=True, help="Start anew where the checkpoint exists.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the result as one JSON object, and all else on stderr.",
)
@click.option("--quiet", is_flag=True, help="Print the result only: no progress, no remarks.")
def digits(
    net: str | None,
    backend: str | None,
    epochs: int,
    seed: int | None,
    batch_size: int | None,
    checkpoint: str,
    resume: bool,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train a network on handwritten digits: 98.9 % right with --net mlp, 99.4 % with --net conv.

    1,797 images of 8x8 pixels come with scikit-learn (pip install 'neonport[demo]'). A fixed fifth
    is held out; the accuracy on it is printed. A checkpoint is written after every epoch: after
    Ctrl-C, or any other end, --resume continues, and ends with the same bits as a run that was
    never stopped.
    """
    if resume and force:
        raise click.UsageError("--resume continues the checkpoint, --force replaces it: give one")
    _check_place(checkpoint)
    name = click.format_filename(checkpoint)
    say: Callable[[str], None] = (lambda text: None) if quiet else partial(click.echo, err=as_json)
    kept = reports_only() if as_json else nullcontext()
    try:
        with kept, DigitsRun(backend, seed, batch_size, checkpoint, resume, force, net) as run:
            settings = f"seed {run.seed}, batch size {run.batch_size}"
            say(f"network {run.net}, backend {run.backend}, {settings}")
            if resume:
                say(f"continuing after epoch {run.model.epoch_index} from {name}")
            result = run.train(epochs, progress=not quiet)
    except UnknownBackendError as error:
        raise click.BadParameter(str(error), param_hint="--backend") from error
    except KeyboardInterrupt:
        if os.path.exists(checkpoint):
            command = f"neonport train digits --resume --epochs {epochs} --checkpoint {name}"
            click.echo(f"to continue: {command}", err=True)
        raise click.Abort from None
    _report(result, say, as_json)


def _check_place(checkpoint: str) -> None:
    """Refuse a checkpoint path that cannot be written."""
    folder = os.path.dirname(os.path.abspath(checkpoint))
    if not os.path.isdir(folder):
        raise click.BadParameter(f"folder {folder!r} does not exist", param_hint="--checkpoint")


def _report(result: dict[str, Any], say: Callable[[str], None], as_json: bool) -> None:
    summary = (
        f"held-out accuracy {result['accuracy']:.2%} after {result['epochs']} epochs, "
        f"{result['seconds']:.1f} s on {result['backend']}"
    )
    place = f"checkpoint {click.format_filename(result['checkpoint'])}"
    if as_json:
        say(summary)
        say(place)
        click.echo(json.dumps(result))
    else:
        click.echo(summary)
        say(place)

"""`neonport plot`: pictures of what the callbacks of a training recorded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from neonport.cli.output import refuse_existing
from neonport.errors import RecordsError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Section = tuple[str, str, list[Figure]]

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
FIGURES = 500  # of one file
HEADINGS = {"cost": "Cost", "metrics": "Metrics", "multicost": "Costs", "gan": "Generator"}


@click.command(epilog="Example: neonport plot run.h5 -o pictures --format png")
@click.argument("records", required=False, metavar="RUN.H5", type=FILE)
@click.option("-i", "--input", "given", metavar="RUN.H5", type=FILE, help="The same, as in nvis.")
@click.option("-o", "--output", default="nvis", show_default=True, type=FOLDER, help="Folder.")
@click.option(
    "--axis",
    type=click.Choice(["epoch", "minibatch"]),
    default="epoch",
    show_default=True,
    help="What the time is counted in.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["html", "png", "svg"]),
    default="html",
    show_default=True,
    help="One HTML file that needs no network, or a file a picture.",
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
def plot(
    records: Path | None, given: Path | None, output: Path, axis: str, kind: str, force: bool
) -> None:
    """Draw costs, metrics, histograms and deconvolution images of a training.

    RUN.H5 is the output_file of its Callbacks, of neon's or of neonport's, also while the training
    goes on. Needs the extras plot and hdf5.
    """
    if (records is None) == (given is None):
        raise click.UsageError("name one file, the output_file of a training")
    source = records or given
    assert source is not None
    drawn = list(_not_too_many(_sections(source, axis == "epoch")))
    if not drawn:
        raise RecordsError(
            f"{str(source)!r} holds nothing to draw: no epoch of a training is complete"
        )
    stem = source.stem
    if kind == "html":
        from neonport.visualizations.page import page, write_page

        path = output / f"{stem}.html"
        refuse_existing([path], force)
        text = page(source.name, [(heading, figures) for heading, _, figures in drawn])
        output.mkdir(parents=True, exist_ok=True)
        write_page(path, text)
        click.echo(click.format_filename(path))
        return
    from neonport.io.atomic_write import write_file
    from neonport.visualizations.rendering import render

    files = {
        output / f"{stem}-{_slug(name)}-{number:02d}.{kind}": figure
        for _, name, figures in drawn
        for number, figure in enumerate(figures)
    }
    refuse_existing(files, force)
    output.mkdir(parents=True, exist_ok=True)
    for path, figure in files.items():
        write_file(path, partial(_write, render(figure, kind)))
        click.echo(click.format_filename(path))


def _sections(path: Path, epoch_axis: bool) -> Iterator[Section]:
    """Heading, a name for files, and figures of all that a file holds."""
    from neonport.visualizations import data
    from neonport.visualizations import figure as figures

    source = data.read_records(path)
    for group in data.GROUPS:
        curves = [curve for curve in data.h5_curves(source, group, epoch_axis) if len(curve[2])]
        if curves:
            title = HEADINGS[group]
            yield title, group, [figures.cost_fig(curves, epoch_axis=epoch_axis, title=title)]
    histograms = [h for h in data.h5_hist_data(source, epoch_axis) if h[1].size]
    if histograms:
        yield (
            "Histograms",
            "hist",
            [figures.hist_fig(h, epoch_axis=epoch_axis) for h in histograms[: FIGURES + 1]],
        )
    for name, maps in data.h5_deconv_data(source) or []:
        if maps:
            yield f"Layer {name}", f"deconv-{name}", figures.deconv_figs(name, maps)


def _not_too_many(sections: Iterable[Section]) -> Iterator[Section]:
    """Leave out what nobody would look at, and say so."""
    left = FIGURES
    for heading, name, figures in sections:
        if len(figures) > left:
            click.echo(f"only the first {FIGURES} pictures are drawn", err=True)
            figures = figures[:left]
        if not figures:
            return
        left -= len(figures)
        yield heading, name, figures


def _slug(name: str) -> str:
    """A name from a file as part of the name of a file."""
    return re.sub(r"[^A-Za-z0-9-]+", "_", name)[:60]


def _write(data: bytes, file: IO[bytes]) -> Any:
    return file.write(data)

"""How commands print: rich tables on a terminal, plain and wide ones in a pipe."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from neonport.io.atomic_write import write_file

PIPE_WIDTH = 200


def show(content: Table) -> None:
    """Print a table on stdout; where there is no terminal, wide, so that lines stay whole."""
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(content)
        return
    wide = Console(highlight=False, width=PIPE_WIDTH)
    with wide.capture() as captured:
        wide.print(content)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[Any]],
    styles: dict[str, str] | None = None,
    whole: Sequence[str] = (),
) -> Table:
    """Build a table; cells are plain text, so `[cuda]` in a message is not markup.

    Args:
        headings: the columns.
        rows: one sequence of cells each.
        styles: cell text -> rich style.
        whole: columns that are never wrapped.
    """
    out = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        out.add_column(heading, no_wrap=heading in whole, overflow="fold")
    for row in rows:
        out.add_row(*(Text(str(c), style=(styles or {}).get(str(c), "")) for c in row))
    return out


def refuse_existing(paths: Iterable[Path], force: bool) -> None:
    """Refuse to replace files, unless the user has asked for it.

    Raises:
        ClickException: one exists and `force` is off.
    """
    for path in () if force else paths:
        if path.is_file():
            raise click.ClickException(f"{click.format_filename(path)} exists; --force replaces it")


def write_text(path: Path, text: str) -> None:
    """Write a file of text, whole or not at all; devices and pipes are written to.

    Raises:
        OSError: it cannot be written; a file that was there is untouched.
    """
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return

    def write(file: IO[bytes]) -> None:
        file.write(text.encode("utf-8"))

    write_file(path, write)


def print_json(data: Any) -> None:
    """Print data as JSON; what JSON has no word for (NaN, infinity) becomes a string."""
    click.echo(json.dumps(_plain(data), indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    """Replace what JSON cannot hold."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    number = float(value)
    return number if abs(number) < float("inf") else str(number)

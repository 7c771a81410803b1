"""How commands print: tables, blocks where a terminal is narrow, JSON, progress."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import IO, Any, TypeVar

import click
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from neonport.io.atomic_write import write_file

T = TypeVar("T")
TABLE_WIDTH = 100  # characters of a terminal on which columns may wrap
STDOUT, STDERR = 1, 2


@contextmanager
def reports_only() -> Iterator[None]:
    """Keep stdout for the report: what plugins and drivers print goes to stderr."""
    sys.stdout.flush()
    try:
        kept = os.dup(STDOUT)
    except OSError:  # closed: nothing can be printed by anybody
        kept = None
    try:
        if kept is not None:
            os.dup2(STDERR, STDOUT)  # also of libraries that print without Python
        with redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stderr.flush()
        if kept is not None:
            os.dup2(kept, STDOUT)
            os.close(kept)


def show(
    headings: Sequence[str],
    rows: Iterable[Sequence[Any]],
    styles: dict[str, str] | None = None,
    whole: Sequence[str] = (),
) -> None:
    """Print a table on stdout.

    A pipe gets whole lines, however long; a terminal too narrow for columns gets one block a row.

    Args:
        headings: the columns.
        rows: one sequence of cells each; plain text, so `[cuda]` in a message is not markup.
        styles: cell text -> rich style.
        whole: columns that are never wrapped.
    """
    cells = [[str(cell) for cell in row] for row in rows]
    console = Console(highlight=False)
    if not console.is_terminal:
        content = _table(headings, cells, {}, headings)
        wide = Console(highlight=False, width=_width(headings, cells))
        with wide.capture() as captured:
            wide.print(content)
        for line in captured.get().splitlines():
            click.echo(line.rstrip())
    elif console.width >= min(_width(headings, cells), TABLE_WIDTH):
        console.print(_table(headings, cells, styles or {}, whole))
    else:
        _blocks(console, headings, cells, styles or {})


def show_line(label: str, text: str, width: int) -> None:
    """Print a labelled line on stdout; a terminal too narrow for it gets several.

    Args:
        label: what stands before the text.
        text: plain text.
        width: characters that the label takes up at least.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        click.echo(f"{label:<{width}} {text}")
        return
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, min_width=width)
    grid.add_column(overflow="fold")
    grid.add_row(Text(label), Text(text))
    console.print(grid)


def _width(headings: Sequence[str], rows: list[list[str]]) -> int:
    """Characters that a table needs if nothing is wrapped."""
    columns = zip(headings, *rows, strict=True)
    return sum(max(cell_len(cell) for cell in column) + 2 for column in columns)


def _table(
    headings: Sequence[str], rows: list[list[str]], styles: dict[str, str], whole: Sequence[str]
) -> Table:
    out = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        out.add_column(heading, no_wrap=heading in whole, overflow="fold")
    for row in rows:
        out.add_row(*(Text(cell, style=styles.get(cell, "")) for cell in row))
    return out


def _blocks(
    console: Console, headings: Sequence[str], rows: list[list[str]], styles: dict[str, str]
) -> None:
    """Print a row as a block: its first cell, then a line for each other one that is not empty."""
    label = max(len(heading) for heading in headings)
    for row in rows:
        console.print(Text(row[0], style="bold"))
        grid = Table.grid(padding=(0, 1))
        grid.add_column(no_wrap=True, min_width=label)
        grid.add_column(overflow="fold")
        for heading, cell in zip(headings[1:], row[1:], strict=True):
            if cell:
                grid.add_row(Text(heading, style="dim"), Text(cell, style=styles.get(cell, "")))
        console.print(Padding(grid, (0, 0, 0, 2)))


def progress(items: Iterable[T], total: int, words: str) -> Iterator[T]:
    """Hand items on, with a bar on stderr if that is a terminal.

    Args:
        items: what takes the time.
        total: how many there are.
        words: what is being done.
    """
    from rich.progress import track

    console = Console(stderr=True)
    return iter(
        track(items, words, total, console=console, transient=True, disable=not console.is_terminal)
    )


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

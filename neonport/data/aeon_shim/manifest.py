"""Manifests: tables of files and labels, one sample a line."""

from __future__ import annotations

import os
from typing import NamedTuple

from neonport.errors import ConfigurationError
from neonport.io.downloads import MissingData

KINDS = ("FILE", "BINARY", "STRING", "ASCII_INT", "ASCII_FLOAT")


class Manifest(NamedTuple):
    """What a manifest lists.

    Attributes:
        path: the manifest.
        kinds: of its columns: FILE is the name of a file, the others stand in the manifest itself.
        rows: its samples; names of files are complete.
    """

    path: str
    kinds: tuple[str, ...]
    rows: list[tuple[str, ...]]


def read_manifest(path: str, root: str = "") -> Manifest:
    r"""Read a manifest.

    Its first line says what the columns are: `@FILE\tASCII_INT`. Lines that are empty or begin with
    `#` are left out. Without a first line all columns are names of files.

    Args:
        path: the manifest, UTF-8, with tabs.
        root: folder of the files whose names are not absolute; default that of the manifest.

    Raises:
        MissingData: there is no such file.
        ConfigurationError: it has no samples, a kind of column that is not known, or a line with
            another number of columns.
    """
    path = os.path.expanduser(path)
    if not os.path.isfile(path):
        raise MissingData(f"there is no manifest {path!r}")
    folder = os.path.expanduser(root) or os.path.dirname(path)
    kinds: tuple[str, ...] | None = None
    rows: list[tuple[str, ...]] = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\r\n")
            if not line.strip() or line.startswith("#"):
                continue
            cells = tuple(line.split("\t"))
            if line.startswith("@"):
                kinds = _kinds(path, number, cells, kinds, bool(rows))
                continue
            kinds = kinds or ("FILE",) * len(cells)
            if len(cells) != len(kinds):
                way = "; one with commas is converted by convert_manifest" if "," in line else ""
                raise ConfigurationError(
                    f"{path!r}, line {number}: {len(cells)} columns, not {len(kinds)}; they are "
                    f"separated by tabs{way}"
                )
            rows.append(
                tuple(
                    os.path.join(folder, cell) if kind == "FILE" else cell
                    for kind, cell in zip(kinds, cells, strict=True)
                )
            )
    if kinds is None or not rows:
        raise ConfigurationError(f"the manifest {path!r} lists no samples")
    return Manifest(path, kinds, rows)


def _kinds(
    path: str, number: int, cells: tuple[str, ...], before: tuple[str, ...] | None, late: bool
) -> tuple[str, ...]:
    kinds = tuple(cell.lstrip("@").strip() for cell in cells)
    if before is not None or late or any(kind not in KINDS for kind in kinds):
        raise ConfigurationError(
            f"{path!r}, line {number}: {' '.join(cells)!r} must be the first line, and name each "
            f"column as one of {', '.join(KINDS)}, for example '@FILE<tab>ASCII_INT'"
        )
    return kinds

"""Manifests of aeon's first version, with commas, as those of today."""

from __future__ import annotations

import csv
import io
import os
from typing import IO

from neonport.errors import ConfigurationError
from neonport.io.atomic_write import write_file


def convert_manifest(source_manifest: str, output_manifest: str) -> None:
    r"""Write a manifest with tabs, whose first line says that all columns are names of files.

    Args:
        source_manifest: path of a file with commas, one record a line; lines that are empty or
            begin with `#` are left out.
        output_manifest: path of the file to be written, whole or not at all.

    Raises:
        ConfigurationError: a record with another number of columns than the first, or with a tab.
        OSError: a file cannot be read or written.

    Example:
        with open("old.csv", "w") as file:
            _ = file.write("a.jpg,a.txt\nb.jpg,b.txt\n")
        convert_manifest("old.csv", "new.tsv")
        with open("new.tsv") as file:
            assert file.readline() == "@FILE\tFILE\n"
    """
    path = os.path.expanduser(source_manifest)
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if row and not row[0].startswith("#")]
    if not rows:
        raise ConfigurationError(f"convert_manifest: {path!r} has no records")
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]) or any("\t" in cell for cell in row):
            raise ConfigurationError(
                f"convert_manifest: record {number} of {path!r} has {len(row)} columns, the first "
                f"one {len(rows[0])}; all must have as many, and no tabs"
            )
    text = io.StringIO()
    text.write("@" + "\t".join(["FILE"] * len(rows[0])) + "\n")
    for row in rows:
        text.write("\t".join(cell.strip() for cell in row) + "\n")
    data = text.getvalue().encode()

    def write(file: IO[bytes]) -> None:
        file.write(data)

    write_file(os.path.expanduser(output_manifest), write)

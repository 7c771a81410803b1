"""A table of the files in folders of classes."""

from __future__ import annotations

import csv
import glob
import io
import os
from typing import IO

from neonport.errors import ConfigurationError
from neonport.io.atomic_write import write_file


class Indexer:
    """Writes an index of a folder that has one folder for each class.

    The index has the header `filename,label1` and a line for each file: its path below `path`, and
    the number of its folder, counted in the order of their names.

    Args:
        path: the folder.
        index_file: the index to be written; nothing is done if it is there.
        pattern: which files of a folder are taken, with `*` and `?`.

    Raises:
        ConfigurationError: raised by `run`: there are no such folders, or no files in them.

    Example:
        import os
        for kind in "cat", "dog":
            os.makedirs(f"pictures/{kind}")
            open(f"pictures/{kind}/1.png", "w").close()
        Indexer("pictures", "index.csv", "*.png").run()
        with open("index.csv") as file:
            assert file.read().split() == ["filename,label1", "cat/1.png,0", "dog/1.png,1"]
    """

    neon_module = "neon.data.indexer"

    def __init__(self, path: str, index_file: str, pattern: str = "*") -> None:
        self.path = os.path.expanduser(path)
        self.index_file = os.path.expanduser(index_file)
        self.pattern = pattern

    def run(self) -> None:
        """Write the index, unless it is there."""
        if os.path.exists(self.index_file):
            return
        if not os.path.isdir(self.path):
            raise ConfigurationError(f"Indexer: there is no folder {self.path!r}")
        folders = sorted(entry.name for entry in os.scandir(self.path) if entry.is_dir())
        rows = [
            (f"{folder}/{name}", label)
            for label, folder in enumerate(folders)
            for name in self._files(folder)
        ]
        if not rows:
            raise ConfigurationError(
                f"Indexer: the folders of {self.path!r} ({', '.join(folders) or 'none'}) hold no "
                f"files {self.pattern!r}; there must be one folder for each class"
            )
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([("filename", "label1"), *rows])
        data = text.getvalue().encode()

        def write(file: IO[bytes]) -> None:
            file.write(data)

        write_file(self.index_file, write)

    def _files(self, folder: str) -> list[str]:
        place = os.path.join(self.path, folder)
        found = glob.glob(os.path.join(glob.escape(place), self.pattern))
        return sorted(os.path.basename(path) for path in found if os.path.isfile(path))

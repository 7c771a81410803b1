"""The base of data sets that are files on the network."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from neonport.base import NervanaObject
from neonport.errors import ConfigurationError
from neonport.io import downloads
from neonport.io.pickle_reader import read_pickle

if TYPE_CHECKING:
    from neonport.backends.backend import Backend


class UnusableSubset(ConfigurationError, NotImplementedError):
    """A part of a data set was asked for, which the data set does not give."""


class Dataset(NervanaObject):
    """Data in a file that is fetched when it is first needed, and the iterators over them.

    A file is looked for in `path` and in the folder `$NEON_DATA_CACHE_DIR`, and downloaded into
    that folder if the variable is set, else into `path`.

    Args:
        filename: name of the file.
        url: address of the folder it is in.
        size: its bytes; 0 if that is not known.
        path: folder for it; `~` is expanded, and it is made.
        subset_pct: 100; data sets that can give a part say so.
        name: name.

    Attributes:
        CHECKSUMS: of a class: `{file name: "sha256:..."}` for files whose checksum is known; what
            is downloaded is compared.

    Raises:
        UnusableSubset: another `subset_pct`; also a `NotImplementedError`.

    Example:
        class Numbers(Dataset):
            def gen_iterators(self):
                file = self.load_zip(self.filename, self.size)
                columns = np.loadtxt(file)
                return {"train": ArrayIterator(columns, make_onehot=False)}

        np.savetxt("numbers.txt", np.ones((8, 2)))  # as if it had been downloaded
        numbers = Numbers("numbers.txt", "https://example.org/data", 0)
        assert numbers.train_iter.ndata == 8
    """

    be: Backend
    neon_module = "neon.data.datasets"
    CHECKSUMS: ClassVar[dict[str, str]] = {}

    def __init__(
        self,
        filename: str,
        url: str,
        size: int,
        path: str = ".",
        subset_pct: float = 100,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if subset_pct != 100:
            raise UnusableSubset(
                f"{self.classnm}: subset_pct={subset_pct!r}: this data set is given whole; take a "
                "part of its arrays yourself"
            )
        self.filename = filename
        self.url = url
        self.size = size
        self.path = path
        self.subset_pct = subset_pct

    # ---- files -----------------------------------------------------------------------------------

    @staticmethod
    def _valid_path_append(path: str, *names: str) -> Any:
        """A folder, made, with `~` expanded; the path of a file in it, or a list of several."""
        folder = os.path.expanduser(path)
        os.makedirs(folder, exist_ok=True)
        paths = [os.path.join(folder, name) for name in names]
        return folder if not paths else paths[0] if len(paths) == 1 else paths

    @staticmethod
    def fetch_dataset(
        url: str, sourcefile: str, destfile: str, totalsz: int, checksum: str | None = None
    ) -> None:
        """Download a file, with progress; one that broke off is continued.

        Args:
            url: address of the folder it is in.
            sourcefile: its name there.
            destfile: path of the file to be made.
            totalsz: its bytes; 0 if that is not known.
            checksum: of what arrives, `"sha256:..."`; None if that is not known.

        Raises:
            MissingData: it cannot be had, or has another size or checksum; also a
                `ConfigurationError` and an `OSError`.
        """
        downloads.download(f"{url.rstrip('/')}/{sourcefile}", destfile, totalsz, checksum)

    def load_zip(self, filename: str, size: int) -> str:
        """The path of a file, which is fetched if it is not there; zip archives are unpacked.

        Args:
            filename: its name, here and at `url`.
            size: its bytes; 0 if that is not known.

        Returns:
            The path; of an archive the path without `.zip` and what follows it.

        Raises:
            MissingData: it is not there and cannot be downloaded.
            ConfigurationError: the archive is damaged, or has members outside of its folder.
        """
        path = self._find(filename)
        if ".zip" not in filename:
            return path if os.path.exists(path) else self._fetch(filename, size)
        unpacked = self._find(filename.partition(".zip")[0])
        if not os.path.exists(unpacked):
            if not os.path.exists(path):
                path = self._fetch(filename, size)
            unpacked = path.partition(".zip")[0]
            downloads.unpack(path, os.path.dirname(path))
        return unpacked

    def _find(self, filename: str) -> str:
        """The path of a file in `path` or the cache folder, or where it is to be."""
        own: str = self._valid_path_append(self.path, filename)
        cache = os.getenv(downloads.DATA_CACHE_VARIABLE)
        if not cache or os.path.exists(own):
            return own
        cached: str = self._valid_path_append(cache, filename)
        return cached

    def _fetch(self, filename: str, size: int) -> str:
        path = self._find(filename)
        self.fetch_dataset(self.url, filename, path, size, self.CHECKSUMS.get(filename))
        return path

    def _read(self, path: str) -> Any:
        """What a pickle holds, read as data."""
        with open(path, "rb") as file:
            return read_pickle(file.read(), path)

    # ---- data ------------------------------------------------------------------------------------

    def load_data(self) -> Any:
        """The data themselves; each data set says what it gives."""
        raise NotImplementedError(f"{self.classnm} must define load_data()")

    def gen_iterators(self) -> dict[str, Any]:
        """Make the iterators, by name: 'train', 'valid', 'test'."""
        raise NotImplementedError(f"{self.classnm} must define gen_iterators()")

    @cached_property
    def data_dict(self) -> dict[str, Any]:
        """The iterators by name, made when they are first needed."""
        return self.gen_iterators()

    def get_iterator(self, setname: str) -> Any:
        """An iterator by name.

        Raises:
            ConfigurationError: there is none of that name.
        """
        if setname not in self.data_dict:
            raise ConfigurationError(
                f"{self.classnm} has no data {setname!r}; it has {', '.join(self.data_dict)}"
            )
        return self.data_dict[setname]

    @property
    def train_iter(self) -> Any:
        """Iterator over the data for training."""
        return self.get_iterator("train")

    @property
    def valid_iter(self) -> Any:
        """Iterator over the data for validation."""
        return self.get_iterator("valid")

    @property
    def test_iter(self) -> Any:
        """Iterator over the data for testing."""
        return self.get_iterator("test")

    def serialize(self) -> dict[str, Any]:
        """The description: class and arguments, not the data."""
        return self.get_description()

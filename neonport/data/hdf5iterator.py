"""Minibatches from an HDF5 file, read as they are needed: for data larger than memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from neonport.data import checks
from neonport.data.dataiterator import ArrayIterator, NervanaDataIterator
from neonport.errors import ConfigurationError, DtypeError, ShapeError
from neonport.io.downloads import MissingData
from neonport.layers.shapes import buffer_shape


class HDF5Iterator(ArrayIterator):
    """Minibatches of an HDF5 file; only one is in memory at a time. Needs the extra `hdf5`.

    The file has the datasets `input` (ndata, F), numbers, whose attribute `lshape` is the logical
    shape of a sample; `mean`, which may be missing, F numbers or one a channel, to be subtracted;
    and `output` (ndata, M), which may be missing: then targets are None.

    A pass that ends within a batch fills it with the first samples, and the next pass begins after
    those; see `ArrayIterator`.

    Subclasses may redefine `allocate_inputs`, `allocate_outputs`, `gen_input` and `gen_output`.

    Args:
        hdf_filename: the file.
        name: name.

    Attributes:
        ndata: samples.
        shape: `lshape`, or F if there is none.
        hdf_file: the open file.
        inp, out: its datasets; `out` is None if there is none.
        inpbuf, outbuf: what is yielded, (F, N) and (M, N), made by `allocate`.
        mean: what is subtracted, (F, 1), or None.

    Raises:
        MissingData: there is no such file; also an `OSError`.
        ConfigurationError: no backend or batch size, h5py is not installed, no dataset `input`, or
            no samples.
        ShapeError: datasets that do not fit each other.
        DtypeError: data that are no numbers.

    Example:
        import h5py
        with h5py.File("data.h5", "w") as file:
            file["input"] = np.random.rand(10, 12)
            file["input"].attrs["lshape"] = (3, 2, 2)
            file["output"] = np.random.rand(10, 2)
        data = HDF5Iterator("data.h5")
        for x, t in data:
            assert x.shape == (12, 4) and t.shape == (2, 4)
        data.cleanup()
    """

    neon_module = "neon.data.hdf5iterator"

    def __init__(self, hdf_filename: str, name: str | None = None) -> None:
        NervanaDataIterator.__init__(self, name=name)
        self._label = f"{self.classnm} {self.name}"
        checks.need_batch_size(self._label, self.be)
        self.hdf_filename = hdf_filename
        self.hdf_file = _opened(self._label, hdf_filename)
        self.start = 0
        self.strict_wrap = True
        self.shuffle = self.weighted = False
        self._order, self._pass = None, 0
        self._size: int | None = None  # of the buffers
        try:
            self._read_layout()
        except BaseException:
            self.cleanup()
            raise

    def _read_layout(self) -> None:
        file = self.hdf_file
        if "input" not in file:
            raise ConfigurationError(
                f"{self._label}: {self.hdf_filename!r} has no dataset 'input'; it has "
                f"{', '.join(file) or 'none'}"
            )
        self.inp, self.out = file["input"], file.get("output")
        for part in (self.inp, self.out):
            if part is not None and part.dtype.kind not in "biuf":
                raise DtypeError(
                    f"{self._label}: dataset {part.name!r} of dtype {part.dtype} holds no numbers"
                )
        if self.inp.ndim != 2 or not self.inp.size:
            raise ShapeError(
                f"{self._label}: dataset 'input' of shape {self.inp.shape} must be 2-D, one row a "
                "sample, with samples; give the shape of images as its attribute lshape"
            )
        self.ndata, features = self.inp.shape
        if self.out is not None and (not self.out.ndim or len(self.out) != self.ndata):
            raise ShapeError(
                f"{self._label}: dataset 'output' of shape {self.out.shape} must have one row for "
                f"each of the {self.ndata} samples"
            )
        lshape = self.inp.attrs.get("lshape")
        self.lshape = None if lshape is None else tuple(int(n) for n in np.atleast_1d(lshape))
        if self.lshape is not None and int(np.prod(self.lshape)) != features:
            raise ShapeError(
                f"{self._label}: lshape {self.lshape} has {int(np.prod(self.lshape))} elements, "
                f"the rows of 'input' have {features}"
            )
        self.shape = features if self.lshape is None else self.lshape
        self._mean = self._mean_of_rows(features)

    def _mean_of_rows(self, features: int) -> np.ndarray | None:
        """The mean of each element, of a dataset with one for each or one for each channel."""
        if "mean" not in self.hdf_file:
            return None
        mean = np.asarray(self.hdf_file["mean"], dtype=np.float64).ravel()
        channels = self.lshape[0] if self.lshape else features
        if len(mean) not in (features, channels):
            raise ShapeError(
                f"{self._label}: dataset 'mean' has {len(mean)} numbers; there must be {features}, "
                f"one an element, or {channels}, one a channel"
            )
        return np.repeat(mean, features // len(mean)).reshape(-1, 1)

    # ---- buffers ---------------------------------------------------------------------------------

    def allocate(self) -> None:
        """Make the buffers of a minibatch; the first pass does it."""
        self._size = self.be.bsz
        self.mean = None if self._mean is None else self.be.array(self._mean)
        self.allocate_inputs()
        self.allocate_outputs()

    def allocate_inputs(self) -> None:
        """Make `mini_batch_in`, on the host, (N, F), and `inpbuf`, (F, N)."""
        self.mini_batch_in = np.zeros((self.be.bsz, self.inp.shape[1]), self.be.default_dtype)
        self.inpbuf = self.be.empty((self.inp.shape[1], self.be.bsz))

    def allocate_outputs(self) -> None:
        """Make `mini_batch_out`, on the host, (N, M), and `outbuf`, (M, N), if there are any."""
        self.mini_batch_out = self.outbuf = None
        if self.out is not None:
            columns = int(np.prod(self.out.shape[1:]))
            self.mini_batch_out = np.zeros((self.be.bsz, columns), self.be.default_dtype)
            self.outbuf = self.be.empty((columns, self.be.bsz))

    def gen_input(self, mini_batch: np.ndarray) -> Any:
        """The inputs on the device, of a minibatch (N, F) on the host."""
        self.inpbuf.set(mini_batch.T)
        if self.mean is not None:
            self.inpbuf[:] = self.inpbuf - self.mean
        pair = isinstance(self.shape, tuple) and len(self.shape) == 2  # a sequence
        return self.inpbuf.reshape(buffer_shape(self.shape, self.be.bsz)) if pair else self.inpbuf

    def gen_output(self, mini_batch: np.ndarray | None) -> Any:
        """The targets on the device, of a minibatch (N, M) on the host; None if there are none."""
        if mini_batch is None or self.outbuf is None:
            return None
        self.outbuf.set(mini_batch.T)
        return self.outbuf

    def set_backend(self, be: Any) -> None:
        """Use another backend; its buffers are made by the next pass."""
        NervanaDataIterator.set_backend(self, be)
        self._size = None

    # ---- passes ----------------------------------------------------------------------------------

    def _batch_in_order(self, begin: int) -> tuple[Any, Any]:
        """The minibatch of the samples from `begin` on; after the last comes the first."""
        if self._size != self.be.bsz:
            self.allocate()
        size, done = self.be.bsz, 0
        while done < size:
            first = (begin + done) % self.ndata
            count = min(size - done, self.ndata - first)
            self._copy(slice(done, done + count), slice(first, first + count))
            done += count
        x = self.gen_input(self.mini_batch_in)
        return x, self.gen_output(self.mini_batch_out)

    def _copy(self, rows: slice, samples: slice) -> None:
        """Read samples of the file into rows of the minibatch on the host."""
        self.mini_batch_in[rows] = self.inp[samples]
        if self.mini_batch_out is not None:
            assert self.out is not None
            self.mini_batch_out[rows] = self.out[samples].reshape(rows.stop - rows.start, -1)

    def in_order(self) -> Iterator[tuple[Any, Any]]:
        """One pass from the first sample to the last; the position stays as it is."""
        for begin in range(0, self.ndata, self.be.bsz):
            yield self._batch_in_order(begin)

    def cleanup(self) -> None:
        """Close the file; the iterator is of no use then."""
        self.hdf_file.close()


class HDF5IteratorOneHot(HDF5Iterator):
    """Minibatches of an HDF5 file whose `output` are labels, yielded one-hot.

    The dataset `output` has one label a sample, 0 to `nclass` - 1, and the attribute `nclass`.

    Args:
        hdf_filename: the file.
        name: name.

    Raises:
        MissingClassCount: there is no `output`, or it has no attribute `nclass`.
        ConfigurationError: labels that are no classes; and see `HDF5Iterator`.

    Example:
        import h5py
        with h5py.File("data.h5", "w") as file:
            file["input"] = np.random.rand(10, 12)
            file["output"] = np.arange(10).reshape(10, 1) % 3
            file["output"].attrs["nclass"] = 3
        for x, t in HDF5IteratorOneHot("data.h5"):
            assert t.shape == (3, 4)
    """

    def _read_layout(self) -> None:
        super()._read_layout()
        nclass = None if self.out is None else self.out.attrs.get("nclass")
        if self.out is None or nclass is None:
            raise checks.MissingClassCount(
                f"{self._label}: {self.hdf_filename!r} needs a dataset 'output' with the number of "
                "classes as its attribute nclass"
            )
        self.nclass = int(nclass)
        labels = checks.check_targets(self._label, self.out[:], self.ndata, self.nclass, True)
        self.labels = labels.astype(np.int32)

    def allocate_outputs(self) -> None:
        """Make `mini_batch_out`, labels on the host, and `outbuf`, (nclass, N)."""
        assert self.nclass is not None
        self.mini_batch_out = np.zeros((self.be.bsz, 1), np.int32)
        self._labels_dev = self.be.empty((1, self.be.bsz), dtype=np.int32)
        self.outbuf = self.be.empty((self.nclass, self.be.bsz))

    def _copy(self, rows: slice, samples: slice) -> None:
        self.mini_batch_in[rows] = self.inp[samples]
        assert self.mini_batch_out is not None
        self.mini_batch_out[rows] = self.labels[samples]

    def gen_output(self, mini_batch: np.ndarray | None) -> Any:
        """The labels (N, 1) as one-hot columns on the device."""
        assert mini_batch is not None
        assert self.outbuf is not None
        self._labels_dev.set(mini_batch.T)
        self.outbuf[:] = self.be.onehot(self._labels_dev, axis=0)
        return self.outbuf


class HDF5IteratorAutoencoder(HDF5Iterator):
    """Minibatches of an HDF5 file whose targets are the inputs.

    Args:
        hdf_filename: the file; a dataset `output` is not read.
        name: name.

    Example:
        import h5py
        with h5py.File("data.h5", "w") as file:
            file["input"] = np.random.rand(10, 12)
        for x, t in HDF5IteratorAutoencoder("data.h5"):
            assert x is t
    """

    def _read_layout(self) -> None:
        super()._read_layout()
        self.out = None

    def _batch_in_order(self, begin: int) -> tuple[Any, Any]:
        x, _ = super()._batch_in_order(begin)
        return x, x


def _opened(label: str, path: str) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise ConfigurationError(
            f"{label}: HDF5 files need h5py; install it with `pip install neonport[hdf5]`"
        ) from error
    path = os.path.expanduser(path)
    if not os.path.exists(path):
        raise MissingData(f"{label}: there is no file {path!r}")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise MissingData(f"{label}: {path!r} cannot be opened as an HDF5 file: {error}") from error

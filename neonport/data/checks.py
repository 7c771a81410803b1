"""Checks of arrays that become minibatches; each error names the iterator and the way out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from neonport.base import need_instance, shown
from neonport.errors import ConfigurationError, DtypeError, ShapeError
from neonport.tensor.tensor import Tensor


class MissingClassCount(ConfigurationError, AttributeError):
    """Labels are to be made one-hot, but nobody said how many classes there are."""


def need_batch_size(label: str, be: Any) -> None:
    """Raise unless there is a backend with a batch size.

    Raises:
        ConfigurationError: there is none.
    """
    if be is None:
        raise ConfigurationError(
            f"{label}: there is no backend; call gen_backend(batch_size=...) first"
        )
    if not be.bsz:
        raise ConfigurationError(
            f"{label}: the backend has no batch size; call gen_backend(batch_size=...) first, or "
            "set be.bsz"
        )


def numbers(label: str, argument: str, value: Any) -> np.ndarray:
    """Return an argument as an array of numbers.

    Raises:
        DtypeError: it holds text or objects.
        ConfigurationError: masked values.
    """
    if np.ma.isMaskedArray(value) and np.ma.is_masked(value):
        raise ConfigurationError(
            f"{label}: {argument} is a masked array, whose mask would be lost; fill the gaps "
            "first: x.filled(0)"
        )
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"{label}: {argument} has rows of different lengths ({error})") from error
    if array.dtype.kind not in "biuf":
        text = array.dtype.kind in "USO" and array.size and isinstance(array.flat[0], (str, bytes))
        way = "for class names: classes, y = numpy.unique(names, return_inverse=True)"
        if argument == "X":
            way = "convert columns of figures by x.astype(float), and make columns of words numbers"
        found = "text" if text else f"elements of dtype {array.dtype}"
        raise DtypeError(f"{label}: {argument} holds {found}, not numbers; {way}")
    return array


def check_inputs(label: str, inputs: list[np.ndarray], listed: bool) -> None:
    """Check that inputs are matrices of one length.

    Args:
        label: names the iterator in errors.
        inputs: the arrays.
        listed: whether they came as a list.

    Raises:
        ShapeError: they are not.
        ConfigurationError: there is no array, or no sample.
    """
    if not inputs or not inputs[0].size:
        raise ConfigurationError(f"{label}: X holds no samples; was a file or a selection empty?")
    for x in inputs:
        if x.ndim != 2 or len(x) != len(inputs[0]):
            way = "reshape images to rows and give their shape as lshape"
            if listed and x.ndim < 2:
                way = "a list means several inputs; for one give an array: numpy.array(X)"
            elif x.ndim == 1:
                way = "for one feature a sample give x.reshape(-1, 1)"
            raise ShapeError(
                f"{label}: X must be 2-D with one row a sample, and all X of one length; got "
                f"{[x.shape for x in inputs[:8]]}; {way}"
            )


def logical_shapes(label: str, inputs: list[np.ndarray], lshape: Any) -> list[Any]:
    """The logical shape of a sample of each input.

    Args:
        label: names the iterator in errors.
        inputs: the arrays, one row a sample.
        lshape: shape of all, a list with that of each of several inputs, or None.

    Raises:
        ShapeError: one does not fit the rows.
    """
    each = isinstance(lshape, list) and len(inputs) > 1
    if each and len(lshape) != len(inputs):
        raise ShapeError(
            f"{label}: lshape lists {len(lshape)} shapes for {len(inputs)} inputs; give one each"
        )
    shapes = []
    for x, shape in zip(inputs, lshape if each else [lshape] * len(inputs), strict=True):
        if shape is not None and int(np.prod(shape)) != x.shape[1]:
            raise ShapeError(
                f"{label}: lshape {shape} has {int(np.prod(shape))} elements, the rows of X have "
                f"{x.shape[1]}"
            )
        shapes.append(x.shape[1] if shape is None else shape)
    return shapes


def check_targets(
    label: str, y: Any, samples: int, nclass: int | None, make_onehot: bool
) -> np.ndarray:
    """Return the targets as a matrix: (samples, 1) labels, or (samples, k) as they are.

    Raises:
        DtypeError: they are no numbers.
        ShapeError: another number of them.
        MissingClassCount: labels to be made one-hot without `nclass`.
        ConfigurationError: labels that are not 0 to nclass - 1, or an `nclass` that is no number.
    """
    y = numbers(label, "y", y)
    if make_onehot and y.ndim == 2 and y.shape[1] > 1 and len(y) == samples:
        raise ShapeError(
            f"{label}: y has shape {y.shape}: labels to be made one-hot are one number a sample; "
            "for targets with several columns pass make_onehot=False"
        )
    y = y.reshape(-1, 1) if make_onehot else y.reshape(len(y) if y.ndim else 1, -1)
    if len(y) != samples:
        raise ShapeError(
            f"{label}: {samples} samples but {len(y)} targets (shape {y.shape}); give one row a "
            "sample"
        )
    if not make_onehot:
        return y
    if nclass is None:
        raise MissingClassCount(
            f"{label}: nclass is needed to make the labels one-hot; pass it, or make_onehot=False "
            "for targets that are used as they are"
        )
    class_count(label, nclass)
    if y.min() < 0 or y.max() >= nclass or np.any(y != np.floor(y)):
        raise ConfigurationError(
            f"{label}: labels must be whole numbers 0..{nclass - 1}, found {y.min()}..{y.max()}"
        )
    return y


def class_count(label: str, nclass: Any) -> int:
    """Return a number of classes.

    Raises:
        ConfigurationError: it is no whole number, or below 1.
    """
    if isinstance(nclass, bool) or not isinstance(nclass, (int, np.integer)) or nclass < 1:
        raise ConfigurationError(
            f"{label}: nclass={nclass!r} must be a whole number of classes, 1 or more"
        )
    return int(nclass)


def check_target_shape(
    label: str, shape: Any, y: np.ndarray | None, make_onehot: bool
) -> tuple[int, int] | None:
    """Return the logical shape of targets that are sequences, or None.

    Raises:
        ShapeError: it is no pair (K, T), or the targets have not K * T columns.
    """
    if shape is None:
        return None
    pair = isinstance(shape, (tuple, list)) and len(shape) == 2
    columns = None if y is None or make_onehot else y.shape[1]
    if not pair or int(np.prod(shape)) != columns:
        found = "labels to be made one-hot" if make_onehot else f"targets with {columns} columns"
        raise ShapeError(
            f"{label}: target_shape={shape!r} must be a pair (K, T), with targets of K * T columns "
            f"(make_onehot=False), not {found}"
        )
    return int(shape[0]), int(shape[1])


def check_weights(label: str, weights: Any, samples: int, steps: int) -> np.ndarray:
    """Return weights of samples as (samples, steps), the same in all steps of a sequence.

    Raises:
        DtypeError: they are no numbers.
        ShapeError: not one a sample.
        ConfigurationError: one is negative or not finite.
    """
    found = numbers(label, "weights", weights)
    if found.shape not in ((samples,), (samples, 1)):
        raise ShapeError(
            f"{label}: weights have shape {found.shape}, but there are {samples} samples; give one "
            "number each"
        )
    if not (np.isfinite(found) & (found >= 0)).all():
        raise ConfigurationError(f"{label}: weights must be finite numbers from 0 on")
    return np.repeat(found.reshape(-1, 1), steps, axis=1)


def check_dataset(call: str, dataset: Any, needs: Iterable[str]) -> None:
    """Raise unless `dataset` is a data iterator.

    Args:
        call: names the method in errors.
        dataset: what was given.
        needs: attributes it must have.

    Raises:
        ConfigurationError: it is an array, a class, text, or lacks something.
    """
    need_instance(call, "the dataset", dataset, "ArrayIterator(X, y, nclass=...)")
    plain = isinstance(dataset, (Tensor, list, tuple, dict))
    made = hasattr(dataset, "nbatches")  # one for minibatches, whatever else it has
    if hasattr(dataset, "columns") and not made:
        raise ConfigurationError(
            f"{call}: the dataset is {shown(dataset)}, not a data iterator; wrap a table in one: "
            "FrameIterator(frame, target=...), its columns in ArrayIterator(X, y, nclass=3)"
        )
    if plain or (hasattr(dataset, "dtype") and not made):
        rest = {"fit": "cost, optimizer, num_epochs", "evaluate": "metrics"}.get(call)
        apart = f"give arrays by themselves: {call}(X, y, {rest}); or " if rest else ""
        raise ConfigurationError(
            f"{call}: the dataset is {shown(dataset)}, not a data iterator; {apart}wrap arrays in "
            "one: "
            "ArrayIterator(X, y, nclass=3), for numbers as targets ArrayIterator(X, y, "
            "make_onehot=False)"
        )
    missing = [name for name in ("__iter__", *needs) if not hasattr(dataset, name)]
    if missing:
        way = "use ArrayIterator"
        if not made and hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):
            way = "wrap a data set in DatasetIterator(dataset, nclass=...)"
        elif not made and hasattr(dataset, "__iter__"):
            way = "wrap a loader in LoaderIterator(loader, nclass=...)"
        raise ConfigurationError(
            f"{call}: the dataset, {shown(dataset)}, is no data iterator: it has no "
            f"{', '.join(missing)}; {way}, or see NervanaDataIterator for what one of "
            "your own needs"
        )

"""Minibatches of tables with named columns, pandas' data frames above all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neonport.data.dataiterator import ArrayIterator
from neonport.errors import ConfigurationError, DtypeError


class FrameIterator(ArrayIterator):
    """Minibatches of a table with named columns, such as a data frame of pandas.

    What has `columns` and gives a column as `frame[name]` will do; pandas itself is not imported.
    The numbers are put on the device as `ArrayIterator` does.

    Args:
        frame: the table.
        target: name of the column to be predicted, or a list of several columns of numbers; None
            for the features themselves. A column of text, of categories, of True and False, or any
            with `classes` or `nclass`, holds classes, and is made one-hot; others are used as they
            are.
        features: names of the columns of inputs, in their order; default all but the targets.
        classes: the classes in their order, for a table that has not all of them: those of the
            training for the validation. Default: what the column holds, sorted, or its categories.
        nclass: number of classes of a column that holds 0, 1, 2.
        kwargs: further arguments of `ArrayIterator`: lshape, shuffle, seed, weights, name, be.

    Attributes:
        features: names of the columns of inputs.
        classes: what the rows of targets stand for, a list; None for numbers.

    Raises:
        ConfigurationError: a column that is not there, missing values, or a class that is not among
            `classes`; and see `ArrayIterator`.
        DtypeError: a column of inputs that holds no numbers.

    Example:
        import pandas
        frame = pandas.DataFrame({"stem": np.arange(8.0), "leaf": np.ones(8)})
        frame["kind"] = ["aster", "crocus"] * 4
        data = FrameIterator(frame, target="kind", shuffle=True)
        assert data.features == ["stem", "leaf"] and data.classes == ["aster", "crocus"]
        for x, t in data:
            assert x.shape == t.shape == (2, 4)
    """

    def __init__(
        self,
        frame: Any,
        target: Any = None,
        features: Sequence[Any] | None = None,
        classes: Sequence[Any] | None = None,
        nclass: int | None = None,
        **kwargs: Any,
    ) -> None:
        if not hasattr(frame, "columns") or not hasattr(frame, "__getitem__"):
            raise ConfigurationError(
                f"FrameIterator: a {type(frame).__name__} has no named columns; for arrays use "
                "ArrayIterator, for a single column frame[[name]]"
            )
        names = list(frame.columns)
        targets = [] if target is None else list(target) if isinstance(target, list) else [target]
        chosen = [n for n in names if n not in targets] if features is None else list(features)
        missing = [name for name in (*chosen, *targets) if name not in names]
        if missing or not chosen:
            raise ConfigurationError(
                f"FrameIterator: the table has no columns {missing}; it has {names[:20]}"
                if missing
                else "FrameIterator: no columns are left for the inputs"
            )
        self.features = chosen
        self.classes: list[Any] | None = None
        x = np.stack([_numbers(frame, name) for name in chosen], axis=1)
        arguments: dict[str, Any] = {"make_onehot": False}
        if target is not None:
            if len(targets) == 1 and _holds_classes(frame[targets[0]], classes, nclass):
                arguments["y"], self.classes = _labels(frame, targets[0], classes, nclass)
                arguments |= {"nclass": len(self.classes), "make_onehot": True}
            elif classes is not None or nclass is not None:
                raise ConfigurationError(
                    f"FrameIterator: classes need one column as target, not {targets}"
                )
            else:
                arguments["y"] = np.stack([_numbers(frame, name) for name in targets], axis=1)
        super().__init__(x, **arguments, **kwargs)


def _values(frame: Any, name: Any) -> np.ndarray:
    column = frame[name]
    convert = getattr(column, "to_numpy", None)
    return np.asarray(column if convert is None else convert())


def _numbers(frame: Any, name: Any) -> np.ndarray:
    """A column as float64.

    Raises:
        DtypeError: it holds no numbers.
        ConfigurationError: values are missing.
    """
    values = _values(frame, name)
    if values.dtype.kind not in "biuf" and not _are_numbers(values):
        raise DtypeError(
            f"FrameIterator: column {name!r} of dtype {frame[name].dtype} holds no numbers; "
            "make it numbers first, categories by pandas.get_dummies(frame), or leave it out"
        )
    if values.dtype.kind == "O":  # numbers of a type with missing values
        values = np.array([np.nan if _is_missing(v) else v for v in values], np.float64)
    values = values.astype(np.float64)
    lacking = int(np.isnan(values).sum())
    if lacking:
        raise ConfigurationError(
            f"FrameIterator: column {name!r} lacks {lacking} of {len(values)} values, which would "
            "make the network's numbers nan; fill them first, frame.fillna(...), or drop the rows, "
            "frame.dropna()"
        )
    return values


def _are_numbers(values: np.ndarray) -> bool:
    """Whether all objects are numbers, or missing ones."""
    kinds = (int, float, np.number, np.bool_)
    return values.dtype.kind == "O" and all(isinstance(v, kinds) or _is_missing(v) for v in values)


def _is_missing(value: Any) -> bool:
    """Whether a value is None, nan, or pandas' word for a missing one."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return bool(isinstance(value, float) and np.isnan(value))


def _holds_classes(column: Any, classes: Any, nclass: int | None) -> bool:
    kind = getattr(column, "dtype", None)
    if classes is not None or nclass is not None or hasattr(kind, "categories"):
        return True
    values = np.asarray(column)
    return values.dtype.kind in "USb" or (values.dtype.kind == "O" and not _are_numbers(values))


def _labels(
    frame: Any, name: Any, classes: Sequence[Any] | None, nclass: int | None
) -> tuple[np.ndarray, list[Any]]:
    """A column as numbers of classes, and the classes.

    Raises:
        ConfigurationError: values are missing, or are none of the classes.
    """
    values = _values(frame, name)
    lacking = sum(map(_is_missing, values.tolist()))
    if lacking:
        raise ConfigurationError(
            f"FrameIterator: column {name!r} lacks {lacking} of {len(values)} classes; drop these "
            f"rows: frame.dropna(subset=[{name!r}])"
        )
    known = classes
    if known is None and nclass is not None:
        known = range(nclass)
    if known is None:
        known = getattr(getattr(frame[name], "dtype", None), "categories", None)
    listed = sorted(set(values.tolist())) if known is None else list(known)
    numbers = {label: number for number, label in enumerate(listed)}
    others = sorted({str(value) for value in values.tolist() if value not in numbers})
    if others:
        raise ConfigurationError(
            f"FrameIterator: column {name!r} holds {', '.join(others[:5])}, which are none of the "
            f"classes {listed[:10]}; give all of them as classes="
        )
    return np.array([numbers[value] for value in values.tolist()], np.int32), listed

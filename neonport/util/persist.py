"""neon's folders for caches and data, and its files of objects."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from typing import IO, Any

import platformdirs

from neonport.errors import CheckpointError, ConfigurationError
from neonport.foundation.descriptions import load_class as _load_class
from neonport.io import checkpoint
from neonport.io.atomic_write import write_file
from neonport.io.downloads import DATA_CACHE_VARIABLE
from neonport.io.pickle_reader import is_pickle, read_pickle

CACHE_VARIABLE = "NEON_CACHE_DIR"

Subfolder = str | Sequence[str] | None


def _made(folder: str, subdir: Subfolder) -> str:
    parts = [subdir] if isinstance(subdir, str) else list(subdir or ())
    path = os.path.join(os.path.expanduser(folder), *parts)
    os.makedirs(path, exist_ok=True)
    return path


def get_cache_dir(subdir: Subfolder = None) -> str:
    """The user's folder for caches of neon's, made if it is not there.

    Args:
        subdir: name of a folder in it, or several, one in the other.

    Returns:
        `$NEON_CACHE_DIR`, or the user's cache folder for `neon`.

    Example:
        from neonport.util.persist import get_cache_dir

        folder = get_cache_dir("kernels")  # doctest: +SKIP
    """
    return _made(os.getenv(CACHE_VARIABLE) or platformdirs.user_cache_dir("neon", "neon"), subdir)


def get_data_cache_dir(data_dir: str, subdir: Subfolder = None) -> str:
    """The folder for data, made if it is not there.

    Args:
        data_dir: where `$NEON_DATA_CACHE_DIR` is not set.
        subdir: name of a folder in it, or several, one in the other.

    Example:
        from neonport.util.persist import get_data_cache_dir

        folder = get_data_cache_dir("~/data", "i1k-cache")  # doctest: +SKIP
    """
    return _made(os.getenv(DATA_CACHE_VARIABLE) or data_dir, subdir)


def get_data_cache_or_nothing(subdir: str = "") -> str:
    """A path in `$NEON_DATA_CACHE_DIR`, whose folder is made; "" if that is not set.

    Example:
        from neonport.util.persist import get_data_cache_or_nothing

        place = get_data_cache_or_nothing("i1k-cache/")
    """
    folder = os.getenv(DATA_CACHE_VARIABLE)
    if not folder:
        return ""
    return ensure_dirs_exist(os.path.join(os.path.expanduser(folder), subdir or ""))


def ensure_dirs_exist(path: str) -> str:
    """Make the folder that a file is to be in; returns the path.

    Example:
        from neonport.util.persist import ensure_dirs_exist

        path = ensure_dirs_exist("runs/first/model.prm")  # doctest: +SKIP
    """
    folder = os.path.dirname(path)
    if folder:
        os.makedirs(folder, exist_ok=True)
    return path


def save_obj(obj: Any, save_path: str | None) -> None:
    """Write plain data as a pickle of protocol 2, which neon reads; whole or not at all.

    Args:
        obj: dicts, lists, tuples, text, numbers, arrays.
        save_path: file; `~` and variables are expanded. None or "" writes nothing.

    Raises:
        ConfigurationError: it holds something that is no plain data.
        OSError: it cannot be written; a file that was there is untouched.

    Example:
        from neonport.util.persist import load_obj, save_obj

        save_obj({"words": ["a", "b"]}, "words.pkl")  # doctest: +SKIP
    """
    if not save_path:
        return
    try:
        data = pickle.dumps(obj, 2)
        read_pickle(data, save_path)  # a file that load_obj refuses is of no use
    except (CheckpointError, pickle.PicklingError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"save_obj: what is to be saved in {save_path!r} is no plain data ({error}); give "
            "dicts, lists, numbers and arrays, as model.serialize() does"
        ) from error

    def write(file: IO[bytes]) -> None:
        file.write(data)

    write_file(ensure_dirs_exist(os.path.expandvars(os.path.expanduser(save_path))), write)


def load_obj(load_path: str | os.PathLike[str] | IO[bytes]) -> Any:
    """Read a file of `save_obj`, of neon's or of `Model.save_params`; nothing is executed.

    Args:
        load_path: path, in which `~` and variables are expanded, or an open binary file. Gzip is
            unpacked.

    Raises:
        CheckpointError: it is missing or damaged, or holds more than plain data.

    Example:
        from neonport.util.persist import load_obj

        words = load_obj("words.pkl")  # doctest: +SKIP
    """
    if isinstance(load_path, (str, bytes, os.PathLike)):
        return checkpoint.load(os.path.expandvars(os.path.expanduser(os.fsdecode(load_path))))
    name = str(getattr(load_path, "name", "the file"))
    data = load_path.read()
    if not is_pickle(data[:16]):
        raise CheckpointError(f"{name!r} is no pickle; give its path if it is a safetensors file")
    return read_pickle(data, name)


def load_class(ctype: str) -> type:
    """A class of the library by its name, bare or dotted.

    Only classes that descriptions may name are found: layers, costs, optimizers and the like.

    Raises:
        ConfigurationError: there is none of that name.

    Example:
        from neonport.util.persist import load_class

        assert load_class("neon.layers.layer.Linear") is load_class("Linear")
    """
    if not isinstance(ctype, str) or "." in ctype:
        return _load_class(ctype)
    for folder in ("initializers", "layers", "models", "optimizers", "transforms"):
        try:
            return _load_class(f"neon.{folder}.{ctype}")
        except ConfigurationError:
            continue
    raise ConfigurationError(f"load_class: there is no class {ctype[:80]!r} of layers, costs, ...")


def serialize(
    model: Any,
    callbacks: Any = None,
    datasets: Any = None,
    dump_weights: bool = True,
    keep_states: bool = True,
) -> dict[str, Any]:
    """The description of a model, with its callbacks and data sets.

    Args:
        model: to be described.
        callbacks: a `Callbacks`, or None.
        datasets: an object with `serialize`, or None.
        dump_weights: with the weights.
        keep_states: with the optimizer's states.

    Example:
        from neonport.util.persist import serialize

        model.initialize(train)
        assert "model" in serialize(model)
    """
    found: dict[str, Any] = model.get_description(get_weights=dump_weights, keep_states=keep_states)
    if callbacks is not None:
        found["callbacks"] = callbacks.serialize()
    if datasets is not None:
        found["datasets"] = datasets.serialize()
    return found

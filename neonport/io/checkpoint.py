"""Checkpoints: one safetensors file whose metadata carries the structure as JSON.

Nothing in such a file can run code: it holds numbers, text and containers. Other tools that know
safetensors read the tensors too, under their place in the description
(`model/config/layers/0/params/W`). The metadata keys are

| key | value |
|---|---|
| `format` | `neonport` |
| `version` | `1`; a file of a newer version is refused |
| `structure` | JSON, see `neonport.io.json_encoding` |
| `sha256` | of the structure and of every tensor with its name, dtype and shape |

Two files of equal contents have the same `sha256`; safetensors writes the keys in any order.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import IO, Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from neonport.dtypes import bfloat16
from neonport.errors import CheckpointError
from neonport.io.atomic_write import write_file
from neonport.io.json_encoding import decode, dtype_text, encode

FORMAT = "neonport"
VERSION = 1

Path = str | bytes | os.PathLike

_FOREIGN = (
    (b"\x1f\x8b", "a gzip file"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"PK\x03\x04", "a zip archive (.npz or a PyTorch file)"),
    (b"\x93NUMPY", "a NumPy .npy file"),
)


def save(description: Any, path: Path) -> None:
    """Write a nested description to `path`, atomically.

    Args:
        description: dicts, lists, tuples, text, numbers, None and arrays, nested as you like.
        path: file to write; its folder must exist. A complete older file stays until the new one
            is complete.

    Raises:
        CheckpointError: the description holds something that is not plain data.
        OSError: the disk is full, the folder is missing, ...; the older file is untouched.
    """
    structure, arrays = encode(description)
    tensors = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    try:
        text = json.dumps(structure, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"cannot store the description: {error}") from error
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "sha256": _digest(text, tensors),
        "structure": text,
    }
    data = safetensors.numpy.save(tensors, metadata)

    def write(file: IO[bytes]) -> None:
        file.write(data)

    write_file(os.fsdecode(path), write)


def load(path: Path) -> Any:
    """Read what `save` wrote; nothing in the file is executed.

    Raises:
        CheckpointError: the file is missing, damaged, truncated, newer than this release, or no
            neonport checkpoint at all; the message says which, and what to do.
    """
    path = os.fsdecode(path)
    if not os.path.isfile(path):
        found = "is a folder" if os.path.isdir(path) else "does not exist"
        raise CheckpointError(
            f"checkpoint {path!r} {found}; give the path of a file that save_params or the "
            "callback SerializeModelCallback wrote"
        )
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            text = _structure_text(path, metadata)
            names = list(file.keys())
            if any(file.get_slice(name).get_dtype() == "BF16" for name in names):
                bfloat16()  # safetensors asks NumPy for a type of that name
            arrays = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise _unreadable(path, error) from error
    except OSError as error:
        raise CheckpointError(f"cannot read checkpoint {path!r}: {error}") from error
    if _digest(text, arrays) != metadata.get("sha256"):
        raise CheckpointError(
            f"checkpoint {path!r} is damaged: its contents do not match its checksum; "
            "use another copy or an earlier checkpoint"
        )
    return _rebuild(path, text, arrays)


def is_checkpoint(path: Path) -> bool:
    """Whether a file says that it is a neonport checkpoint; its contents are not read."""
    try:
        with safe_open(os.fsdecode(path), framework="numpy") as file:
            return (file.metadata() or {}).get("format") == FORMAT
    except (SafetensorError, OSError):
        return False


def _digest(text: str, arrays: dict[str, np.ndarray]) -> str:
    state = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
    for name in sorted(arrays):
        array = arrays[name]
        form = (name, dtype_text(array.dtype), array.shape)
        state.update(repr(form).encode("utf-8", "surrogatepass"))
        state.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return state.hexdigest()


def _structure_text(path: str, metadata: dict[str, str]) -> str:
    """Check that the metadata are ours and of a version we read."""
    if metadata.get("format") != FORMAT or "structure" not in metadata:
        raise CheckpointError(
            f"{path!r} is a safetensors file, but not a neonport checkpoint (no structure in its "
            "metadata); read it with the safetensors package and set the weights yourself"
        )
    version = metadata.get("version", "")
    if version != str(VERSION):
        raise CheckpointError(
            f"checkpoint {path!r} has format version {version!r}, this release reads "
            f"{VERSION}; update neonport, or save it again with the release that wrote it"
        )
    return metadata["structure"]


def _rebuild(path: str, text: str, arrays: dict[str, np.ndarray]) -> Any:
    try:
        return decode(json.loads(text), {name: _owned(array) for name, array in arrays.items()})
    except (CheckpointError, ValueError, RecursionError) as error:
        raise CheckpointError(f"checkpoint {path!r} cannot be rebuilt: {error}") from error


def _owned(array: np.ndarray) -> np.ndarray:
    """Hand out arrays that may be written to, whatever safetensors returns."""
    return array if array.flags.writeable else array.copy()


def _unreadable(path: str, error: Exception) -> CheckpointError:
    """Say what a file that is not a safetensors file looks like."""
    with open(path, "rb") as file:
        start = file.read(16)
    if not start:
        return CheckpointError(
            f"checkpoint {path!r} is an empty file; use another copy or an earlier checkpoint"
        )
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return CheckpointError(
            f"{path!r} is a Python pickle (protocol {start[1]}), the format of neon's own "
            "checkpoints; pickles can run code, so they are not loaded. Load it with the neon "
            "that wrote it and hand the weights over as arrays"
        )
    for magic, words in _FOREIGN:
        if start.startswith(magic):
            return CheckpointError(
                f"{path!r} is {words}, not a neonport checkpoint; give the path of a file that "
                "save_params wrote"
            )
    return CheckpointError(
        f"checkpoint {path!r} is truncated, damaged or no checkpoint ({error}); use another copy "
        "or an earlier checkpoint"
    )

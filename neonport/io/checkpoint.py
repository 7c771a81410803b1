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

neon's own checkpoints are pickles: `neonport.io.pickle_reader` reads them as data.

Equal descriptions give equal files. Files are read, not mapped: what somebody does to a file while
it is loaded is an error, not a crash.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from typing import IO, Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, deserialize

from neonport.dtypes import BFLOAT16, bfloat16
from neonport.errors import CheckpointError
from neonport.io.atomic_write import kind_of_file, write_file
from neonport.io.json_encoding import NATIVE, decode, dtype_text, encode
from neonport.io.pickle_reader import is_pickle, read_pickle

FORMAT = "neonport"
VERSION = 1

Path = str | bytes | os.PathLike

_LENGTH_BYTES = 8  # a safetensors file begins with the length of its header, little-endian
_LARGEST_HEADER = 100_000_000  # bytes, as in the safetensors format
_DTYPES = {word: text for text, word in NATIVE.items()}

_FOREIGN = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"PK\x03\x04", "a zip archive (.npz or a PyTorch file)"),
    (b"\x93NUMPY", "a NumPy .npy file"),
)


def save(description: Any, path: Path) -> str:
    """Write a nested description to `path`, atomically.

    Args:
        description: dicts, lists, tuples, text, numbers, None and arrays, nested as you like.
        path: file to write; its folder must exist. A complete older file stays until the new one
            is complete.

    Returns:
        The checksum of the contents.

    Raises:
        CheckpointError: the description holds something that is not plain data.
        OSError: the disk is full, the folder is missing, `path` is a folder, device or pipe, ...;
            what was there is untouched.
    """
    structure, arrays = encode(description)
    tensors = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    try:
        text = json.dumps(structure, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"cannot store the description: {error}") from error
    digest = _digest(text, tensors)
    metadata = {"format": FORMAT, "version": str(VERSION), "sha256": digest, "structure": text}
    data = safetensors.numpy.save(tensors)
    start = _header_end(data)
    # put in here, because safetensors writes metadata in another order each time
    header = {"__metadata__": metadata, **json.loads(data[_LENGTH_BYTES:start])}
    words = json.dumps(header, separators=(",", ":")).encode()
    words += b" " * (-len(words) % _LENGTH_BYTES)

    def write(file: IO[bytes]) -> None:
        file.write(len(words).to_bytes(_LENGTH_BYTES, "little"))
        file.write(words)
        file.write(memoryview(data)[start:])

    write_file(os.fsdecode(path), write)
    return digest


def load(path: Path) -> Any:
    """Read what `save` wrote, or a pickle of neon's; nothing in the file is executed.

    Raises:
        CheckpointError: the file is missing, damaged, truncated, newer than this release, or no
            neonport checkpoint at all; the message says which, and what to do.
    """
    path = os.fsdecode(path)
    try:
        with _open(path) as file:
            data = file.read(16)
            fits = _header_end(data) <= os.fstat(file.fileno()).st_size
            # a header of 640 bytes begins as a pickle does
            if is_pickle(data) and not (fits and data[_LENGTH_BYTES:][:1] == b"{"):
                return read_pickle(data + file.read(), path)
            if not fits:
                raise _unreadable(path, data, "its header is longer than the file")
            data += file.read()
    except OSError as error:
        raise _not_read(path, error) from error
    try:
        tensors = deserialize(data)
        metadata = _metadata(data[_LENGTH_BYTES : _header_end(data)])
    except (SafetensorError, ValueError) as error:
        raise _unreadable(path, data[:16], str(error)) from error
    del data
    text = _structure_text(path, metadata)
    arrays = {name: _array(path, name, tensor) for name, tensor in tensors}
    if _digest(text, arrays) != metadata.get("sha256"):
        raise CheckpointError(
            f"checkpoint {path!r} is damaged: its contents do not match its checksum; "
            "use another copy or an earlier checkpoint"
        )
    return _rebuild(path, text, arrays)


def save_arrays(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Write arrays by name as a plain safetensors file, atomically; every reader understands it.

    Raises:
        CheckpointError: a name is no valid Unicode.
        OSError: the file cannot be written; what was there is untouched.
    """
    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    try:
        data = safetensors.numpy.save(plain)
    except UnicodeEncodeError as error:
        raise CheckpointError(
            f"the name {str(error.object)[:80]!r} is no valid Unicode, which such a file needs; "
            "rename the layer"
        ) from error

    def write(file: IO[bytes]) -> None:
        file.write(data)

    write_file(os.fsdecode(path), write)


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of a safetensors file by name, whoever wrote it.

    Raises:
        CheckpointError: the file is missing, damaged, or none of this kind.
    """
    path = os.fsdecode(path)
    return {name: _array(path, name, tensor) for name, tensor in _deserialized(path)[0]}


def is_checkpoint(path: Path) -> bool:
    """Whether a file says that it is a neonport checkpoint; its contents are not read."""
    return _read_metadata(path).get("format") == FORMAT


def checksum(path: Path) -> str | None:
    """The checksum that a checkpoint states, which `save` returned; None if there is none."""
    metadata = _read_metadata(path)
    return metadata.get("sha256") if metadata.get("format") == FORMAT else None


def _deserialized(path: str) -> tuple[list[tuple[str, dict[str, Any]]], dict[str, str]]:
    """Tensors and metadata of a safetensors file.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        with _open(path) as file:
            data = file.read(16)
            if _header_end(data) > os.fstat(file.fileno()).st_size:
                raise _unreadable(path, data, "its header is longer than the file")
            data += file.read()
    except OSError as error:
        raise _not_read(path, error) from error
    try:
        return deserialize(data), _metadata(data[_LENGTH_BYTES : _header_end(data)])
    except (SafetensorError, ValueError) as error:
        raise _unreadable(path, data[:16], str(error)) from error


def _open(path: str) -> IO[bytes]:
    """Open a regular file for reading; a pipe is refused, not waited for.

    Raises:
        OSError: it cannot be opened, or is something else.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0))
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, f"it is {kind_of_file(mode)}")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _header_end(data: bytes) -> int:
    return _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")


def _metadata(header: bytes) -> dict[str, str]:
    """The text entries of a header.

    Raises:
        ValueError: the header is no JSON object.
    """
    try:
        found = json.loads(header)
    except RecursionError as error:
        raise ValueError("the header is nested too deeply") from error
    metadata = found.get("__metadata__") if isinstance(found, dict) else None
    return metadata if isinstance(metadata, dict) else {}


def _read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a file, empty if there are none; its tensors are not read."""
    try:
        with _open(os.fsdecode(path)) as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if length > min(_LARGEST_HEADER, os.fstat(file.fileno()).st_size):
                return {}
            return _metadata(file.read(length))
    except (OSError, ValueError):
        return {}


def _array(path: str, name: str, tensor: dict[str, Any]) -> np.ndarray:
    """A tensor of safetensors as an array that may be written to."""
    text = _DTYPES.get(tensor["dtype"])
    if text is None:
        raise CheckpointError(
            f"checkpoint {path!r}: tensor {name[:80]!r} is of dtype {tensor['dtype']}, which this "
            "release does not write"
        )
    dtype = bfloat16() if text == BFLOAT16 else np.dtype(text)
    array = np.frombuffer(tensor["data"], dtype).reshape(tensor["shape"])
    return array if array.flags.writeable else array.copy()


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
            f"metadata); build the model and load its weights: model.set_weights({path!r})"
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
        return decode(json.loads(text), arrays)
    except (CheckpointError, ValueError, RecursionError) as error:
        raise CheckpointError(f"checkpoint {path!r} cannot be rebuilt: {error}") from error


def _not_read(path: str, error: OSError) -> CheckpointError:
    """Say why a file could not be opened or read."""
    found: dict[Any, str] = dict.fromkeys((errno.ENOENT, errno.ENOTDIR), "does not exist")
    found[errno.EINVAL] = f"cannot be read: {error.strerror}"
    if os.path.isdir(path):  # which Windows does not open
        found[error.errno] = "is a folder"
    if error.errno in found:
        return CheckpointError(
            f"checkpoint {path!r} {found[error.errno]}; give the path of a file that save_params "
            "or the callback SerializeModelCallback wrote"
        )
    return CheckpointError(f"cannot read checkpoint {path!r}: {error.strerror or error}")


def _unreadable(path: str, start: bytes, reason: str) -> CheckpointError:
    """Say what a file that is not a safetensors file looks like from its first bytes."""
    if not start:
        return CheckpointError(
            f"checkpoint {path!r} is an empty file; use another copy or an earlier checkpoint"
        )
    for magic, words in _FOREIGN:
        if start.startswith(magic):
            return CheckpointError(
                f"{path!r} is {words}, not a neonport checkpoint; give the path of a file that "
                "save_params wrote"
            )
    return CheckpointError(
        f"checkpoint {path!r} is truncated, damaged or no checkpoint ({reason}); use another copy "
        "or an earlier checkpoint"
    )

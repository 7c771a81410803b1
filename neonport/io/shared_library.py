"""Loading shared libraries, with errors that can be read whatever the locale."""

from __future__ import annotations

import ctypes
import os


def load_shared_library(
    path: str | os.PathLike[str], mode: int = ctypes.DEFAULT_MODE, keeps_lock: bool = False
) -> ctypes.CDLL:
    """Load a shared library.

    Where the loader's words are translated into another encoding than UTF-8, ctypes raises a
    UnicodeDecodeError instead of the OSError that callers expect.

    Args:
        path: its file, or a name that the system's loader looks for.
        mode: flags of `dlopen`.
        keeps_lock: whether its functions are called with the interpreter's lock held.

    Raises:
        OSError: it is missing or cannot be loaded; with the loader's words.

    Example:
        library = load_shared_library("libm.so.6")
    """
    kind = ctypes.PyDLL if keeps_lock else ctypes.CDLL
    try:
        return kind(os.fspath(path), mode=mode)
    except UnicodeDecodeError as error:
        raise OSError(bytes(error.object).decode("utf-8", "replace")) from error
    except UnicodeEncodeError as error:
        raise OSError(f"the locale cannot write the path {os.fspath(path)!a}") from error

"""Finding OpenCL runtimes, also those that pip installed and the loader would not see.

A runtime is announced by an .icd file that names its library. Wheels carry such files too, but with
the path of the machine that built them. Before the first OpenCL call the loader is pointed at a
folder of ours: the system's files, and corrected ones of the wheels.
"""

from __future__ import annotations

import functools
import hashlib
import os
import site
import sys
from pathlib import Path
from typing import Any

from neonport.io.cache_dir import cache_folder
from neonport.io.private_folder import PrivateFolder

SYSTEM = Path("/etc/OpenCL/vendors")
VARIABLES = ("OCL_ICD_VENDORS", "OCL_ICD_FILENAMES", "OPENCL_VENDOR_PATH")


def wheel_runtimes(prefix: Path | None = None) -> dict[str, str]:
    """Libraries of runtimes in a Python environment, by the name of their .icd file.

    Args:
        prefix: its folder; None looks where this Python imports from.
    """
    if prefix is None:
        everywhere: dict[str, str] = {}
        for place in (site.getuserbase(), sys.base_prefix, sys.prefix):  # the last one wins
            everywhere |= wheel_runtimes(Path(place))
        return everywhere
    root = prefix
    found = {}
    for icd in sorted((root / "etc" / "OpenCL" / "vendors").glob("*.icd")):
        try:
            named = Path(os.fsdecode(icd.read_bytes().strip()))
        except OSError:
            continue
        for library in (named, root / "lib" / named.name, root / "Library" / "bin" / named.name):
            if library.is_absolute() and library.is_file():
                found[icd.name] = str(library)
                break
    return found


def vendor_folder() -> Path | None:
    """A folder of .icd files for the loader; None when it needs no help or was told by the user."""
    if any(os.environ.get(name) for name in VARIABLES) or sys.platform != "linux":
        return None
    own = wheel_runtimes()
    if not own:
        return None
    texts = {f"wheel-{name}": os.fsencode(f"{library}\n") for name, library in own.items()}
    for icd in sorted(SYSTEM.glob("*.icd")) if SYSTEM.is_dir() else ():
        try:
            texts[icd.name] = icd.read_bytes()
        except OSError:
            continue
    try:
        with cache_folder("vendors") as all_of_them, all_of_them.folder(_digest(texts)) as folder:
            for name, text in texts.items():
                if not _holds(folder, name, text):
                    folder.write(name, text)
            return folder.path
    except OSError:
        return None


def _holds(folder: PrivateFolder, name: str, text: bytes) -> bool:
    try:
        return folder.read(name) == text
    except OSError:
        return False


def _digest(texts: dict[str, bytes]) -> str:
    return hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest()[:16]


@functools.lru_cache(maxsize=1)
def load_pyopencl() -> Any:
    """Import PyOpenCL with all runtimes in its sight.

    Raises:
        ImportError: it is not installed, or its libraries cannot be loaded.
    """
    folder = vendor_folder()
    if folder is not None:
        os.environ[VARIABLES[0]] = str(folder)
    import pyopencl

    return pyopencl

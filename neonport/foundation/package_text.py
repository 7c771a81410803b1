"""Text files that lie beside the code."""

from __future__ import annotations

import os
from importlib import import_module


def package_text(package: str, name: str) -> str:
    """Return the content of a text file of a package, wherever the package was loaded from.

    `importlib.resources` does the same, and costs each process that imports it 10 ms.

    Args:
        package: full name of the package.
        name: of the file, UTF-8.

    Raises:
        OSError: there is no such file.

    Example:
        text = package_text("neonport.opencl_kernels", "functions.h")
    """
    spec = import_module(package).__spec__
    assert spec is not None
    assert spec.origin is not None
    assert spec.loader is not None
    path = os.path.join(os.path.dirname(spec.origin), name)
    # a loader of packages reads files beside them: from a folder, and from a zip archive
    content: bytes = spec.loader.get_data(path)  # type: ignore[attr-defined]
    return content.decode("utf-8").replace("\r\n", "\n")

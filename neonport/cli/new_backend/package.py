"""The files of a new backend's package."""

from __future__ import annotations

import datetime
import os
import re
import tempfile
from pathlib import Path
from string import Template

from neonport import __version__
from neonport.errors import ConfigurationError
from neonport.foundation.package_text import package_text
from neonport.plugins.info import PROTOCOL
from neonport.plugins.names import NEON_NAMES, RESERVED

LICENSES = {"apache-2.0": "Apache-2.0", "mit": "MIT", "bsd-3-clause": "BSD-3-Clause"}
"""Choices, with their SPDX identifiers."""

FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "gitignore": ".gitignore",
    "workflow.yml": ".github/workflows/tests.yml",
    "init.py": "$module/__init__.py",
    "plugin.py": "$module/plugin.py",
    "device.py": "$module/device.py",
    "test_conformance.py": "tests/test_conformance.py",
    "test_device.py": "tests/test_device.py",
}
"""Template, and where it goes; the licence is chosen."""

# a part of a distribution's and of a module's name as well
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
LONGEST = 40


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a backend.

    Raises:
        ConfigurationError: with the reason.
    """
    if name in RESERVED or name in NEON_NAMES:
        raise ConfigurationError(
            f"new-backend: {name!r} is a name of neonport's own backends "
            f"({', '.join([*RESERVED, *NEON_NAMES])}); choose another"
        )
    if len(name) > LONGEST or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"new-backend: {name!r} cannot be a name; use up to {LONGEST} lower-case letters and "
            "digits, a letter first, with single - or _ between them, for example npu or my-npu"
        )


def words(name: str, license_name: str, author: str | None) -> dict[str, str]:
    """What the templates ask for."""
    distribution = f"neonport-{name.replace('_', '-')}"
    author = f"The {distribution} developers" if author is None else " ".join(author.split())
    if not author or '"' in author or "\\" in author or not author.isprintable():
        raise ConfigurationError(
            f"new-backend: the author {author!r} cannot be written into the files; use a name "
            "without quotation marks"
        )
    return {
        "name": name,
        "Name": "".join(part.capitalize() for part in re.split("[-_]", name)),
        "module": f"neonport_{name.replace('-', '_')}",
        "distribution": distribution,
        "spdx": LICENSES[license_name],
        "author": author,
        "year": str(datetime.date.today().year),
        "version": __version__,
        "protocol": repr(PROTOCOL),
    }


def render(name: str, license_name: str, author: str | None) -> dict[str, str]:
    """The texts of a package, by path."""
    given = words(name, license_name, author)
    rows = {**FILES, f"LICENSE-{license_name}": "LICENSE"}
    return {
        Template(path).substitute(given): Template(_template(file)).substitute(given)
        for file, path in rows.items()
    }


def _template(file: str) -> str:
    return package_text("neonport.cli.new_backend", os.path.join("templates", f"{file}.txt"))


def write_package(name: str, directory: Path, license_name: str, author: str | None) -> Path:
    """Write a package into a new folder, all files or none.

    Args:
        name: of the backend.
        directory: where the folder is made; it is made as well if it does not exist.
        license_name: one of LICENSES.
        author: who holds the copyright; None: the developers of the package.

    Returns:
        The new folder.

    Raises:
        ConfigurationError: the name cannot be used, or the folder exists.
    """
    check_name(name)
    files = render(name, license_name, author)
    folder = directory / f"neonport-{name.replace('_', '-')}"
    if os.path.lexists(folder):
        raise ConfigurationError(
            f"new-backend: {folder} exists, and nothing is overwritten; choose another name or "
            "--directory"
        )
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix=f".{folder.name}-") as temporary:
        made = Path(temporary) / folder.name
        for path, text in files.items():
            target = made / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8", newline="\n")
        try:
            made.rename(folder)  # all of it at once
        except OSError as error:
            raise ConfigurationError(f"new-backend: {folder} cannot be made: {error}") from error
    return folder

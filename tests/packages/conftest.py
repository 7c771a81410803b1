"""Environments of their own, into which packages are really installed.

The tests of plugins, `tests/plugins`, show packages without installing them; here pip does
it, so that its metadata, entry points and removal are what users get.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


class Environment:
    """A virtual environment that sees the packages of the one that the tests run in.

    pip is that of the tests; it builds with their hatchling and takes nothing from an index.
    """

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        (site,) = self.run(
            "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"
        ).stdout.split("\n")[:1]
        paths = [path for path in sys.path if path.endswith("-packages")]
        Path(site, "parent.pth").write_text("\n".join(paths) + "\n", encoding="utf-8")

    def run(self, *arguments: str | Path, folder: Path | None = None, status: int = 0):
        """Run its Python; the exit status must be as expected."""
        done = subprocess.run(
            [self.python, *arguments], cwd=folder, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == status, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done

    def pip(self, *arguments: str | Path) -> None:
        """Run pip on this environment."""
        command = [sys.executable, "-m", "pip", "--python", self.python, "--quiet"]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr

    def install(self, folder: Path) -> None:
        """Install a package from its folder."""
        self.pip("install", "--no-deps", "--no-build-isolation", folder)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """A fresh environment."""
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return Environment(tmp_path / "environment")

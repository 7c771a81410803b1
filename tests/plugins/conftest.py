"""Fixtures that put fake plugins (see ../plugins) where installed ones are found."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import neonport
from neonport.plugins.registry import Registry

SITE = Path(neonport.__file__).parents[1]  # of the package under test: source tree or wheel
PLUGINS = Path(__file__).parents[1] / "fixtures" / "plugins"


@pytest.fixture
def registry_with(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Registry]:
    """`registry_with("good", "clone", NEONPORT_BLOCK="x")` is a fresh registry that sees them."""

    def make(*names: str, **environ: str) -> Registry:
        for name in reversed(names):
            monkeypatch.syspath_prepend(str(PLUGINS / name))
        for module in [m for m in sys.modules if m.startswith("fake_")]:
            monkeypatch.delitem(sys.modules, module)
        return Registry(environ)

    return make


@pytest.fixture
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`python(code, "good", NEONPORT_BLOCK="x")` runs code in a process that sees the plugins."""

    def run(code: str, *names: str, **environ: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(SITE), *(str(PLUGINS / name) for name in names)])
        clean = {k: v for k, v in os.environ.items() if not k.startswith("NEONPORT_")}
        return subprocess.run(
            [sys.executable, "-c", code],
            env=clean | {"PYTHONPATH": path} | environ,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run

"""Nothing is imported before it is needed; each case is a process of its own."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import pytest

ALL_FAKES = ("good", "import_error", "sys_exit", "raising_hook", "squatter", "bad_metadata")


def _loaded(python: Callable[..., Any], code: str, *plugins: str, **environ: str) -> set[str]:
    """Modules in memory after `code` ran."""
    code = textwrap.dedent(code) + "\nimport sys; print('\\n'.join(sys.modules))"
    done = python(code, *plugins, **environ)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_import_neonport_reads_no_plugin(python):
    loaded = _loaded(
        python, "import neonport, neonport.backends, neonport.plugins.registry", *ALL_FAKES
    )
    assert not loaded & {"pluggy", "importlib.metadata", "neonport.plugins.hookspecs"}
    assert not {name for name in loaded if name.startswith("fake_")}


def test_a_builtin_name_never_scans(python):
    loaded = _loaded(
        python,
        """
        from neonport.plugins import registry
        for name in ("cpu", "cuda", "opencl", "null", "gpu", "mkl"):
            registry.probe(name)
        """,
        *ALL_FAKES,
    )
    assert "neonport.backends.builtin" in loaded  # through the hook, like everyone else
    assert "pluggy" in loaded
    assert not {name for name in loaded if name.startswith("fake_")}


def test_the_default_backend_never_scans(python):
    loaded = _loaded(python, "import neonport; neonport.gen_backend()", *ALL_FAKES)
    assert "neonport.backends.cpu.device" in loaded
    assert not {name for name in loaded if name.startswith("fake_")}


def test_listing_names_imports_the_hook_modules_but_no_backend(python):
    loaded = _loaded(
        python, "from neonport.plugins import registry; registry.backend_choices()", *ALL_FAKES
    )
    assert "fake_good.plugin" in loaded
    assert "fake_good.backend" not in loaded
    assert "neonport.backends.cpu.device" not in loaded


@pytest.mark.parametrize("call", ["probe", "create_backend"])
def test_naming_one_backend_imports_only_that_one(python, call):
    code = f"from neonport.plugins import registry; registry.{call}('npu')"
    loaded = _loaded(python, code, "good", "missing_so")
    assert "fake_good.backend" in loaded
    assert "fake_missing_so" in loaded
    assert "fake_missing_so.backend" not in loaded
    assert "neonport.backends.cpu.device" not in loaded

"""Nothing is imported before it is needed; each case is a process of its own."""

from __future__ import annotations

import os
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


def test_listing_names_imports_nothing(python):
    loaded = _loaded(
        python,
        "from neonport.plugins import registry; assert 'npu' in registry.backend_choices()",
        *ALL_FAKES,
    )
    assert not {name for name in loaded if name.startswith("fake_")}
    assert not loaded & {"importlib.metadata", "pluggy", "neonport.backends.builtin"}


def test_aliases_import_the_hook_modules_but_no_backend(python):
    loaded = _loaded(
        python, "from neonport.plugins import registry; registry.backend_choices(True)", *ALL_FAKES
    )
    assert "fake_good.plugin" in loaded
    assert "fake_good.backend" not in loaded
    assert "neonport.backends.cpu.device" not in loaded


COUNT = """
import os, sys
from neonport.plugins import registry
opened, stats = [], []
real = os.stat
os.stat = lambda path, **kwargs: (stats.append(path), real(path, **kwargs))[1]
sys.addaudithook(lambda event, given: opened.append(given[0]) if event == "open" else None)
names = registry.backend_choices()
modules = set(sys.modules)
assert sum(name.startswith("many") for name in names) == 50, names
reads = [str(path) for path in opened if "many" in str(path)]
assert len(reads) == 50 * 2, reads  # entry points and name, once
for change in range(3):
    opened.clear(), stats.clear()
    assert registry.backend_choices() == names
    assert not opened, opened
    assert len(stats) <= 60 + 3 * len(sys.path), len(stats)  # of plugins and folders alone
assert set(sys.modules) == modules
"""


def test_a_listing_of_fifty_plugins_reads_each_once(python, tmp_path):
    for number in range(50):
        info = tmp_path / f"many_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: many-{number}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[neonport]\nmany{number} = nowhere\n")
    os.utime(tmp_path, (1e9, 1e9))  # what changed just now is read again
    done = python(COUNT, str(tmp_path))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("call", ["probe", "create_backend"])
def test_naming_one_backend_imports_only_that_one(python, call):
    code = f"from neonport.plugins import registry; registry.{call}('npu')"
    loaded = _loaded(python, code, "good", "missing_so")
    assert "fake_good.backend" in loaded
    assert "fake_missing_so" not in loaded
    assert "neonport.backends.cpu.device" not in loaded

"""Imports: what is loaded when, and that shared code names no device.

import-linter keeps the direction of imports (`.importlinter`, `tox -e lint`); here stands what it
cannot see: names in strings, comparisons with a backend's name, what a start loads.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import neonport

PACKAGE = Path(neonport.__file__).parent
DEVICES = ("cpu", "cuda", "opencl", "null")
DEVICE_PARTS = {*DEVICES, "nervanacpu", "nervanagpu"}
DEVICE_LIBRARY = re.compile(r"(cupy|cupyx|pyopencl|pyclblast|nvidia|cuda|torch|jax|jaxlib)(\.|$)")
BACKEND_NAMES = {*DEVICES, "gpu", "mkl"}


def _of_device(module: str) -> bool:
    """Whether a module (`neonport.` left out) belongs to one device."""
    parts = module.split(".")
    return parts[0] == "backends" and parts[1:2] != [] and parts[1] in DEVICE_PARTS


def _sources() -> dict[str, str]:
    """Every module of the package (`neonport.` left out) and its text."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = path.read_text()
    return found


SOURCES = _sources()


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _imports(node: ast.AST) -> Iterator[str]:
    """Dotted names a module imports at run time, inside functions too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _is_type_checking(child):
            for other in child.orelse:
                yield from _imports(other)
        elif isinstance(child, ast.ImportFrom):
            yield from (f"{'.' * child.level}{child.module}.{a.name}" for a in child.names)
        elif isinstance(child, ast.Import):
            yield from (a.name for a in child.names)
        else:
            yield from _imports(child)


def _device_names(text: str) -> list[str]:
    """Device libraries that a text imports or names in a string of its own."""
    tree = ast.parse(text)
    strings = [
        n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and type(n.value) is str
    ]
    plain = [s for s in strings if re.fullmatch(r"[\w.]+", s) and s not in BACKEND_NAMES]
    return [name for name in [*_imports(tree), *plain] if DEVICE_LIBRARY.match(name)]


def _name_comparisons(text: str) -> list[str]:
    """Comparisons and `case` patterns that ask which backend this is."""
    found = []
    for node in ast.walk(ast.parse(text)):
        sides: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            sides = [node.value]
        constants = {
            n.value for side in sides for n in ast.walk(side) if isinstance(n, ast.Constant)
        }
        if constants & BACKEND_NAMES:
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


@pytest.mark.parametrize("module", [m for m in SOURCES if not _of_device(m)])
def test_shared_code_names_no_device_library(module):
    assert _device_names(SOURCES[module]) == []


@pytest.mark.parametrize(
    "module", [m for m in SOURCES if not _of_device(m) and not m.startswith("plugins")]
)
def test_shared_code_does_not_ask_which_backend_it_is(module):
    assert _name_comparisons(SOURCES[module]) == []


def test_the_checks_see_what_they_look_for():
    assert _device_names("import cupy.cuda") == ["cupy.cuda"]
    assert _device_names("import_module('pyopencl')") == ["pyopencl"]
    assert _device_names("'CuPy or pyopencl, in words'; x = 'cuda'") == []
    for code in ("be.backend_name == 'cuda'", "x in ('cpu', 'mkl')", "'gpu' != name"):
        assert _name_comparisons(code) != []
    assert _name_comparisons("match b:\n    case 'opencl': pass") != []
    assert _name_comparisons("use('cpu'); x == 'caffe'") == []


HEAVY = {
    *("click", "rich", "pluggy", "safetensors", "h5py", "platformdirs", "sklearn", "scipy"),
    *("importlib.metadata", "ctypes", "cupy", "pyopencl", "torch", "jax", "numba", "ziglang"),
    "ml_dtypes",
}


def _loaded(code: str) -> set[str]:
    """Modules in memory after `code` ran in a process of its own."""
    code += "\nimport sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_import_neonport_loads_next_to_nothing():
    loaded = _loaded("import neonport")
    assert not loaded & HEAVY
    assert {m for m in loaded if m.startswith("neonport")} == {"neonport", "neonport.log"}


UNUSED_AT_START = {
    *("importlib.resources", "zipfile", "subprocess", "concurrent.futures.thread", "difflib"),
    *("neonport.backends.host.blas.gemm", "neonport.backends.host.kernels.dispatch"),
    *("platformdirs", "ml_dtypes", "neonport.compiler.explain", "neonport.backends.gpu"),
}


def test_a_first_statement_loads_no_more_than_it_uses(monkeypatch, tmp_path):
    monkeypatch.setenv("NEONPORT_CACHE_DIR", str(tmp_path))
    use = "import neonport; be = neonport.gen_backend('cpu'); y = be.ones((2, 3)); y[:] = y * 2"
    _loaded(use)  # compiles
    assert not _loaded(use) & UNUSED_AT_START


def test_only_bfloat16_itself_loads_its_package():
    use = "import neonport; be = neonport.gen_backend('cpu'); y = be.ones((2, 3)); y[:] = y * 2"
    assert "ml_dtypes" not in _loaded(use)
    assert "ml_dtypes" in _loaded(f"{use}; be.zeros((2, 3), dtype='bfloat16')")


def test_the_backend_module_and_the_layers_load_no_device_and_no_plugin():
    loaded = _loaded("import neonport.backends.backend, neonport.layers, neonport.plugins.registry")
    allowed = {"ctypes"}  # NumPy loads it
    assert not loaded & (HEAVY - allowed)
    assert not {m for m in loaded if _of_device(m.removeprefix("neonport."))}


def test_a_cpu_backend_loads_neither_commands_nor_device_libraries():
    loaded = _loaded("import neonport; neonport.gen_backend('cpu')")
    assert "neonport.backends.cpu.device" in loaded
    assert not loaded & {"click", "rich", "safetensors", "h5py", "torch", "cupy", "pyopencl"}

"""Imports: what is loaded when, and that rooms only import downwards.

`ROOMS` is the house from the ground floor up. A room may import itself and the rooms listed in its
own row, all of which stand above it in the table; imports for type annotations do not count.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import neonport

PACKAGE = Path(neonport.__file__).parent

# room: (its modules, the rooms it may import)
GROUND = ("words", "plugins")
CORE = (*GROUND, "ops", "trees")
ENGINE = (*CORE, "autodiff", "compiler", "objects", "contract")
PARTS = (*ENGINE, "parts", "layers", "data", "training")
ROOMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "words": (
        "errors log atomic cache structure shape dtypes numerics indexing random signatures",
        (),
    ),
    "plugins": ("plugins plugins.* hookspecs registry", ("words",)),
    "ops": ("ops meanings windows rules rules_windows", GROUND),
    "trees": (
        "optree optree_text builders build signature instances storage tensor dlpack traced",
        (*GROUND, "ops"),
    ),
    "autodiff": ("autodiff derivatives derivatives_windows gradients simplify", CORE),
    "compiler": ("schedule kernel lower nest passes plan render* explain* opencl_kernels", CORE),
    "objects": ("base", CORE),
    "contract": ("backends backends.*", (*CORE, "autodiff", "compiler", "objects")),
    "cpu": ("backends.cpu backends.cpu.* backends.nervanacpu", ENGINE),
    "device": ("backends.device backends.device.*", (*ENGINE, "cpu")),
    "cuda": ("backends.cuda backends.cuda.* backends.nervanagpu", (*ENGINE, "cpu", "device")),
    "opencl": ("backends.opencl backends.opencl.*", (*ENGINE, "cpu", "device")),
    "null": ("backends.null backends.null.*", (*ENGINE, "cpu", "device")),
    "parts": ("initializers* transforms* optimizers*", ENGINE),
    "layers": ("layers layers.*", (*ENGINE, "parts")),
    "data": ("data data.*", (*ENGINE, "parts")),
    "training": ("models* callbacks* checkpoint", (*ENGINE, "parts", "layers", "data")),
    "tools": ("util* visualizations* testing* compat*", PARTS),
    "cli": ("cli cli.* __main__", (*PARTS, "tools")),
}
DEVICES = ("cpu", "cuda", "opencl", "null")
DEVICE_LIBRARY = re.compile(r"(cupy|cupyx|pyopencl|pyclblast|nvidia|cuda|torch|jax|jaxlib)(\.|$)")
BACKEND_NAMES = {*DEVICES, "gpu", "mkl"}


def _room(module: str) -> str | None:
    """The room of a module (`neonport.` left out); the longest pattern that fits wins."""
    fits = [
        (len(pattern), room)
        for room, (patterns, _) in ROOMS.items()
        for pattern in patterns.split()
        if fnmatchcase(module, pattern)
    ]
    return max(fits)[1] if fits else None


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


def _own_modules(text: str) -> Iterator[str]:
    """Modules of neonport (`neonport.` left out) that a text imports."""
    for name in _imports(ast.parse(text)):
        assert not name.startswith("."), f"relative import {name}"
        if name.split(".")[0] != "neonport":
            continue
        path = name.removeprefix("neonport").removeprefix(".")
        path = neonport._LAZY.get(path, path).removeprefix("neonport.")
        while path and not _room(path):
            path = path.rpartition(".")[0]
        if path:
            yield path


def _upward(module: str, text: str) -> list[str]:
    """What a module imports although its room may not."""
    room = _room(module)
    allowed = {room, *(ROOMS[room][1] if room else ())}
    return [f"{module} ({room}) imports {m} ({_room(m)})" for m in _own_modules(text)
            if _room(m) not in allowed]  # fmt: skip


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


def test_the_table_goes_downwards():
    seen: set[str] = set()
    for room, (_, allowed) in ROOMS.items():
        assert set(allowed) <= seen, f"{room} may import {set(allowed) - seen}, which is above it"
        seen.add(room)


@pytest.mark.parametrize("module", [m for m in SOURCES if m])
def test_every_module_has_a_room_and_imports_downwards(module):
    assert _room(module), f"give neonport.{module} a room in ROOMS (tests/test_imports.py)"
    assert _upward(module, SOURCES[module]) == []


@pytest.mark.parametrize("module", [m for m in SOURCES if _room(m) not in DEVICES])
def test_shared_code_names_no_device_library(module):
    assert _device_names(SOURCES[module]) == []


@pytest.mark.parametrize("module", [m for m in SOURCES if _room(m) not in (*DEVICES, "plugins")])
def test_shared_code_does_not_ask_which_backend_it_is(module):
    assert _name_comparisons(SOURCES[module]) == []


def test_the_checks_see_what_they_look_for():
    assert _upward("ops", "from neonport.layers import linear") != []
    assert _upward("tensor", "def f():\n    from neonport import gen_backend") != []
    assert _upward("backends.cpu.backend", "import neonport.backends.cuda") != []
    assert _upward("ops", "if TYPE_CHECKING:\n    from neonport.base import NervanaObject") == []
    assert _upward("layers.base", "from neonport import registry, __version__") == []
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


def test_only_bfloat16_itself_loads_its_package():
    use = "import neonport; be = neonport.gen_backend('cpu'); y = be.ones((2, 3)); y[:] = y * 2"
    assert "ml_dtypes" not in _loaded(use)
    assert "ml_dtypes" in _loaded(f"{use}; be.zeros((2, 3), dtype='bfloat16')")


def test_the_backend_module_and_the_layers_load_no_device_and_no_plugin():
    loaded = _loaded("import neonport.backends.backend, neonport.layers, neonport.registry")
    allowed = {"ctypes"}  # NumPy loads it
    assert not loaded & (HEAVY - allowed)
    assert not {m for m in loaded if _room(m.removeprefix("neonport.")) in DEVICES}


def test_a_cpu_backend_loads_neither_commands_nor_device_libraries():
    loaded = _loaded("import neonport; neonport.gen_backend('cpu')")
    assert "neonport.backends.cpu.backend" in loaded
    assert not loaded & {"click", "rich", "safetensors", "h5py", "torch", "cupy", "pyopencl"}

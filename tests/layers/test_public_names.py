from __future__ import annotations

import ast
import importlib
from pathlib import Path

import neonport.layers
from neonport.foundation.descriptions import load_class
from neonport.layers import container, layer

FOLDER = Path(neonport.layers.__file__).parent


def test_neons_module_paths_hold_the_same_classes():
    for name in ("Linear", "Bias", "Affine", "Dropout", "BatchNorm", "GeneralizedCost", "SkipNode"):
        assert getattr(layer, name) is getattr(neonport.layers, name)
        assert (
            load_class(f"neon.layers.layer.{name}") is getattr(layer, name)
            if name != "Affine"
            else True
        )
    assert container.Sequential is neonport.layers.Sequential
    assert load_class("neon.layers.container.Sequential") is container.Sequential


def test_every_file_can_be_imported_first_and_names_no_device():
    for path in FOLDER.rglob("*.py"):
        parts = path.relative_to(FOLDER).with_suffix("").parts
        importlib.import_module(".".join(["neonport.layers", *parts]))
        names = {
            alias.name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in (
                [ast.alias(node.module or "")] if isinstance(node, ast.ImportFrom) else node.names
            )
        }
        assert not names & {"cupy", "pyopencl", "scipy"}, path.name

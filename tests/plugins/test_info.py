"""BackendInfo and ProbeResult check themselves; the hook and the entry point are documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from neonport.backends import builtin as plugin
from neonport.plugins import hookspecs
from neonport.plugins.discovery import BUILTIN_PLUGIN
from neonport.plugins.metadata import GROUP
from neonport.plugins.registry import PROTOCOL, RESERVED, BackendInfo, ProbeResult

GOOD = {"name": "npu", "factory": "a.b:C", "protocol": (1, 0)}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"name": "N P U"}, ValueError, "backend name 'N P U'"),
        ({"name": None}, ValueError, "backend name None"),
        ({"aliases": "gpu2"}, TypeError, "tuple of names"),
        ({"aliases": ("Bad",)}, ValueError, "backend name 'Bad'"),
        ({"factory": "a.b.C"}, ValueError, "'package.module:attribute'"),
        ({"factory": None}, TypeError, "factory must be"),
        ({"probe": "a.b"}, ValueError, "probe 'a.b'"),
        ({"probe": 3}, TypeError, "probe must be"),
        ({"protocol": "1.0"}, TypeError, "(major, minor) pair of ints"),
        ({"protocol": (1, 0, 0)}, TypeError, "(major, minor) pair of ints"),
        ({"protocol": (1, True)}, TypeError, "(major, minor) pair of ints"),
        ({"priority": 1.5}, TypeError, "priority must be an int"),
    ],
)
def test_a_wrong_field_is_named(change, error, words):
    BackendInfo(**GOOD)
    with pytest.raises(error, match=re.escape(words)):
        BackendInfo(**(GOOD | change))


def test_protocol_has_no_default():
    with pytest.raises(TypeError, match="protocol"):
        BackendInfo("npu", "a.b:C")


def test_probe_states_are_checked():
    with pytest.raises(ValueError, match="probe state 'fine'"):
        ProbeResult("fine")


def test_every_hook_has_a_one_line_docstring():
    hooks = [f for f in vars(hookspecs).values() if hasattr(f, "neonport_spec")]
    assert "register_backends" in {hook.__name__ for hook in hooks}
    for hook in hooks:
        assert hook.__name__.startswith("register_")
        assert re.fullmatch(r"[A-Z].*\.", hook.__doc__)


def test_builtins_use_the_hook_reserved_names_and_this_protocol():
    infos = plugin.register_backends()
    assert hasattr(plugin.register_backends, "neonport_impl")
    assert {info.name for info in infos} <= set(RESERVED)
    assert all(info.protocol[0] == PROTOCOL[0] and info.protocol <= PROTOCOL for info in infos)


def test_the_builtin_plugin_is_an_entry_point_of_the_project():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    section = text.split(f"[project.entry-points.{GROUP}]\n", 1)[1].split("\n[", 1)[0]
    assert f'= "{BUILTIN_PLUGIN}"' in section

"""What plugins bring beside backends: found where users look, and nowhere else."""

from __future__ import annotations

import json
import re

import pytest

from neonport.plugins.info import ClassInfo, OpInfo
from neonport.plugins.kinds import KINDS
from neonport.plugins.registry import PluginWarning

EVERYTHING = """
import sys
from neonport import Autodiff, gen_backend
import neonport.callbacks, neonport.data.datasets, neonport.layers, neonport.optimizers
be = gen_backend("cpu", batch_size=2)
assert not [m for m in sys.modules if m.startswith("fake_")]
x = be.array([[1.0, 2.0, -3.0]])
y = be.empty((1, 3))
y[:] = be.cube(x) + 1
print(y.get().tolist(), be.cube(x, out=y).get().tolist())
print(Autodiff(be.cube(x), be).get_grad_asnumpyarray([x])[0].tolist())
for module, name in (
    (neonport.layers, "Doubling"),
    (neonport.data.datasets, "Nothing"),
    (neonport.callbacks, "Silent"),
    (neonport.optimizers, "Still"),
):
    print(module.__name__, getattr(module, name).__module__)
from neonport.layers import Doubling
from neonport.models import Model
try:
    from neonport.layers import Doublin
except ImportError as error:
    print(type(error).__name__)
"""


def test_each_kind_is_found_where_users_look(python):
    run = python(EVERYTHING, "parts")
    assert run.stdout.splitlines() == [
        "[[2.0, 9.0, -26.0]] [[1.0, 8.0, -27.0]]",
        "[[3.0, 12.0, 27.0]]",
        "neonport.layers fake_parts.things",
        "neonport.data.datasets fake_parts.things",
        "neonport.callbacks fake_parts.things",
        "neonport.optimizers fake_parts.things",
        "ImportError",
    ], run.stderr


def test_plugins_that_are_off_bring_nothing(python):
    code = "import neonport.layers; print(hasattr(neonport.layers, 'Doubling'))"
    for switch in ({"NEONPORT_DISABLE_PLUGINS": "1"}, {"NEONPORT_BLOCK": "neonport-parts"}):
        assert python(code, "parts", **switch).stdout == "False\n"
    assert python(code, "parts").stdout == "True\n"


DESCRIPTIONS = """
import sys
from neonport.errors import ConfigurationError
from neonport.foundation.descriptions import load_class
def tried(path, place):
    try:
        return load_class(path, place).__name__
    except ConfigurationError as error:
        return "refused"
for place, path in [line.split("|") for line in sys.argv[1:]]:
    print(path, place, tried(path, place or None))
print(sorted(m for m in sys.modules if m.startswith("fake_")))
"""


def test_descriptions_name_only_what_hooks_announced(python):
    asked = [
        ("layer", "fake_parts.things.Doubling", "Doubling"),
        ("", "fake_parts.things.Doubling", "Doubling"),
        ("optimizer", "fake_parts.things.Still", "Still"),
        ("optimizer", "fake_parts.things.Doubling", "refused"),
        ("layer", "fake_parts.things.Hidden", "refused"),
        ("layer", "fake_parts.plugin.hookimpl", "refused"),
        ("", "fake_parts.things.Silent", "refused"),  # callbacks write files
        ("layer", "fake_clone.Doubling", "refused"),
        ("layer", "os.system", "refused"),
        ("layer", "subprocess.Popen", "refused"),
    ]
    arguments = ", ".join(repr(f"{place}|{path}") for place, path, _ in asked)
    code = DESCRIPTIONS.replace("sys.argv[1:]", f"[{arguments}]")
    lines = python(code, "parts", "good").stdout.splitlines()
    assert [line.split()[-1] for line in lines[:-1]] == [answer for *_, answer in asked]
    # of the other plugin, which no path names, nothing was imported
    assert lines[-1] == "['fake_parts', 'fake_parts.plugin', 'fake_parts.things']"


def test_a_file_makes_no_plugin_of_another_package_import(python):
    code = DESCRIPTIONS.replace("sys.argv[1:]", "['layer|some.where.Else']")
    assert python(code, "parts").stdout.splitlines()[-1] == "[]"


def test_duplicates_warn_naming_both_distributions(registry_with):
    registry = registry_with("parts", "parts_clone")
    with pytest.warns(PluginWarning, match="layer 'Doubling'") as caught:
        found = registry.extensions()
    (text,) = (str(w.message) for w in caught)
    assert "neonport-parts 1.0" in text
    assert "neonport-parts-clone 0.2" in text
    assert found.entries["layer", "Doubling"].plugin.distribution == "neonport-parts"
    (loser,) = found.rejected
    assert loser.state == "shadowed"
    assert registry.extensions().entries.keys() == found.entries.keys()  # said once


BAD = """
import json, sys
from neonport.cli.main import main
main(["doctor", "--json"])
"""


def test_doctor_says_what_is_wrong(python):
    run = python(BAD, "parts", "parts_bad")
    report = json.loads(run.stdout)
    rows = {(row["kind"], row["name"]): row for row in report["extensions"]}
    assert {kind for kind, _ in rows} == set(KINDS)
    good = {row["state"] for row in rows.values() if row["distribution"] == "neonport-parts"}
    assert good == {"ready"}
    states = {
        name: (row["state"], row["reason"])
        for (_, name), row in rows.items()
        if row["distribution"] == "neonport-parts-bad"
    }
    for name, state, words in (
        ("NoLayer", "broken", "fake_parts_bad:NoLayer is no Layer"),
        ("Missing", "broken", "No module named 'fake_parts_that_is_not_there'"),
        ("Affine", "refused", "neonport's own"),
        ("Linear", "refused", "neonport's own"),
        ("Future", "incompatible", "protocol 2.0"),
        ("exp", "refused", "neonport's own"),
        ("norow", "broken", "OTHER is a object, not an Op"),
    ):
        assert states[name][0] == state, name
        assert words in states[name][1]
    (plugin,) = (p for p in report["plugins"] if p["distribution"] == "neonport-parts-bad")
    reasons = " ".join(failure["reason"] for failure in plugin["failures"])
    assert "calling register_callbacks: SystemExit: a hook that ends the program" in reasons
    assert "reading what register_layers returned: TypeError: expected ClassInfo" in reasons


def test_what_cannot_be_used_says_why(python):
    code = """
import neonport.layers
from neonport import gen_backend
from neonport.errors import ExtensionUnavailable
be = gen_backend("cpu")
for ask in (lambda: neonport.layers.Missing, lambda: be.norow):
    try:
        ask()
    except ExtensionUnavailable as error:
        print(isinstance(error, ImportError), error)
print(neonport.layers.Affine.__module__, be.exp(1.0).op)
"""
    missing, norow, own = python(code, "parts_bad").stdout.splitlines()
    assert re.match(r"True layer 'Missing' of neonport-parts-bad 0\.1 is installed but", missing)
    assert "update neonport-parts-bad" in missing
    assert "not an Op" in norow
    assert own == "neonport.layers.compound exp"


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: ClassInfo("small", "a:small", (1, 1)), ValueError),
        (lambda: ClassInfo("A", "a:B", (1, 1)), ValueError),
        (lambda: ClassInfo("A", "a.b.A", (1, 1)), ValueError),
        (lambda: ClassInfo("A", "a:A", "1.1"), TypeError),
        (lambda: ClassInfo(None, "a:A", (1, 1)), TypeError),
        (lambda: OpInfo("Cube", "a:A", (1, 1)), ValueError),
        (lambda: OpInfo("cube", "a:A", (1, 1), derivative="x"), ValueError),
        (lambda: OpInfo("cube", "a:A", (1, 1), expression=None), TypeError),
    ],
)
def test_descriptions_are_checked(make, error):
    with pytest.raises(error):
        make()

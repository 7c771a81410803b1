"""What neonport does with the faults, and the table of that in the docs.

`python -m tests.plugins.faults.findings` writes the table anew.
"""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import neonport
from tests.plugins.faults.catalogue import FAULTS, GOOD
from tests.plugins.faults.installing import Environment
from tests.plugins.faults.rows import Fault

SITE = Path(neonport.__file__).parents[1]  # of the package under test: source tree or wheel
PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "plugins.md"
HEAD = "| the plugin | its state | `neonport doctor` says | naming it |"
SHORT, LONG = "3", "300"  # seconds that doctor waits for plugins that hang, and for others
NAMED = [fault for fault in FAULTS if fault.named != "ends"]
NAMED.sort(key=lambda fault: fault.name == "filters")  # it makes errors of later warnings
ENDING = [fault for fault in FAULTS if fault.named == "ends"]

USE = """
import json, sys, warnings
import neonport
from neonport.plugins.registry import backend_choices

def computes():
    be = neonport.gen_backend("cpu")
    y = be.empty((2, 2))
    y[:] = be.ones((2, 2)) * 3
    return float(y.get().sum())

names, imported = backend_choices(), [m for m in sys.modules if m.startswith("fault_")]
outcomes, sums = {}, [computes()]
for name in json.loads(sys.argv[1]):
    try:
        neonport.gen_backend(name)
        outcomes[name] = ["works", ""]
    except Exception as error:
        outcomes[name] = [type(error).__name__, str(error)]
    sums.append(computes())
sys.__stdout__.write(json.dumps([names, imported, outcomes, sums]))
"""


@dataclass
class Findings:
    """What was found.

    Attributes:
        rows: backends and plugins of `neonport doctor`, by distribution.
        outcomes: what naming did: class of the error or `works`, and its words.
        names: what a listing gives.
        imported: modules of plugins that were imported by `import neonport` and a listing.
        sums: what the cpu backend computed after each of them; 12 is right.
        complaints: what commands wrote to stderr.
    """

    rows: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]]
    outcomes: dict[str, list[str]]
    names: list[str]
    imported: list[str]
    sums: list[float]
    complaints: str

    def says(self, fault: Fault) -> list[tuple[str, str]]:
        """State and text of everything that doctor says of a plugin."""
        backends, plugins = self.rows[fault.distribution]
        found = [(row["state"], row["reason"]) for row in backends]
        states = [row["state"] for row in backends if row["name"] == (fault.backend or fault.name)]
        for plugin in plugins:
            texts = [*plugin["remarks"], *(failure["reason"] for failure in plugin["failures"])]
            found += [(state, text) for state in states for text in texts]
        return found

    def said(self, fault: Fault) -> str:
        """The text of the right state with the right words; "" if there is none."""
        for state, text in self.says(fault):
            match = re.search(fault.words, text)
            if state == fault.state and match:
                return match[0]
        return ""


def find(folder: Path) -> Findings:
    """Install everything and look."""
    wheels = folder / "wheels"
    wheels.mkdir()
    ending = Environment(folder / "ending", SITE)
    for fault in ENDING:
        ending.put(fault)
    named = Environment(folder / "named", SITE)
    hanging = ending.start("-m", "neonport", "doctor", "--json", NEONPORT_PLUGIN_TIMEOUT=SHORT)
    named.install([*NAMED, *GOOD], wheels)
    whole = named.start("-m", "neonport", "doctor", "--json", NEONPORT_PLUGIN_TIMEOUT=LONG)
    names = [fault.name for fault in NAMED if fault.backend is None]
    using = named.start("-c", USE, json.dumps(names))
    typing = ending.start("-c", USE, '["nobody"]', NEONPORT_PLUGIN_TIMEOUT=SHORT)
    results = [process.communicate() for process in (hanging, whole, using, typing)]
    for process, (_, err) in zip((hanging, whole, using, typing), results, strict=True):
        assert process.returncode == 0, err[-5000:]
    rows: dict[str, Any] = {}
    for out, _ in results[:2]:
        found = json.loads(out)
        for number, kind in enumerate(("backends", "plugins")):
            for row in found[kind]:
                key = row["distribution"].replace("_", "-")
                rows.setdefault(key, ([], []))[number].append(row)
    (listed, imported, outcomes, sums), (*_, unknown, more) = (
        json.loads(out.splitlines()[-1])  # one prints past Python before that
        for out, _ in results[2:]
    )
    return Findings(
        rows, outcomes | unknown, listed, imported, sums + more, results[1][1] + results[0][1]
    )


def table(found: Findings) -> str:
    """The table as Markdown."""
    lines = [HEAD, "|---|---|---|---|"]
    for fault in FAULTS:
        naming = found.outcomes.get(fault.name, ["-"])[0]
        if fault.named == "ends":
            naming = "ends or stops that process"
        elif naming not in ("works", "-"):
            naming = f"`{naming}`"
        said = _alike(found.said(fault))
        lines.append(f"| {fault.does} | {fault.state} | `{said}` | {naming} |")
    return "\n".join(lines) + "\n"


def _alike(text: str) -> str:
    """What doctor says, without what differs from machine to machine."""
    text = re.sub(r"/[^ ]*/", ".../", text)
    text = re.sub(r"x{9,}", "xxx...", re.sub(r"\d{4,}", "N", re.sub(r"\d+\.\d s", "N s", text)))
    return text.replace("|", "\\|")


def committed() -> str:
    """The table on the page."""
    text = PAGE.read_text(encoding="utf-8")
    return HEAD + text.partition(HEAD)[2].partition("\n\n")[0] + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        new = table(find(Path(name)))
    PAGE.write_text(PAGE.read_text(encoding="utf-8").replace(committed(), new), encoding="utf-8")

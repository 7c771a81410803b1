"""Each plugin of examples/plugins comes and goes in a fresh virtual environment.

    python tools/check_plugins/cycle.py [neonport-torch ...]

Installs neonport and what the plugin needs, then the plugin; `neonport doctor` has to show it
ready, a backend has to train the demo network to 97 %, and after `pip uninstall` the list of
packages and what doctor says have to be what they were. Takes minutes, most of them to install
PyTorch and JAX.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = {
    "neonport-torch": (["torch", "array-api-compat"], "torch"),
    "neonport-jax": (["jax"], "jax"),
    "neonport-extras": ([], None),
}
"""What each plugin needs beside neonport, and the backend that it brings."""
LEAST = 0.97


class Environment:
    """A virtual environment with neonport in it."""

    def __init__(self, folder: Path, needs: list[str]) -> None:
        venv.create(folder, with_pip=True)
        self.folder = folder
        self.bin = folder / ("Scripts" if sys.platform == "win32" else "bin")
        self.run("python", "-m", "pip", "install", "--quiet", f"{ROOT}[demo]", *needs)

    def run(self, command: str, *arguments: str) -> str:
        """The output of a command of the environment, which has to succeed."""
        run = subprocess.run(
            [str(self.bin / command), *arguments],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return run.stdout

    def state(self) -> tuple[list[str], dict[str, Any]]:
        """The packages, and what doctor says of backends and plugins."""
        packages = self.run("python", "-m", "pip", "freeze").splitlines()
        report = json.loads(self.run("neonport", "doctor", "--json"))
        return packages, {key: report[key] for key in ("backends", "extensions", "plugins")}


def cycle(plugin: str, folder: Path) -> None:
    """Install a plugin, use it, remove it.

    Raises:
        AssertionError: something is not as it should be.
    """
    needs, backend = PLUGINS[plugin]
    environment = Environment(folder, needs)
    before = environment.state()
    environment.run(
        "python", "-m", "pip", "install", "--quiet", str(ROOT / "examples/plugins" / plugin)
    )
    _, report = environment.state()
    rows = [r for r in (*report["backends"], *report["extensions"]) if r["distribution"] == plugin]
    assert rows, f"doctor does not show {plugin}"
    assert all(row["state"] == "ready" for row in rows), rows
    print(f"{plugin}: doctor shows {', '.join(row['name'] for row in rows)}", flush=True)
    if backend is not None:
        text = environment.run("neonport", "train", "digits", "--backend", backend, "--json")
        accuracy = json.loads(text.splitlines()[-1])["accuracy"]
        assert accuracy >= LEAST, f"accuracy {accuracy} on {backend} is below {LEAST}"
        print(f"{plugin}: accuracy {accuracy:.4f} on {backend}", flush=True)
    environment.run("python", "-m", "pip", "uninstall", "--quiet", "--yes", plugin)
    after = environment.state()
    assert after == before, f"{plugin} left something behind"
    print(f"{plugin}: removed, and all is as before", flush=True)


def main() -> None:
    """Run the cycles of the named plugins, or of all."""
    chosen = sys.argv[1:] or list(PLUGINS)
    for plugin in chosen:
        with tempfile.TemporaryDirectory() as folder:
            cycle(plugin, Path(folder))


if __name__ == "__main__":
    main()

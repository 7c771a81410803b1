"""Wheels of the faults, and environments into which pip installs them."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

from tests.plugins.faults.catalogue import Fault

VERSION = "1.0"


def files_of(fault: Fault) -> dict[str, bytes]:
    """What its wheel holds, without the list of files."""
    info = f"{fault.distribution.replace('-', '_')}-{VERSION}.dist-info"
    points = fault.points or f"[neonport]\n{fault.name} = {fault.module}\n"
    metadata = fault.metadata
    if metadata is None:
        metadata = f"Metadata-Version: 2.1\nName: {fault.distribution}\nVersion: {VERSION}\n"
    found = {
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": points if isinstance(points, bytes) else points.encode(),
    }
    if fault.source is not None:
        module = fault.module if fault.module.isascii() else "fault_plata"
        source = fault.source
        found[f"{module}.py"] = source if isinstance(source, bytes) else source.encode()
    return found


def wheel(fault: Fault, folder: Path) -> Path:
    """Write its wheel."""
    files = files_of(fault)
    (info,) = (name.partition("/")[0] for name in files if name.endswith("/WHEEL"))
    record = ""
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(content)}\n"
    path = folder / f"{info.removesuffix('.dist-info')}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return path


class Environment:
    """A virtual environment that sees the packages of this one, and this neonport.

    Args:
        folder: where it is made.
        neonport: the folder of the package under test.
    """

    def __init__(self, folder: Path, neonport: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        scripts = "Scripts" if os.name == "nt" else "bin"
        self.python = folder / scripts / Path(sys.executable).name
        (self.site,) = folder.rglob("site-packages")
        packages = (p for p in sys.path if p.endswith(("site-packages", "dist-packages")))
        shared = [str(neonport), *packages]
        (self.site / "packages-of-the-tests.pth").write_text("\n".join(shared) + "\n")

    def pip(self, *arguments: str) -> None:
        """Run the pip of the tests' own environment on this one."""
        command = [sys.executable, "-m", "pip", "--python", str(self.python), "--quiet"]
        flags = ["--disable-pip-version-check", "--no-input"]
        done = subprocess.run([*command, *flags, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def install(self, faults: Iterable[Fault], folder: Path) -> None:
        """Install wheels; what pip refuses is put there as files."""
        wheels = []
        for fault in faults:
            if fault.by_pip:
                wheels.append(str(wheel(fault, folder)))
            else:
                self.put(fault)
        if wheels:
            self.pip("install", "--no-deps", "--no-index", "--no-compile", *wheels)

    def put(self, fault: Fault) -> None:
        """Write what pip would."""
        for name, content in files_of(fault).items():
            path = self.site / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Start its Python, without the settings of this process."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("NEONPORT_", "PYTHON"))}
        return subprocess.Popen(
            [str(self.python), *arguments],
            env=clean | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

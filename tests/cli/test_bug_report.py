"""`neonport doctor --report`: what a bug report needs, and nothing that names its author."""

from __future__ import annotations

import getpass
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

import neonport
from neonport.cli.impersonal import impersonal

SITE = Path(neonport.__file__).parents[1]  # of the package under test: source tree or wheel
PLUGINS = Path(__file__).parents[1] / "fixtures" / "plugins"


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> str:
    """The report of somebody with a home, a name and a broken plugin of his own."""
    home = tmp_path_factory.mktemp("homes") / "jane.doe"
    plugin = home / "secret-project" / "plugins"
    plugin.mkdir(parents=True)
    info = plugin / "neonport_own-1.5.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[neonport]\nown = jane_plugin\n")
    (plugin / "jane_plugin.py").write_text(
        "import getpass, pathlib\n"
        "raise OSError(f'{getpass.getuser()} cannot read {pathlib.Path.home()}/board.cfg, nor '\n"
        "    '/srv/customers/acme/keys.txt, nor /home/john/x')\n"
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith("NEONPORT_")}
    own = {"HOME": str(home), "USER": "janedoe", "LOGNAME": "janedoe", "HOSTNAME": "janes-laptop"}
    own |= {"NEONPORT_CACHE_DIR": str(home / "cache"), "NEONPORT_TUNE": "0", "OMP_NUM_THREADS": "1"}
    own |= {"PYTHONPATH": os.pathsep.join([str(SITE), str(plugin), str(PLUGINS / "good")])}
    done = subprocess.run(
        [sys.executable, "-m", "neonport", "doctor", "--report"],
        env=clean | own, cwd=home / "secret-project", capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "words",
    [
        f"- neonport: {neonport.__version__}, backend protocol 1.",
        f"- Python: {platform.python_version()} (",
        f"- system: {platform.system()}",
        "- processor: ",
        "- compiler: ",
        "- BLAS: ",
        "- packages: ",
        f" numpy {numpy.__version__}",
        "- cpu: ready, neonport ",
        "- npu: loaded, neonport-npu 1.2.0, fake_good.plugin, brings npu",
        "- own: broken, neonport_own 1.5, jane_plugin, brings nothing; importing jane_plugin: ",
        "- NEONPORT_TUNE: 0",
        "- OMP_NUM_THREADS: 1",
        "- NEONPORT_CACHE_DIR: ~/cache",
        "- folder: ~/cache",
        "### own (neonport_own 1.5): traceback",
        'plugins/jane_plugin.py", line 2',
    ],
)
def test_it_has_what_somebody_else_needs(report, words):
    assert words in report.replace("<site>/", "plugins/")


@pytest.mark.parametrize(
    "word",
    ["jane.doe", "janedoe", "janes-laptop", "acme", "customers", "john", str(SITE), "/homes/"],
)
def test_it_names_nobody(report, word):
    assert word not in report


def test_neither_this_user_nor_this_machine(report):
    for name in (platform.node(), os.path.expanduser("~")):
        assert name not in report


def test_settings_that_are_not_set_are_left_out(report):
    assert "NEONPORT_TF32" not in report


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (f"in {Path.home()}/a b.py:", "in ~/a b.py:"),
        (f'File "{Path.home()}"', 'File "~"'),
        (f"{Path.home()}x/y", None),
        ("/home/someone/z", "<path>/z"),
        ("C:\\Users\\someone\\z", "C:\\Users/<user>\\z"),
        ("/usr/bin/cc and /opt/x/lib", "/usr/bin/cc and /opt/x/lib"),
        ("read /data/alice/weights.npz, done.", "read <path>/weights.npz, done."),
        ("a/b and 1/2 and https://example.org/x", "a/b and 1/2 and https://example.org/x"),
        (f"user {getpass.getuser()}, host {platform.node()}.", "user <user>, host <host>."),
        (f"{platform.node()}ly", None),
    ],
)
def test_what_is_replaced(tmp_path, monkeypatch, text, want):
    monkeypatch.chdir(tmp_path)
    found = impersonal(text)
    if want is None:
        assert "~" not in found
        assert "<host>" not in found
    else:
        assert found == want

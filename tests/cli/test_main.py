"""The `neonport` command itself: help, version, lazy sub-commands, one line an error."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest

from neonport import __version__
from neonport.cli import main as cli
from neonport.errors import ConfigurationError


def _add_command(monkeypatch, error):
    """Give the group a sub-command that raises."""

    @click.command()
    def fails():
        raise error

    monkeypatch.setattr("neonport.cli.doctor.fails", fails, raising=False)
    monkeypatch.setitem(cli.COMMANDS, "fails", ("neonport.cli.doctor:fails", "Fail."))


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"neonport, version {__version__}\n"


def test_help_lists_every_command_and_imports_none():
    code = "from neonport.cli.main import main; main(['--help']); import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    for name, (target, line) in cli.COMMANDS.items():
        assert any(row.split() == [name, *line.split()] for row in done.stdout.splitlines())
        assert target.partition(":")[0] not in done.stdout.split()


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_is_there_and_has_help(name, capsys):
    assert cli.main([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: neonport {name} ")


def test_an_unknown_command_is_a_usage_error(capsys):
    assert cli.main(["dcotor"]) == 2
    assert "No such command 'dcotor'; did you mean 'doctor'?" in capsys.readouterr().err
    assert cli.main(["frobnicate"]) == 2
    assert "there are conformance, convert, coverage, doctor, " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ConfigurationError("layers\n  are wrong"), "neonport: layers are wrong"),
        (KeyError("x"), "neonport: KeyError: 'x'"),
        (RuntimeError(), "neonport: RuntimeError"),
    ],
)
def test_an_error_is_one_line_and_status_1(monkeypatch, capsys, error, line):
    monkeypatch.delenv("NEONPORT_DEBUG", raising=False)
    _add_command(monkeypatch, error)
    assert cli.main(["fails"]) == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"{line} (NEONPORT_DEBUG=1 shows where)\n")


def test_debug_shows_the_traceback(monkeypatch):
    monkeypatch.setenv("NEONPORT_DEBUG", "1")
    _add_command(monkeypatch, ConfigurationError("layers are wrong"))
    with pytest.raises(ConfigurationError, match="layers are wrong"):
        cli.main(["fails"])


def test_ctrl_c_is_no_traceback(monkeypatch, capsys):
    _add_command(monkeypatch, KeyboardInterrupt())
    assert cli.main(["fails"]) == 130
    assert capsys.readouterr().err.strip() == "neonport: stopped"


def test_a_reader_that_left_gets_no_complaint():
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "neonport", "doctor"],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")

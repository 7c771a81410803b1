"""What a plugin prints and warns while it is imported carries its name."""

from __future__ import annotations

import io
import sys
import threading
import warnings

import pytest

from neonport.plugins import attribution
from neonport.plugins.attribution import PluginWarning, attributed

NAME = "npu (neonport-npu 1.2.0)"


def test_prints_go_to_stderr_with_the_name(registry_with, capfd):
    registry = registry_with("noisy")
    registry.probe("noisy")
    out, err = capfd.readouterr()
    assert err.splitlines()[0] == "[noisy (neonport-noisy 0.1)] noisy: imported"
    assert "noisy: imported" not in out
    (plugin,) = (p for p in registry.plugins() if p.name == "noisy")
    assert plugin.remarks[0] == "importing fake_noisy: printed noisy: imported"


def test_warnings_name_the_plugin():
    remarks = []
    words = r"npu \(neonport-npu 1\.2\.0\) warns: UserWarning: old"
    with pytest.warns(PluginWarning, match=words), attributed(NAME, remarks, "importing x"):
        warnings.warn("old driver", UserWarning, stacklevel=1)
    assert remarks == ["importing x: warned UserWarning: old driver"]


def test_an_ignored_warning_stays_ignored(capsys):
    remarks = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with attributed(NAME, remarks, "importing x"):
            warnings.warn("old driver", UserWarning, stacklevel=1)
    assert not remarks
    assert capsys.readouterr() == ("", "")


def test_other_threads_are_let_through(capsys):
    remarks = []
    with attributed(NAME, remarks, "importing x"):
        other = threading.Thread(target=print, args=("of the host",))
        other.start()
        other.join()
        print("of the plugin")
    out, err = capsys.readouterr()
    assert out == "of the host\n"
    assert err == f"[{NAME}] of the plugin\n"
    assert remarks == ["importing x: printed of the plugin"]


def test_a_prompt_without_a_line_break_is_shown_when_flushed(capsys):
    with attributed(NAME, [], "importing x"):
        sys.stdout.write("(Pdb) ")
        sys.stdout.flush()
        assert capsys.readouterr().err == f"[{NAME}] (Pdb) "


def test_a_stream_that_somebody_kept_names_nobody_later(capsys):
    with attributed(NAME, [], "importing x"):
        kept = sys.stdout
    print("later", file=kept)
    assert capsys.readouterr() == ("later\n", "")


def test_the_streams_are_as_before_unless_the_plugin_replaced_them(monkeypatch):
    out, err, show = sys.stdout, sys.stderr, warnings.showwarning
    with pytest.raises(ZeroDivisionError), attributed(NAME, [], "importing x"):
        1 / 0
    assert (sys.stdout, sys.stderr, warnings.showwarning) == (out, err, show)
    own = io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    with attributed(NAME, [], "importing x"):
        sys.stderr = own
    assert sys.stderr is own


def test_many_lines_are_not_all_kept(capsys):
    remarks = []
    with attributed(NAME, remarks, "importing x"):
        for number in range(1000):
            print(number, "x" * 1000)
    assert len(remarks) == attribution.MOST_REMARKS
    assert max(map(len, remarks)) < 500
    assert len(capsys.readouterr().err.splitlines()) == 1000


def test_one_that_takes_long_is_named(monkeypatch, capsys):
    monkeypatch.setattr(attribution, "PATIENCE", 0.01)
    shown = threading.Event()
    say = attribution._say_slow
    monkeypatch.setattr(attribution, "_say_slow", lambda *given: (say(*given), shown.set()))
    with attributed(NAME, [], "importing x"):
        assert shown.wait(30)
    assert f"importing x, of plugin {NAME}, still runs" in capsys.readouterr().err

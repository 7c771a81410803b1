"""`neonport convert`, and `neonport show` of a checkpoint."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest

from neonport.cli.main import main
from neonport.io import checkpoint
from tests.fixtures.old_pickles import python2

MODEL = {
    "neon_version": "1.8.0",
    "backend": {"type": "NervanaGPU", "compat_mode": "caffe"},
    "epoch_index": 10,
    "train_input_shape": (3, 32, 32),
    "optimizer": {"type": "neon.optimizers.optimizer.RMSProp", "config": {}},
    "model": {
        "type": "neon.layers.container.Sequential",
        "container": True,
        "config": {
            "name": "all",
            "layers": [
                {
                    "type": "neon.layers.layer.Linear",
                    "config": {"name": "hidden", "nout": 4},
                    "params": {"W": np.arange(12, dtype="f4").reshape(4, 3)},
                    "states": [np.zeros((4, 3), "f4")],
                },
                {"type": "neon.layers.layer.Activation", "config": {"name": "squash"}},
            ],
        },
    },
}
FIRST = {
    "epoch_index": 3,
    "layer_params_states": [
        {"params": np.ones((2, 3), "f4"), "states": []},
        {"params": [np.ones((2, 1), "f4")] * 4, "states": [[], []]},
    ],
}


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "old.prm"
    path.write_bytes(python2(MODEL))
    return path


def test_show(old, capsys):
    for arguments in (["show", str(old)], ["show", "checkpoint", str(old)]):
        assert main(arguments) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[:3] == ["written by 1.8.0", "backend    NervanaGPU", "mode       caffe"]
        assert "optimizer  neon.optimizers.optimizer.RMSProp" in lines
        (row,) = (line for line in lines if line.startswith("hidden"))
        assert row.split() == ["hidden", "layer.Linear", "W", "4x3", "float32", "1", "96"]
        assert lines[-1] == "2 layers, 12 parameters, 96 bytes with states"


def test_show_the_first_generation(tmp_path, capsys):
    (tmp_path / "g0.prm").write_bytes(python2(FIRST))
    assert main(["show", str(tmp_path / "g0.prm")]) == 0
    out = capsys.readouterr().out
    assert "neon 1.0 or 1.1" in out
    assert "W0 2x1 float32, W1 2x1 float32" in out
    assert "2 layers, 14 parameters, 56 bytes" in out


def test_convert_keeps_all(old, tmp_path, capsys):
    target = tmp_path / "new.safetensors"
    assert main(["convert", str(old), str(target)]) == 0
    np.testing.assert_equal(checkpoint.load(target), checkpoint.load(old))
    assert main(["show", str(target)]) == 0
    assert "hidden" in capsys.readouterr().out
    before = target.read_bytes()
    assert main(["convert", str(old), str(target)]) == 1
    assert "--force" in capsys.readouterr().err
    assert main(["convert", str(old), str(target), "--force"]) == 0
    assert target.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pickle.dumps(print, 2), "holds a str, no checkpoint"),
        (pickle.dumps({"weights": [1]}, 2), "holds no model; it has 'weights'"),
        (pickle.dumps([1, 2], 2)[:-3], "cannot be read as a pickle, at byte"),
        (pickle.dumps({"model": 3, "layer_params_states": 4}, 2), "holds no model"),
        (pickle.dumps({"model": {"config": {"layers": [3, {"type": []}]}}}, 2), ""),
    ],
)
def test_what_is_no_checkpoint(content, words, tmp_path, capsys):
    path = tmp_path / "m.prm"
    path.write_bytes(content)
    status = main(["show", str(path)])
    assert status == (1 if words else 0)
    assert words in capsys.readouterr().err
    assert main(["show", "checkpoint", str(tmp_path / "none")]) == 2
    assert main(["convert", str(path), str(tmp_path / "m.txt")]) == 2
    assert main(["convert", str(tmp_path / "none"), str(tmp_path / "m.safetensors")]) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.prm"]


def test_names_are_no_commands_for_the_terminal(tmp_path, capsys):
    entry = {"type": "\x1b[2J", "config": {"name": "[bold]a\x07\u202e"}}
    checkpoint.save({"model": entry, "neon_version": "\x1b]0;title\x07"}, tmp_path / "m.prm")
    assert main(["show", str(tmp_path / "m.prm")]) == 0
    out = capsys.readouterr().out
    assert "[bold]a" in out
    assert all(c.isprintable() or c == "\n" for c in out)


def test_convert_to_a_graph_says_what_it_needs(old, tmp_path, capsys, monkeypatch):
    """As far as it goes without the library onnx; the rest is in tests/models/onnx."""
    monkeypatch.setitem(sys.modules, "onnx", None)
    target = tmp_path / "new.onnx"
    entry = MODEL["model"]["config"]["layers"][0]
    init = {"type": "neon.initializers.initializer.Gaussian", "config": {}}
    entry = {**entry, "config": {**entry["config"], "init": init}}
    linear = {**MODEL["model"], "config": {"layers": [entry]}}
    (tmp_path / "linear.prm").write_bytes(python2({**MODEL, "model": linear}))
    command = ["convert", str(tmp_path / "linear.prm"), str(target)]
    assert main([*command, "--shape", "3"]) == 1
    assert "pip install 'neonport[onnx]'" in capsys.readouterr().err
    assert main([*command, "--shape", "3,x"]) == 2
    assert "must be sizes such as 3,32,32" in capsys.readouterr().err
    assert main(["convert", str(old), str(tmp_path / "m.prm"), "--shape", "3"]) == 2
    assert "ends in .onnx" in capsys.readouterr().err
    target.write_bytes(b"kept")
    assert main(command) == 1
    assert "--force" in capsys.readouterr().err
    assert target.read_bytes() == b"kept"
    assert main([*command, "--force", "--shape", "4"]) == 1  # W was made for 3
    assert "4" in capsys.readouterr().err
    assert target.read_bytes() == b"kept"

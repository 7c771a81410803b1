"""`neonport train digits`: accuracy, same bits, kill and continue, clear refusals."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.cli.main import main
from neonport.io import checkpoint
from neonport.io.json_encoding import encode

pytest.importorskip("sklearn")
PATIENCE = 300  # seconds for a process on a machine that is busy with others


@pytest.fixture
def command(backend_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command's first words; the checkpoint goes to an empty folder."""
    monkeypatch.chdir(tmp_path)
    return ["train", "digits", "--backend", backend_name]


def without_names(value: Any) -> Any:
    """Automatic names count the objects of a process."""
    if isinstance(value, dict):
        return {k: without_names(v) for k, v in value.items() if k != "name"}
    return type(value)(map(without_names, value)) if isinstance(value, (list, tuple)) else value


def contents(path: Path | str) -> tuple[Any, dict[str, np.ndarray]]:
    return encode(without_names(checkpoint.load(path)))


def assert_same_file(one: Path | str, other: Path | str) -> None:
    (text, arrays), (other_text, other_arrays) = contents(one), contents(other)
    assert text == other_text
    assert list(arrays) == list(other_arrays)
    for name, value in arrays.items():
        assert value.tobytes() == other_arrays[name].tobytes(), name


def _hear_ctrl_c() -> None:
    """A shell starts what runs behind it deaf to SIGINT, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def started(arguments: list[str]) -> Iterator[subprocess.Popen[str]]:
    """The command in a process, which does not outlive the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "neonport", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=None if os.name == "nt" else _hear_ctrl_c,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_it_reads_digits(command: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--json"]) == 0
    out, err = capfd.readouterr()
    lines = err.splitlines()
    assert [line.split(":")[0] for line in lines[1:-2]] == [
        f"Epoch {epoch}/20" for epoch in range(1, 21)
    ]
    result = json.loads(out)
    assert {"accuracy", "seconds", "backend", "epochs", "checkpoint", "seed", "cost"} <= set(result)
    assert result["accuracy"] >= 0.98
    assert result["seconds"] < 30
    assert result["epochs"] == 20
    assert result["backend"] == command[-1]
    assert f"held-out accuracy {result['accuracy']:.2%}" in err
    assert f"checkpoint {result['checkpoint']}" in err
    assert checkpoint.load(result["checkpoint"])["epoch_index"] == 20


def test_a_convolutional_network(command: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """Trained in two parts; the file says which network it is."""
    assert main([*command, "--net", "conv", "--epochs", "1", "--checkpoint", "m"]) == 0
    assert "network conv" in capfd.readouterr().out
    continued = [*command, "--resume", "--checkpoint", "m"]
    assert main([*continued, "--net", "mlp"]) == 1
    assert "was trained with network conv, not mlp" in capfd.readouterr().err
    assert main([*continued, "--json"]) == 0
    result = json.loads(capfd.readouterr().out)
    assert (result["net"], result["epochs"]) == ("conv", 20)
    assert result["accuracy"] >= 0.985


def test_accuracy_is_that_of_the_saved_model(
    command: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    from neonport.backends import cleanup_backend, gen_backend
    from neonport.data import Digits
    from neonport.models import Model

    assert main([*command, "--json", "--epochs", "2", "--checkpoint", "m.st"]) == 0
    result = json.loads(capfd.readouterr().out)
    gen_backend(command[-1], batch_size=100)
    _, (_, held_y), _ = Digits().load_data()
    outputs = Model("m.st").get_outputs(Digits().valid_iter)
    cleanup_backend()
    assert np.mean(outputs.argmax(axis=1) == held_y) == pytest.approx(result["accuracy"], abs=1e-6)
    assert result["accuracy"] > 0.9


def test_same_seed_same_bits_other_seed_other_bits(command: list[str]) -> None:
    for name, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        status = main([*command, "--epochs", "2", "--seed", seed, "--quiet", "--checkpoint", name])
        assert status == 0
    assert_same_file("a", "b")
    assert any(
        value.tobytes() != contents("c")[1][name].tobytes()
        for name, value in contents("a")[1].items()
    )


def test_continued_run_is_the_uninterrupted_run(
    command: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    extra = ["--seed", "3", "--batch-size", "64"]
    assert main([*command, *extra, "--epochs", "4", "--checkpoint", "a"]) == 0
    straight = capfd.readouterr().out.split("held-out accuracy")[1].split(",")[0]
    assert main([*command, *extra, "--epochs", "1", "--checkpoint", "b"]) == 0
    capfd.readouterr()
    assert main([*command, "--epochs", "4", "--checkpoint", "b", "--resume"]) == 0
    out = capfd.readouterr().out
    assert "continuing after epoch 1" in out
    assert "seed 3, batch size 64" in out
    assert straight in out
    assert_same_file("a", "b")
    # nothing left to do: the model is evaluated, the file stays as it is
    assert main([*command, "--epochs", "2", "--checkpoint", "b", "--resume", "--json"]) == 0
    result = json.loads(capfd.readouterr().out)
    assert result["epochs"] == 4
    assert result["cost"] > 0
    assert_same_file("a", "b")


def test_there_is_a_checkpoint_before_the_first_epoch_ends(
    command: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    from neonport.models import Model

    def fail(*args: Any) -> None:
        raise RuntimeError("power failure")

    options = ["--epochs", "1", "--seed", "2"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Model, "fit", fail)
        assert "power failure" in failing(command, [*options, "--checkpoint", "b"], capfd)
    assert checkpoint.load("b")["epoch_index"] == 0
    assert main([*command, "--epochs", "1", "--checkpoint", "b", "--resume"]) == 0
    assert main([*command, *options, "--checkpoint", "a"]) == 0
    assert_same_file("a", "b")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_killed_at_any_moment(command: list[str]) -> None:
    options = ["--epochs", "5", "--seed", "1", "--batch-size", "128"]
    assert main([*command, *options, "--quiet", "--checkpoint", "straight"]) == 0
    rng = random.Random(0)
    resume: list[str] = []
    for _ in range(60):
        arguments = [*command, *options, *resume, "--quiet", "--checkpoint", "killed"]
        with started(arguments) as process:
            deadline = time.monotonic() + PATIENCE
            before = os.stat("killed").st_mtime_ns if resume else 0
            while process.poll() is None and time.monotonic() < deadline:
                if os.path.exists("killed") and os.stat("killed").st_mtime_ns != before:
                    time.sleep(rng.uniform(0, 0.15))
                    process.kill()
                    break
                time.sleep(0.002)
            process.communicate(timeout=PATIENCE)
        assert process.returncode in (0, -signal.SIGKILL)
        found = checkpoint.load("killed")
        resume = ["--resume"]
        if process.returncode == 0:
            break
    assert found["epoch_index"] == 5
    assert_same_file("straight", "killed")
    assert sorted(os.listdir()) == ["killed", "straight"]


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to a child on Windows")
def test_ctrl_c_says_how_to_continue(command: list[str]) -> None:
    options = ["--batch-size", "128"]
    arguments = [*command, *options, "--epochs", "100000", "--checkpoint", "stopped"]
    with started(arguments) as process:
        while not os.path.exists("stopped"):
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.01)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "--resume --epochs 100000 --checkpoint stopped" in err
    assert "held-out" not in out
    epochs = str(checkpoint.load("stopped")["epoch_index"] + 2)
    again = ["--epochs", epochs, "--quiet", "--checkpoint"]
    assert main([*command, *again, "stopped", "--resume"]) == 0
    assert main([*command, *options, *again, "straight"]) == 0
    assert_same_file("straight", "stopped")


def test_quiet(command: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--epochs", "1", "--quiet"]) == 0
    out, err = capfd.readouterr()
    assert (len(out.splitlines()), err) == (1, "")
    assert out.startswith("held-out accuracy")
    assert main([*command, "--epochs", "1", "--quiet", "--json", "--force"]) == 0
    out, err = capfd.readouterr()
    assert (len(out.splitlines()), err) == (1, "")
    assert json.loads(out)["epochs"] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epochs", "0"], "--epochs"),
        (["--epochs", "many"], "--epochs"),
        (["--seed", "-1"], "--seed"),
        (["--batch-size", "360"], "--batch-size"),
        (["--backend", "abacus"], "abacus"),
        (["--checkpoint", "no/such/folder/m.st"], "does not exist"),
        (["--checkpoint", "."], "directory"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_bad_usage_is_status_2(
    command: list[str], arguments: list[str], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, *arguments]) == 2
    err = capfd.readouterr().err
    assert words in err
    assert "Traceback" not in err


def failing(command: list[str], arguments: list[str], capfd: Any) -> str:
    assert main([*command, *arguments]) == 1
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


def test_nothing_to_continue(command: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert "does not exist" in failing(command, ["--resume"], capfd)
    checkpoint.save({"model": {}}, "other")
    line = failing(command, ["--resume", "--checkpoint", "other"], capfd)
    assert "not written by `neonport train digits`" in line
    Path("broken").write_bytes(b"\x10" * 100)
    assert "damaged" in failing(command, ["--resume", "--checkpoint", "broken"], capfd)


def test_options_that_contradict_the_checkpoint(
    command: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--epochs", "1", "--seed", "4", "--quiet", "--checkpoint", "m"]) == 0
    capfd.readouterr()
    again = ["--resume", "--checkpoint", "m"]
    assert "seed 4, not 5" in failing(command, [*again, "--seed", "5"], capfd)
    assert "batch size 32, not 8" in failing(command, [*again, "--batch-size", "8"], capfd)
    assert main([*command, *again, "--epochs", "1", "--seed", "4", "--batch-size", "32"]) == 0


def test_a_file_of_another_kind_is_not_overwritten(
    command: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    Path("thesis.txt").write_text("years of work")
    assert "not a neonport checkpoint" in failing(command, ["--checkpoint", "thesis.txt"], capfd)
    assert Path("thesis.txt").read_text() == "years of work"


def test_missing_scikit_learn(
    command: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert "neonport[demo]" in failing(command, [], capfd)
    monkeypatch.setenv("NEONPORT_DEBUG", "1")
    with pytest.raises(Exception, match="scikit-learn"):
        main(command)


def test_help(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    assert "digits" in capfd.readouterr().out
    assert main(["train", "digits", "-h"]) == 0
    out = capfd.readouterr().out
    for option in ("backend", "epochs", "seed", "batch-size", "checkpoint", "resume", "json"):
        assert f"--{option}" in out
    assert "neonport-digits.safetensors" in out


def test_a_checkpoint_is_replaced_only_when_asked(
    command: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--epochs", "1", "--checkpoint", "m.st"]) == 0
    before = Path("m.st").read_bytes()
    for arguments, words in (
        (["--epochs", "1"], "--resume continues it, --force starts anew"),
        (["--epochs", "1", "--backend", "null"], "--resume continues it"),
        (["--epochs", "9", "--backend", "null", "--resume"], "null computes nothing"),
        (["--checkpoint", os.devnull], "which is not replaced"),
    ):
        capfd.readouterr()
        assert words in failing(command, ["--checkpoint", "m.st", *arguments], capfd)
    assert main([*command, "--checkpoint", "m.st", "--resume", "--force"]) == 2
    assert Path("m.st").read_bytes() == before
    assert main([*command, "--epochs", "1", "--seed", "4", "--checkpoint", "m.st", "--force"]) == 0
    assert checkpoint.load("m.st")["backend"]["rng_seed"] == 4


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
def test_a_checkpoint_whose_name_is_no_text(command: list[str]) -> None:
    name = os.fsdecode(b"m\xff.st")
    assert main([*command, "--epochs", "1", "--checkpoint", name]) == 0
    assert main([*command, "--epochs", "2", "--checkpoint", name, "--resume"]) == 0
    assert os.listdir(b".") == [b"m\xff.st"]

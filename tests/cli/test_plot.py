"""`neonport plot`: one page without a network, or a file a picture."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.cli.main import main

h5py = pytest.importorskip("h5py")


@pytest.fixture
def run_h5(tmp_path: Path) -> Path:
    path = tmp_path / "run.h5"
    with h5py.File(path, "w") as file:
        markers = file.create_group("time_markers")
        markers.create_dataset("minibatch", data=np.array([2, 4]))
        markers.attrs.update(epochs_complete=2, minibatches_complete=4)
        train = file.create_dataset("cost/<img src=x>", data=np.arange(4, dtype="f4"))
        train.attrs["time_markers"] = "minibatch"
        hist = file.create_group("hist")
        hist.attrs.update(bins=64, offset=-48, time_markers="epoch", time_steps=2)
        hist.create_dataset("W <b>", data=np.ones((64, 2), np.int32))
        pictures = file.create_group("deconv/max_act/0000")
        pictures.create_dataset("vis", data=np.ones((1, 3, 3, 1), "u1"))
        pictures.create_dataset("batch_img", data=np.zeros((1, 2), "u2"))
        image = file.create_dataset(
            "deconv/img/batch_0/HWC_uint8", data=np.ones((3, 3, 1, 1), "u1")
        )
        image.attrs["0"] = 0
    return path


def plot(capsys: Any, *arguments: str) -> tuple[int, str, str]:
    status = main(["plot", *arguments])
    out, err = capsys.readouterr()
    return status, out, err


def test_one_page(capsys: Any, run_h5: Path, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "pictures"
    status, out, _ = plot(capsys, str(run_h5), "-o", str(folder))
    assert status == 0
    assert [path.name for path in folder.iterdir()] == ["run.html"]
    assert out == f"{folder / 'run.html'}\n"
    text = (folder / "run.html").read_text(encoding="utf-8")
    assert re.findall("<h2>(.*?)</h2>", text) == ["Cost", "Histograms", "Layer 0000"]
    assert text.count('src="data:image/') == 3
    assert re.findall(r"(?:src|href)=\"(?!data:)", text) == []
    assert "//" not in re.sub(r"base64,[^\"]*", "", text)


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_file_a_picture_by_the_options_of_nvis(
    capsys: Any, run_h5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, _ = plot(capsys, "-i", str(run_h5), "--axis", "minibatch", "--format", kind)
    assert status == 0
    names = [f"run-{name}-00.{kind}" for name in ("cost", "hist", "deconv-0000")]
    assert sorted(path.name for path in (tmp_path / "nvis").iterdir()) == sorted(names)
    assert [Path(line).name for line in out.splitlines()] == names


def test_files_are_not_replaced_unless_asked_for(capsys: Any, run_h5: Path, tmp_path: Path) -> None:
    page = tmp_path / "run.html"
    page.write_text("mine")
    status, _, err = plot(capsys, str(run_h5), "-o", str(tmp_path))
    assert status == 1
    assert "run.html exists; --force replaces it" in err
    assert page.read_text() == "mine"
    assert plot(capsys, str(run_h5), "-o", str(tmp_path), "--force")[0] == 0
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_too_many_pictures_are_left_out(
    capsys: Any, run_h5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neonport.cli.plot.FIGURES", 1)
    status, _, err = plot(capsys, str(run_h5), "-o", str(tmp_path))
    assert status == 0
    assert (tmp_path / "run.html").read_text(encoding="utf-8").count("<img") == 1
    assert err == "only the first 1 pictures are drawn\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:700]), "is damaged"),
        (lambda path: path.write_text("no records"), "is no HDF5 file"),
        (lambda path: path.unlink(), "does not exist"),
    ],
)
def test_mistakes_are_one_line(
    capsys: Any, run_h5: Path, tmp_path: Path, change: Any, words: str
) -> None:
    change(run_h5)
    status, out, err = plot(capsys, str(run_h5), "-o", str(tmp_path / "out"))
    assert (status, out) == (1, "")
    assert words in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_file_without_epochs(capsys: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file.create_group("cost")
    status, _, err = plot(capsys, str(tmp_path / "run.h5"), "-o", str(tmp_path / "out"))
    assert status == 1
    assert "holds nothing to draw" in err


def test_wrong_usage(capsys: Any, run_h5: Path) -> None:
    for arguments in ([], [str(run_h5), "-i", str(run_h5)]):
        status, _, err = plot(capsys, *arguments)
        assert status == 2
        assert "name one file" in err


def test_what_is_missing_is_named(
    capsys: Any, run_h5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library, extra in (("h5py", "hdf5"), ("matplotlib", "plot")):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, library, None)
            for name in [name for name in sys.modules if name.startswith(f"{library}.")]:
                patch.setitem(sys.modules, name, None)
            status, _, err = plot(capsys, str(run_h5), "-o", str(tmp_path))
        assert status == 1
        assert f"pip install 'neonport[{extra}]'" in err

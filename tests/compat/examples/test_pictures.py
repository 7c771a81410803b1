"""Scripts on pictures, as people wrote them for neon: each learns what its small files hold."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from neonport.cli.main import main
from neonport.models import Model
from neonport.util import persist
from tests.compat.examples.conftest import SCRIPTS, Run, write_digits, write_photographs


@pytest.fixture
def digits(folder: Path) -> Path:
    write_digits(folder)
    return folder


@pytest.fixture
def photographs(folder: Path) -> Path:
    write_photographs(folder)
    return folder


def test_conv_net(photographs: Path, run: Run) -> None:
    names = run("images/conv_net.py", 3, "-z", "16", "-s", "net.prm")
    assert names["train"].shape == (3, 32, 32)
    assert float(names["error_rate"]) < 0.2
    kinds = [type(layer).__name__ for layer in names["model"].layers.layers]
    assert kinds[:4] == ["Convolution", "BatchNorm", "Activation", "Pooling"]
    assert float(Model("net.prm").eval(names["test"], names["Misclassification"]())) < 0.2


def test_convolutions_only_with_pictures_of_its_filters(photographs: Path, run: Run) -> None:
    names = run("images/all_conv.py", 2, "-z", "16", "--deconv", "-o", "out.h5", "-s", "net.prm")
    assert names["train_set"].nclass == 16
    with h5py.File("out.h5") as file:
        assert list(file["deconv/max_act"]) == ["0001", "0003", "0006", "0008"]
        assert file["cost/train"][-1] < file["cost/train"][0]
    again = run("images/all_conv.py", 2, "-z", "16", "--model_file", "net.prm")
    assert again["mlp"].epoch_index == 2  # it had both epochs behind it
    assert float(again["error_rate"]) == float(names["error_rate"])


def test_branches(digits: Path, run: Run) -> None:
    names = run("images/branch.py", 15, "-z", "16", "-o", "out.h5")
    assert float(names["error_rate"]) < 0.3
    with h5py.File("out.h5") as file:
        assert file["multicost/train"].shape == (15 * 10, 3)
        costs = file["multicost/train"][...]
    assert costs[-1, 0] < 0.7 * costs[0, 0]


@pytest.mark.parametrize("more", [[], ["--broadcast"]])
def test_merged_paths(digits: Path, run: Run, more: list[str]) -> None:
    names = run("images/merge.py", 6, "-z", "16", *more)
    assert names["merged"].out_shape == ((8, 7, 7) if more else 40)
    assert float(names["error_rate"]) < 0.2


def test_several_optimizers(digits: Path, run: Run) -> None:
    names = run("images/several_optimizers.py", 6, "-z", "16")
    assert float(names["error_rate"]) < 0.2
    groups = names["opt"]._map_optimizers(names["model"].layers_to_optimize)
    of = {optimizer: [layer.name for layer in layers] for optimizer, layers in groups.items()}
    assert "special_linear" in of[names["optimizer_C"]]
    assert "special_linear_bias" in of[names["optimizer_B"]] + of[names["optimizer_C"]]
    assert "low" in of[names["optimizer_A"]]


def test_autoencoder(digits: Path, run: Run) -> None:
    names = run("images/autoencoder.py", 6, "-z", "16", "-o", "out.h5")
    assert names["model"].layers.layers[-1].out_shape == (1, 28, 28)
    with h5py.File("out.h5") as file:
        costs = file["cost/train"][...]
    assert costs[-1] < 0.7 * costs[0]
    assert 0.05 < names["test_images"].std() < 1


def test_data_in_an_hdf5_file(digits: Path, run: Run) -> None:
    names = run("images/from_hdf5.py", 10, "-z", "16")
    assert names["train_set"].ndata == 160
    assert float(names["error_rate"]) < 0.2
    with h5py.File("pictures_train.h5") as file:  # closed by the iterator, and as it was
        assert file["input"].dtype == np.uint8


def test_early_stopping(digits: Path, run: Run) -> None:
    names = run("images/early_stopping.py", 60, "-z", "16", "-o", "out.h5", "--log", "log.txt")
    epochs = names["mlp"].epoch_index
    assert names["mlp"].finished
    assert 2 < epochs < 60
    with h5py.File("out.h5") as file:
        losses = file["cost/loss"][:epochs]
    best = int(losses.argmin())
    assert best == epochs - 3  # two that were no better, and the count begins at 0
    stored = persist.load_obj("early_stop-best_state.pkl")
    assert stored["epoch_index"] == best + 1


def test_generator_and_critic(digits: Path, run: Run) -> None:
    names = run("images/gan.py", 2, "-z", "16", "-o", "out.h5")
    model = names["model"]
    critic = [layer.W.get() for layer in model.layers.discriminator.layers if hasattr(layer, "W")]
    assert len(critic) == 3
    assert max(abs(W).max() for W in critic) <= 0.01 + 0.005  # clipped, then one step
    assert model.gen_iter == 9  # minibatches 2, 4 ... 18
    with h5py.File("out.h5") as file:
        assert file["gan/gen_iter"][...].max() == 9
        assert (file["gan/cost_dis"][...] != 0).sum() == 9
    made = {path.name for path in digits.glob("digits_*.png")}
    assert {"digits_data_001.png", "digits_noise_001.png", "digits_training.png"} <= made


def test_experiment_in_yaml(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(SCRIPTS / "images" / "experiment.yaml", digits)
    given = ["run", "experiment.yaml", "-e", "4", "-w", ".", "-o", "out.h5", "-s", "net.prm"]
    assert main([*given, "-r", "1", "--no_progress_bar"]) == 0
    with h5py.File("out.h5") as file:
        costs = file["cost/train"][...]
        assert file["config"].attrs["total_epochs"] == 4
    assert len(costs) == 4 * 5  # a minibatch of 32, as the file says
    assert costs[-1] < 0.5 * costs[0]
    assert persist.load_obj("net.prm")["epoch_index"] == 4


def test_images_that_manifests_list(folder: Path, run: Run) -> None:
    rng = np.random.RandomState(0)
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [200, 200, 200]])
    (folder / "pictures").mkdir()
    for part, count in (("train", 70), ("val", 40)):
        lines = ["@FILE\tASCII_INT"]
        for n in range(count):
            pixels = 0.7 * colours[n % 4] + 70 * rng.rand(16, 16, 3)
            name = f"{part}_{n}.png"
            Image.fromarray(pixels.astype(np.uint8)).save(folder / "pictures" / name)
            lines.append(f"{name}\t{n % 4}")
        (folder / f"{part}.tsv").write_text("\n".join(lines) + "\n")
    given = ["--manifest", "train:train.tsv", "--manifest", "val:val.tsv"]
    given += ["--manifest_root", "pictures", "-z", "16", "-s", "net.prm"]
    names = run("images/manifest.py", 4, *given)
    assert names["train"].nbatches == 5
    assert names["test"].shape == (3, 16, 16)
    assert float(names["error_rate"]) < 0.2
    again = Model("net.prm").eval(names["test"], names["Misclassification"]())
    assert float(again) == float(names["error_rate"])

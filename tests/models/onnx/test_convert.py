"""`neonport convert model.prm model.onnx`, from files of ours and of neon's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.cli.main import main
from neonport.io import checkpoint
from neonport.models import Model
from tests.fixtures.old_pickles import python2
from tests.models.onnx.conftest import random_inputs, with_random_weights
from tests.models.onnx.test_export import CASES

pytestmark = pytest.mark.onnx


def run(path: Path, x: Any) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    found: np.ndarray = session.run(None, {session.get_inputs()[0].name: x})[0]
    return found


@pytest.mark.parametrize("case", ["mlp", "conv net", "lstm"])
@pytest.mark.parametrize("generation", ["ours", "neon's"])
def test_a_checkpoint_becomes_a_graph(
    case: str, generation: str, make_backend: Any, tmp_path: Path
) -> None:
    make_backend(batch_size=4, rng_seed=1)
    make, shape = CASES[case]
    model = with_random_weights(make(), shape)
    x = random_inputs(shape, 5)
    wanted = model.predict(x)
    source, target = tmp_path / "model.safetensors", tmp_path / "model.onnx"
    model.save_params(source)
    if generation == "neon's":
        description = checkpoint.load(source)
        description = {key: description[key] for key in ("neon_version", "epoch_index", "model")}
        source = tmp_path / "model.prm"
        source.write_bytes(python2(description))
        sizes = ",".join(map(str, (shape,) if isinstance(shape, int) else shape))
        assert main(["convert", str(source), str(target), "--shape", sizes]) == 0
    else:
        assert main(["convert", str(source), str(target)]) == 0
    found = run(target, x)
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, rtol=1e-5, atol=1e-5)


def test_a_shape_that_is_not_told(
    make_backend: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for case in ("conv net", "mlp"):
        make_backend(batch_size=4, rng_seed=1)
        make, shape = CASES[case]
        with_random_weights(make(), shape).save_params(tmp_path / "model.prm")
        description = checkpoint.load(tmp_path / "model.prm")
        del description["train_input_shape"]
        checkpoint.save(description, tmp_path / "model.prm")
        command = ["convert", str(tmp_path / "model.prm"), str(tmp_path / "model.onnx")]
        assert main(command) == (2 if case == "conv net" else 0)  # a Linear tells it by its W
    assert "--shape 3,32,32" in capsys.readouterr().err
    assert main(command) == 1
    assert main([*command, "--force"]) == 0


def test_several_inputs(make_backend: Any, tmp_path: Path) -> None:
    from neonport.initializers import Gaussian
    from neonport.layers import Linear, MergeMultistream

    make_backend(batch_size=4, rng_seed=1)
    paths = [Linear(2, Gaussian()), Linear(3, Gaussian())]
    with_random_weights([MergeMultistream(paths, "stack")], [4, 6]).save_params(tmp_path / "m.prm")
    command = ["convert", str(tmp_path / "m.prm"), str(tmp_path / "m.onnx")]
    assert main(command) == 0
    before = (tmp_path / "m.onnx").read_bytes()
    assert main([*command, "--force", "--shape", "4", "--shape", "6"]) == 0
    assert (tmp_path / "m.onnx").read_bytes() == before  # equal models give equal files
    make_backend(batch_size=4)
    assert Model(tmp_path / "m.prm").layers is not None

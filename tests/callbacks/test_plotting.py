"""GANPlotCallback's files, pixel by pixel."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from neonport.callbacks import Callback, Callbacks
from neonport.callbacks.callbacks import GANCostCallback
from neonport.callbacks.plotting_callbacks import GANPlotCallback, running_median
from neonport.errors import ConfigurationError
from neonport.transforms import GANCost

Make = Callable[..., Any]


def pixels(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture)


class Gan(Callback):
    """Gives a model what a GAN has: batches of images, and generator steps."""

    def __init__(self, p: Any, values: int) -> None:
        super().__init__()
        rng = np.random.RandomState(2)
        self.data, self.noise = rng.uniform(-1, 1, (2, values, 8))
        p.model.data_batch = p.be.array(self.data)
        p.model.noise_batch = p.be.array(self.noise)
        p.model.gen_iter, p.model.cost_dis = 0, np.zeros(1)

    def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, mb: int) -> None:
        model.gen_iter += 1
        model.cost_dis[0] = mb


@pytest.mark.parametrize(("nchan", "sym_range", "num", "pad"), [(1, False, 5, 2), (3, True, 4, 0)])
def test_grids(
    make_problem: Make,
    fit: Make,
    tmp_path: Path,
    nchan: int,
    sym_range: bool,
    num: int,
    pad: int,
) -> None:
    p = make_problem()
    gan = Gan(p, nchan * 16)
    callbacks = Callbacks(p.model, progress_bar=False)
    plot = GANPlotCallback(
        str(tmp_path / "x"), hw=4, nchan=nchan, num_samples=num, sym_range=sym_range, padding=pad
    )
    callbacks.add_callback(gan)
    callbacks.add_callback(plot)
    fit(p, 2, callbacks)
    names = {f"x_{kind}_00{epoch}.png" for kind in ("data", "noise") for epoch in (0, 1)}
    assert {path.name for path in tmp_path.iterdir()} == names
    rows, columns, step = -(-(num**0.5) // 1), 2, 4 + 2 * pad
    for kind in ("data", "noise"):
        page = pixels(tmp_path / f"x_{kind}_001.png").reshape(int(rows) * step, columns * step, -1)
        assert page.shape[2] == nchan
        for number in range(num):
            top, left = number // columns * step, number % columns * step
            tile = page[top : top + step, left : left + step].astype(float)
            image = getattr(gan, kind)[:, number].reshape(nchan, 4, 4).transpose(1, 2, 0)
            image = (image + 1) / 2 if sym_range else 1 - image
            wanted = np.rint(np.clip(image, 0, 1)[..., ::-1] * 255)
            np.testing.assert_allclose(tile[pad : pad + 4, pad : pad + 4], wanted, atol=1)
            if pad:
                assert (tile[:pad] == 255).all()
                assert (tile[:, -pad:] == 255).all()


def test_the_cost_of_wasserstein_is_drawn(make_problem: Make, fit: Make, tmp_path: Path) -> None:
    p = make_problem()
    callbacks = Callbacks(p.model, progress_bar=False)
    plot = GANPlotCallback(str(tmp_path / "x"), hw=4, plot_width=300, plot_height=120)
    plot._shows_cost = lambda model: True  # type: ignore[method-assign]
    for callback in (Gan(p, 16), GANCostCallback(), plot):
        callbacks.add_callback(callback)
    fit(p, 1, callbacks)
    model = SimpleNamespace(cost=SimpleNamespace(costfunc=GANCost(func="wasserstein")))
    assert GANPlotCallback._shows_cost(model)
    assert pixels(tmp_path / "x_training.png").shape[:2] == (120, 300)


def test_running_median() -> None:
    values = np.array([9.0, 1, 2, 8, 3])
    assert running_median(values, 3).tolist() == [5, 2, 2, 3, 5.5]
    assert running_median(values, 101).tolist() == [3] * 5


def test_mistakes_are_named(
    make_problem: Make, fit: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong: list[dict[str, Any]] = [{"hw": 0}, {"padding": -1}, {"nchan": 2}, {"num_samples": 1.5}]
    for arguments in wrong:
        with pytest.raises(ConfigurationError, match=f"{next(iter(arguments))}="):
            GANPlotCallback("x", **arguments)
    with pytest.raises(ConfigurationError, match="dpi and font_size must be positive"):
        GANPlotCallback("x", dpi=0)
    with pytest.raises(ConfigurationError, match="16 values are not nchan=1 of hw=5"):
        GANPlotCallback("x", hw=5).grid(np.zeros((16, 4)))
    p = make_problem()
    for name, words in (("x", "needs a GAN; .* no data_batch"), ("no/x", "pictures go to")):
        callbacks = Callbacks(p.model, progress_bar=False)
        callbacks.add_callback(GANPlotCallback(str(tmp_path / name), hw=4))
        with pytest.raises(ConfigurationError, match=words):
            fit(p, 1, callbacks)
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ConfigurationError, match=r"needs PIL; .*neonport\[plot\]"):
        GANPlotCallback("x").on_train_begin({}, SimpleNamespace(cost=None), 1)

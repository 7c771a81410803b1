"""Figures hold what they are given, and draw names as they are."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.visualizations import figure as figures
from neonport.visualizations.page import page
from neonport.visualizations.rendering import plain, render

HOSTILE = r"_$\frac <script>alert('x')</script>" + "\n\x07" + "y" * 200
RED = 0xFF0000FF  # in memory red, green, blue, opacity


def pixels(figure: Any) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(render(figure, "png"))) as picture:
        return np.asarray(picture.convert("RGB"))


def test_curves_are_drawn_with_their_names() -> None:
    x, y = np.arange(4.0), np.array([3.0, np.nan, np.inf, 1.0])
    figure = figures.cost_fig([(HOSTILE, x, y), ("loss", x[1:3], y[2:])], 200, 400, False)
    axes = figure.axes[0]
    first, second = axes.get_lines()
    np.testing.assert_array_equal(first.get_ydata(), [3, np.nan, np.nan, 1])
    assert second.get_xdata().tolist() == [1, 2]
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == [plain(HOSTILE), "loss"]
    assert axes.get_xlabel() == "minibatch"
    assert pixels(figure).shape == (200, 400, 3)
    assert len(figures.cost_fig([]).axes[0].get_lines()) == 0


def test_long_curves_keep_their_peaks() -> None:
    y = np.zeros(1_000_000)
    y[123_456], y[654_321] = 7, -7
    x, thinned = figures.thin(np.arange(1e6), y)
    assert len(x) <= figures.POINTS
    assert x[thinned == 7].tolist() == [123_456]
    assert x[thinned == -7].tolist() == [654_321]


def test_histograms() -> None:
    counts = np.zeros((64, 5000), np.int32)
    counts[40] = 3
    counts[50, 2500:] = 1
    figure = figures.hist_fig((HOSTILE, counts, 64, 10, 64, -48))
    axes = figure.axes[0]
    (image,) = axes.get_images()
    assert image.get_array().shape[1] <= figures.COLUMNS
    assert image.get_extent() == [0, 10, -48.5, 15.5]
    assert axes.get_ylim() == (-9.5, 3.5)
    assert axes.get_title() == plain(HOSTILE)
    pixels(figure)
    pixels(figures.hist_fig(("empty", counts[:, :0], 64, 0, 64, -48)))


def test_images_stand_upright() -> None:
    packed = np.full((4, 4), 0xFFFFFFFF, np.uint32)
    packed[:2] = RED  # the lowest rows come first
    shown = pixels(figures.image_fig(packed, 100, 100))
    red = (shown[..., 0] > 200) & (shown[..., 1] < 50)
    assert red[60:80, 40:60].all()
    assert not red[20:40, 40:60].any()


def test_maps_of_a_layer() -> None:
    image = np.full((4, 4), RED, np.uint32)
    made = figures.deconv_figs(HOSTILE, [(number, image, image) for number in range(11)])
    assert [len(figure.axes) for figure in made] == [16, 6]
    assert made[1].axes[0].get_title() == "map 8"
    pixels(made[1])


def test_the_same_figure_gives_the_same_bytes() -> None:
    curves = [("train", np.arange(3.0), np.arange(3.0))]
    for kind in ("png", "svg"):
        first, second = (render(figures.cost_fig(curves), kind) for _ in range(2))
        assert first == second
        assert first.startswith(b"\x89PNG" if kind == "png" else b"<?xml")


def test_a_page_of_hostile_names_holds_no_markup() -> None:
    figure = figures.image_fig(np.full((2, 2), RED, np.uint32))
    text = page(HOSTILE, [(HOSTILE, [figure])])
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 4
    assert "http" not in text.replace("http-equiv", "")
    assert "default-src 'none'" in text


def test_summary_of_a_network(tmp_path: Path) -> None:
    image = np.full((2, 2), RED, np.uint32)
    path = tmp_path / "deconv.html"
    curves = [("train", np.arange(3.0), np.arange(3.0))]
    figures.deconv_summary_page(path, curves, [("0000", [(0, image, image)])])
    text = path.read_text(encoding="utf-8")
    assert "<h2>Layer 0000</h2>" in text
    assert text.count("<img") == 2


@pytest.mark.parametrize("name", ["", "a", "y" * 60])
def test_short_names_stay(name: str) -> None:
    assert plain(name) == name

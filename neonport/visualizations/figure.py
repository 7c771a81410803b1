"""Figures of matplotlib: curves, histograms, images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.foundation.extras import need
from neonport.visualizations.data import Curve, Histogram, Layer
from neonport.visualizations.page import page, write_page
from neonport.visualizations.rendering import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 4000  # of a curve that are drawn; more cannot be seen
COLUMNS = 2000  # of a histogram
DPI = 100.0
LARGEST = 1e30  # what is drawn; axes of more overflow


def _figure(width: float, height: float) -> Figure:
    figures = need("matplotlib.figure", "drawing")
    made: Figure = figures.Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout="tight")
    return made


def cost_fig(
    cost_data: Sequence[Curve],
    plot_height: int = 400,
    plot_width: int = 800,
    epoch_axis: bool = True,
    title: str = "Cost",
) -> Figure:
    """Draw curves over epochs or minibatches.

    Args:
        cost_data: what `h5_cost_data` returns.
        plot_height, plot_width: pixels.
        epoch_axis: x counts epochs, else minibatches.
        title: above the curves.

    Example:
        figure = cost_fig([("train", np.arange(3), np.array([3.0, 2.0, 1.0]))])
    """
    figure = _figure(plot_width, plot_height)
    axes = figure.add_subplot()
    lines = []
    for _, x, y in cost_data:
        x, y = thin(np.asarray(x, np.float64), np.asarray(y, np.float64))
        marker = "." if len(x) <= 50 else ""
        lines += axes.plot(x, np.where(np.abs(y) < LARGEST, y, np.nan), marker=marker, lw=1.2)
    axes.set_xlabel("epoch" if epoch_axis else "minibatch")
    _set_text(axes.set_title(plain(title)))
    axes.grid(alpha=0.3)
    if lines:
        # a legend leaves labels out that begin with an underscore
        legend = axes.legend(lines, [str(i) for i in range(len(lines))], loc="best")
        for text, (name, _, _) in zip(legend.get_texts(), cost_data, strict=True):
            _set_text(text, plain(name))
    return figure


def hist_fig(
    hist_data: Histogram,
    plot_height: int = 320,
    plot_width: int = 800,
    epoch_axis: bool = True,
) -> Figure:
    """Draw a histogram in the course of time: dark where many values have that magnitude.

    Args:
        hist_data: an entry of what `h5_hist_data` returns.
        plot_height, plot_width: pixels.
        epoch_axis: x counts epochs, else minibatches.

    Example:
        figure = hist_fig(("W", np.eye(64, 3, dtype=np.int32), 64, 3, 64, -48))
    """
    name, data, _, width, bins, offset = hist_data
    figure = _figure(plot_width, plot_height)
    axes = figure.add_subplot()
    block = -(-data.shape[1] // COLUMNS) if data.size else 1
    if block > 1:
        data = np.add.reduceat(data, np.arange(0, data.shape[1], block), axis=1)
    counts = np.nan_to_num(data.astype(np.float64))
    shares = counts / np.maximum(counts.sum(axis=0), 1)
    shown = shares if shares.size else np.zeros((bins, 1))
    axes.imshow(
        np.sqrt(np.maximum(shown, 0)),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(0, max(width, 1), offset - 0.5, offset + bins - 0.5),
        cmap="Blues",
    )
    rows = np.flatnonzero(shown.any(axis=1))
    if rows.size:  # bins that are empty all the time only make the others small
        axes.set_ylim(offset + rows[0] - 1.5, offset + rows[-1] + 1.5)
    axes.set_xlabel("epoch" if epoch_axis else "minibatch")
    axes.set_ylabel("log2 of the magnitude")
    _set_text(axes.set_title(""), plain(name))
    return figure


def image_fig(
    data: np.ndarray, plot_height: int = 200, plot_width: int = 200, title: str = ""
) -> Figure:
    """Draw an image.

    Args:
        data: (H, W) uint32, as `convert_rgb_to_bokehrgba` gives.
        plot_height, plot_width: pixels.
        title: above the image.

    Example:
        figure = image_fig(np.full((4, 4), 0xFF0000FF, np.uint32))
    """
    figure = _figure(plot_width, plot_height)
    _image(figure.add_subplot(), data, title)
    return figure


def deconv_figs(
    layer_name: str, layer_data: Sequence[Any], fm_max: int = 8, plot_size: int = 120
) -> list[Figure]:
    """Draw the maps of a layer: above the image, below what of it the map reacts to.

    Args:
        layer_name: shown above.
        layer_data: the maps of an entry of what `h5_deconv_data` returns.
        fm_max: maps in a figure.
        plot_size: pixels of an image.

    Returns:
        A figure for each `fm_max` maps.

    Example:
        image = np.full((4, 4), 0xFF0000FF, np.uint32)
        (figure,) = deconv_figs("0000", [(0, image, image)])
    """
    found = []
    for first in range(0, len(layer_data), fm_max):
        part = layer_data[first : first + fm_max]
        figure = _figure(plot_size * len(part), plot_size * 2.4)
        grid = figure.subplots(2, len(part), squeeze=False)
        for column, (number, image, picture) in enumerate(part):
            _image(grid[0, column], image, f"map {number}")
            _image(grid[1, column], picture, "")
        _set_text(figure.suptitle(""), plain(f"layer {layer_name}"))
        found.append(figure)
    return found


def deconv_summary_page(
    filename: str | os.PathLike[str], cost_data: Sequence[Curve], deconv_data: Sequence[Layer]
) -> None:
    """Write an HTML page with the costs and the pictures of all layers.

    Args:
        filename: of the page; one that exists is replaced.
        cost_data: what `h5_cost_data` returns.
        deconv_data: what `h5_deconv_data` returns.

    Raises:
        OSError: it cannot be written; a file that was there is untouched.
    """
    sections: list[tuple[str, list[Figure]]] = [("Cost", [cost_fig(cost_data)])]
    sections += [(f"Layer {name}", deconv_figs(name, maps)) for name, maps in deconv_data]
    write_page(filename, page("Deconvolution", sections))


def thin(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leave out points that cannot be seen; the least and largest of each stretch stay."""
    if len(y) <= POINTS:
        return x, y
    stretch = -(-len(y) // (POINTS // 2))
    kept = set()
    for first in range(0, len(y), stretch):
        part = np.nan_to_num(y[first : first + stretch])
        kept |= {first + int(part.argmin()), first + int(part.argmax())}
    chosen = np.array(sorted(kept))
    return x[chosen], y[chosen]


def _image(axes: Any, data: np.ndarray, title: str) -> None:
    pixels = np.ascontiguousarray(data).view(np.uint8).reshape(*data.shape, 4)[::-1]
    axes.imshow(pixels, interpolation="nearest")
    axes.set_axis_off()
    if title:
        _set_text(axes.set_title("", fontsize=8), plain(title))


def _set_text(text: Any, words: str | None = None) -> None:
    """Set words as they are: a dollar sign begins no formula."""
    text.set_parse_math(False)
    if words is not None:
        text.set_text(words)

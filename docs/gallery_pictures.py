"""Draw the pictures of the gallery: `python docs/gallery_pictures.py`, a minute on two cores."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "gallery"


def axes(columns: int, rows: int = 1, size: float = 1.0) -> tuple[Any, Any]:
    """A figure without frames and ticks, and its axes."""
    from matplotlib import pyplot

    shape = (columns * size, rows * size)
    figure, found = pyplot.subplots(rows, columns, figsize=shape, dpi=80, squeeze=False)
    return figure, found


def digits(wanted: np.ndarray, drawn: np.ndarray) -> Any:
    """A row of digits, and below it what was drawn."""
    figure, found = axes(12, 2, 0.6)
    for column in range(12):
        for row, images in enumerate((wanted, drawn)):
            place = found[row, column]
            place.imshow(images[column].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
            place.axis("off")
    return figure


def points(data: np.ndarray, made: np.ndarray) -> Any:
    """Clouds of points side by side."""
    figure, found = axes(2, 1, 3.0)
    for place, cloud, title in zip(found[0], (data, made), ("data", "generated"), strict=True):
        place.plot(*cloud[:1000].T, ".", markersize=2)
        place.set(title=title, aspect="equal", xlim=(-1.5, 1.5), ylim=(-1.5, 1.5))
    return figure


def series(wanted: np.ndarray, predicted: np.ndarray) -> Any:
    """Two curves."""
    figure, found = axes(1, 1, 3.0)
    figure.set_size_inches(7, 2.4)
    found[0, 0].plot(wanted[:150], label="measured", linewidth=1)
    found[0, 0].plot(predicted[:150], label="predicted one step ahead", linewidth=1)
    found[0, 0].legend(loc="upper right", fontsize=8)
    return figure


DRAWN = {
    "autoencoder": digits,
    "conv_autoencoder": digits,
    "gan": points,
    "gru_time_series": series,
}


def main() -> None:
    """Run the examples and write their pictures."""
    from importlib import import_module

    mpl.use("Agg")
    sys.path.insert(0, str(ROOT / "examples"))
    PICTURES.mkdir(exist_ok=True)
    for name, draw in DRAWN.items():
        figure = draw(*import_module(name).main())
        figure.tight_layout()
        figure.savefig(PICTURES / f"{name}.png", metadata={"Software": None})


if __name__ == "__main__":
    main()

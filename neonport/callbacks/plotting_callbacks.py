"""GANPlotCallback: pictures of what a generator makes."""

from __future__ import annotations

import math
import os
from typing import IO, Any

import numpy as np

from neonport.base import shown
from neonport.callbacks.callback import Callback, Frequency
from neonport.callbacks.saving import check_folder
from neonport.errors import ConfigurationError
from neonport.foundation.extras import need
from neonport.io.atomic_write import write_file

SMOOTH = 101  # generator steps of the median that is drawn beside the cost


class GANPlotCallback(Callback):
    """Write samples of the data and of the generator as PNG files at the end of epochs.

    The files are `<filename>_data_<epoch>.png` and `<filename>_noise_<epoch>.png`, with three
    digits; for the cost "wasserstein" also `<filename>_training.png`, the cost of the discriminator
    that a `GANCostCallback` recorded. Needs the extra `plot`.

    Args:
        filename: path, and how the names begin.
        hw: height and width of an image.
        nchan: channels of an image; three are blue, green, red. One channel is drawn dark on white.
        num_samples: images in a picture, in ceil(sqrt(num_samples)) rows.
        sym_range: values are in [-1, 1] instead of [0, 1].
        padding: pixels around an image.
        plot_width, plot_height: pixels of the plot of the cost.
        dpi: its pixels an inch.
        font_size: its text, in points.
        epoch_freq: epochs between two pictures, or a list of 0-based epochs.

    Example:
        callbacks = Callbacks(model, progress_bar=False)
        callbacks.add_callback(GANPlotCallback("faces", hw=28))  # for a model that is a GAN
    """

    neon_module = "neon.callbacks.plotting_callbacks"
    reads_minibatches = False

    def __init__(
        self,
        filename: str,
        hw: int = 28,
        nchan: int = 1,
        num_samples: int = 16,
        sym_range: bool = False,
        padding: int = 2,
        plot_width: int = 1200,
        plot_height: int = 600,
        dpi: float = 60.0,
        font_size: float = 10,
        epoch_freq: Frequency = 1,
    ) -> None:
        super().__init__(epoch_freq=epoch_freq, minibatch_freq=None)
        if not isinstance(filename, (str, os.PathLike)):
            raise ConfigurationError(f"GANPlotCallback: filename is {shown(filename)}; name a file")
        self.filename = os.fspath(filename)
        self.hw, self.nchan, self.num_samples = hw, nchan, num_samples
        self.sym_range, self.padding = bool(sym_range), padding
        self.plot_width, self.plot_height = plot_width, plot_height
        self.dpi, self.font_size = dpi, font_size
        for name, least in (("hw", 1), ("nchan", 1), ("num_samples", 1), ("padding", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigurationError(
                    f"GANPlotCallback: {name}={value!r} must be a whole number, {least} or more"
                )
        if nchan not in (1, 3):
            raise ConfigurationError(f"GANPlotCallback: nchan={nchan} must be 1 or 3")
        if not min(plot_width, plot_height, dpi, font_size) > 0:
            raise ConfigurationError(
                "GANPlotCallback: plot_width, plot_height, dpi and font_size must be positive"
            )
        self._image: Any = None

    def on_train_begin(self, callback_data: Any, model: Any, epochs: int) -> None:
        """Check that files can be written, and what with.

        Raises:
            ConfigurationError: a library or the folder is missing.
        """
        self._image = need("PIL.Image", "GANPlotCallback")
        if self._shows_cost(model):
            need("matplotlib", "GANPlotCallback's plot of the cost")
        check_folder(f"{self.filename}_training.png", "pictures")

    def on_epoch_end(self, callback_data: Any, model: Any, epoch: int) -> None:
        """Write the pictures."""
        for kind in ("data", "noise"):
            batch = getattr(model, f"{kind}_batch", None)
            if batch is None:
                raise ConfigurationError(
                    f"GANPlotCallback needs a GAN; the model, a {type(model).__name__}, has no "
                    f"{kind}_batch"
                )
            pixels = self.grid(batch.get() if hasattr(batch, "get") else np.asarray(batch))
            write_file(f"{self.filename}_{kind}_{epoch:03d}.png", self._writer(pixels))
        if self._shows_cost(model) and "gan/cost_dis" in callback_data:
            self._plot_cost(callback_data)

    @staticmethod
    def _shows_cost(model: Any) -> bool:
        return getattr(getattr(model.cost, "costfunc", None), "func", None) == "wasserstein"

    def grid(self, batch: np.ndarray) -> np.ndarray:
        """Images side by side on white, (height, width, nchan) bytes, red first.

        Args:
            batch: (nchan * hw * hw, samples).

        Raises:
            ConfigurationError: the rows are no such images.
        """
        size = (self.nchan, self.hw, self.hw)
        if batch.shape[0] != math.prod(size):
            raise ConfigurationError(
                f"GANPlotCallback: images of {batch.shape[0]} values are not nchan={self.nchan} of "
                f"hw={self.hw} squared"
            )
        images = batch[:, : self.num_samples].T.astype(np.float64).reshape(-1, *size)
        images = (images + 1) / 2 if self.sym_range else images
        images = 1 - images if self.nchan == 1 else images
        images = images.transpose(0, 2, 3, 1)[..., ::-1]
        rows = math.ceil(math.sqrt(self.num_samples))
        columns = math.ceil(self.num_samples / rows)
        step = self.hw + 2 * self.padding
        page = np.ones((rows * step, columns * step, self.nchan))
        for number, image in enumerate(images):
            top, left = (step * n + self.padding for n in divmod(number, columns))
            page[top : top + self.hw, left : left + self.hw] = image
        page = np.clip(np.nan_to_num(page), 0, 1)
        return np.rint(page * 255).astype(np.uint8)

    def _writer(self, pixels: np.ndarray) -> Any:
        picture = self._image.fromarray(pixels[..., 0] if self.nchan == 1 else pixels)

        def write(file: IO[bytes]) -> None:
            picture.save(file, format="PNG")

        return write

    def _plot_cost(self, callback_data: Any) -> None:
        figures = need("matplotlib.figure", "GANPlotCallback's plot of the cost")
        trained = np.flatnonzero(callback_data["gan/gen_iter"][:])
        steps = callback_data["gan/gen_iter"][:][trained]
        cost = callback_data["gan/cost_dis"][:][trained]
        size = (self.plot_width / self.dpi, self.plot_height / self.dpi)
        figure = figures.Figure(figsize=size, dpi=self.dpi)
        axes = figure.add_subplot()
        axes.plot(steps, cost, color="0.7", label="cost")
        axes.plot(steps, running_median(cost, SMOOTH), label=f"median of {SMOOTH}")
        axes.set_xlabel("generator steps", fontsize=self.font_size)
        axes.set_ylabel("estimate of the Wasserstein distance", fontsize=self.font_size)
        axes.tick_params(labelsize=self.font_size)
        axes.legend(fontsize=self.font_size)
        write_file(f"{self.filename}_training.png", lambda file: figure.savefig(file, format="png"))


def running_median(values: np.ndarray, width: int) -> np.ndarray:
    """The median of each value and its neighbours, `width` in all; fewer at the ends.

    Example:
        assert running_median(np.array([5.0, 1.0, 2.0]), 3).tolist() == [3.0, 2.0, 1.5]
    """
    half = width // 2
    around = [values[max(0, i - half) : i + half + 1] for i in range(len(values))]
    return np.array([np.median(part) for part in around])

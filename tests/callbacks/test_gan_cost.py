"""GANCostCallback records a cost when the generator took a step, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.callbacks import Callback, Callbacks
from neonport.callbacks.callbacks import GANCostCallback
from neonport.errors import ConfigurationError

Make = Callable[..., Any]


class Steps(Callback):
    """Does what a GAN does after each minibatch: its generator is trained in every second one."""

    def on_minibatch_end(self, callback_data: Any, model: Any, epoch: int, mb: int) -> None:
        if mb % 2:
            model.gen_iter += 1
            model.cost_dis[0] = 10 * epoch + mb


def test_costs_of_the_discriminator(make_problem: Make, fit: Make) -> None:
    p = make_problem(ndata=32)
    p.model.gen_iter, p.model.cost_dis = 0, np.zeros(1, np.float32)
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_callback(Steps())
    callbacks.add_callback(GANCostCallback())
    fit(p, 2, callbacks)
    data = callbacks.callback_data
    assert data["gan/gen_iter"][:].tolist() == [0, 1, 0, 2, 0, 3, 0, 4]
    assert data["gan/cost_dis"][:].tolist() == [0, 1, 0, 3, 0, 11, 0, 13]
    for name in ("gen_iter", "cost_dis"):
        assert data[f"gan/{name}"].attrs["time_markers"] == "minibatch"
        assert data[f"gan/{name}"].dtype == np.float32


def test_a_model_that_is_no_gan(make_problem: Make, fit: Make) -> None:
    p = make_problem()
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_callback(GANCostCallback())
    with pytest.raises(ConfigurationError, match="needs a GAN, the model is a Model"):
        fit(p, 1, callbacks)

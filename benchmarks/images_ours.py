"""Our training step of a network for pictures: layers of the library."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from benchmarks.images import MOMENTUM, RATE, Dense, Images, Part, Pool


def layers(part: Part, weights: Any) -> Any:
    """The layers of a part of the network, with its weights."""
    from neonport import layers as library
    from neonport.transforms import Rectlin, Softmax

    if isinstance(part, Pool):
        return library.Pooling(part.size)
    if isinstance(part, Dense):
        if part.last:
            return library.Affine(part.outputs, weights, activation=Softmax())
        return library.Affine(part.outputs, weights, batch_norm=True, activation=Rectlin())
    return library.Conv(
        (part.size, part.size, part.maps), weights.reshape(-1, part.maps), padding=part.padding,
        batch_norm=True, activation=Rectlin(),
    )  # fmt: skip


def ours_images(be: Any, images: Images, data: dict[str, np.ndarray]) -> Any:
    """Build the step; what is compared is the loss of the last one."""
    from neonport.layers import GeneralizedCost
    from neonport.models import Model
    from neonport.optimizers import GradientDescentMomentum
    from neonport.transforms import CrossEntropyMulti

    x = be.array(data["x"].reshape(prod(data["x"].shape[:3]), -1))
    t = be.array(data["t"])
    model = Model([layers(p, data.get(f"w{n}")) for n, (p, _, _) in enumerate(images.shapes())])
    cost = GeneralizedCost(CrossEntropyMulti())
    model.initialize(data["x"].shape[:3], cost)
    optimizer = GradientDescentMomentum(RATE, MOMENTUM)

    def step() -> None:
        y = model.fprop(x)
        cost.measure(y, t)
        model.bprop(cost.get_errors(y, t))
        optimizer.optimize(model.layers_to_optimize, epoch=0)

    return step, lambda: [np.asarray(cost.last_cost.get())]

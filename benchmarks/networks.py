"""Networks whose training steps are timed: what ours and PyTorch's are made of.

A network is a name, shapes, and two builders of a step: each takes the same weights and data and
gives (step, parameters). To add one, write `ours_...` and `torch_...` and a row of NETWORKS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

RATE, MOMENTUM = 0.1, 0.9
Built = tuple[Callable[[], object], Callable[[], list[np.ndarray]]]


@dataclass(frozen=True)
class Network:
    """A training step.

    Attributes:
        name: what is printed.
        batch: samples a step.
        features, classes: sizes of input and output.
        operations: floating point operations of a step, the products alone.
        ours: makes our step on a backend.
        torch: makes PyTorch's step on a device.
    """

    name: str
    batch: int
    features: int
    classes: int
    operations: float
    ours: Callable[[Any, Network, dict[str, np.ndarray]], Built]
    torch: Callable[[str, Network, dict[str, np.ndarray]], Built]

    def data(self) -> dict[str, np.ndarray]:
        """Fresh inputs, one-hot targets, and weights of two layers, features first."""
        rng = np.random.default_rng()
        labels = rng.integers(self.classes, size=self.batch)
        return {
            "x": rng.normal(size=(self.features, self.batch)).astype(np.float32),
            "t": np.eye(self.classes, dtype=np.float32)[:, labels],
            "w1": (rng.normal(size=(HIDDEN, self.features)) * 0.05).astype(np.float32),
            "w2": (rng.normal(size=(self.classes, HIDDEN)) * 0.05).astype(np.float32),
        }


HIDDEN = 100


def ours_mlp(be: Any, network: Network, data: dict[str, np.ndarray]) -> Built:
    """Two affine layers with rectifier and softmax, cross entropy, momentum."""
    from neonport.initializers import Array
    from neonport.layers import Affine, GeneralizedCost
    from neonport.models import Model
    from neonport.optimizers import GradientDescentMomentum
    from neonport.transforms import CrossEntropyMulti, Rectlin, Softmax

    x, t = be.array(data["x"]), be.array(data["t"])
    layers = [
        Affine(HIDDEN, Array(data["w1"]), activation=Rectlin()),
        Affine(network.classes, Array(data["w2"]), activation=Softmax()),
    ]
    model = Model(layers)
    cost = GeneralizedCost(CrossEntropyMulti())
    model.initialize(network.features, cost)
    optimizer = GradientDescentMomentum(RATE, MOMENTUM)

    def step() -> None:
        y = model.fprop(x)
        model.bprop(cost.get_errors(y, t))
        optimizer.optimize(model.layers_to_optimize, epoch=0)

    def parameters() -> list[np.ndarray]:
        return [p.get() for layer in model.layers_to_optimize for p in _weights(layer)]

    return step, parameters


def _weights(layer: Any) -> list[Any]:
    found = layer.get_params()
    return [pair[0][0] for pair in (found if isinstance(found, list) else [found])]


def torch_mlp(device: str, network: Network, data: dict[str, np.ndarray]) -> Built:
    """The same with torch.nn."""
    import torch

    first = torch.nn.Linear(network.features, HIDDEN, bias=False)
    second = torch.nn.Linear(HIDDEN, network.classes, bias=False)
    with torch.no_grad():
        first.weight.copy_(torch.from_numpy(data["w1"]))
        second.weight.copy_(torch.from_numpy(data["w2"]))
    model = torch.nn.Sequential(first, torch.nn.ReLU(), second).to(device)
    x = torch.from_numpy(data["x"].T.copy()).to(device)
    labels = torch.from_numpy(data["t"].argmax(0)).to(device)
    loss = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), RATE, MOMENTUM, foreach=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=False)
        loss(model(x), labels).backward()
        optimizer.step()

    return step, lambda: [p.detach().cpu().numpy() for p in model.parameters()]


def _mlp_operations(batch: int, features: int, classes: int) -> float:
    # forward and weight gradient of both layers, and the input gradient of the second
    return 2.0 * batch * HIDDEN * (2 * features + 3 * classes)


NETWORKS = [
    Network("MLP 784-100-10, batch 128, momentum", 128, 784, 10, _mlp_operations(128, 784, 10),
            ours_mlp, torch_mlp),
]  # fmt: skip

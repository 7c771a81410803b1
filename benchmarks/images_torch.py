"""PyTorch's training step of a network for pictures, in its own layout (N, C, H, W)."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.images import EPSILON, MOMENTUM, RATE, Conv, Images, Pool


def modules(images: Images, data: dict[str, np.ndarray]) -> list[Any]:
    """The layers, with the weights of `data`."""
    from torch import from_numpy, nn

    found: list[Any] = []
    for number, (part, shape, result) in enumerate(images.shapes()):
        if isinstance(part, Pool):
            found.append(nn.MaxPool2d(part.size))
            continue
        weight = data[f"w{number}"]
        if isinstance(part, Conv):
            layer: Any = nn.Conv2d(shape[0], part.maps, part.size, padding=part.padding, bias=False)
            layer.weight.data = from_numpy(weight.transpose(3, 0, 1, 2).copy())
            found += [layer, nn.BatchNorm2d(part.maps, EPSILON), nn.ReLU()]
            continue
        layer = nn.Linear(weight.shape[1], *result, bias=False)
        layer.weight.data = from_numpy(weight.copy())
        found += [nn.Flatten(), layer] if len(shape) > 1 else [layer]
        if not part.last:
            found += [nn.BatchNorm1d(*result, EPSILON), nn.ReLU()]
    return found


def torch_images(device: str, images: Images, data: dict[str, np.ndarray]) -> Any:
    """Build the step; what is compared is the loss of the last one."""
    import torch

    model = torch.nn.Sequential(*modules(images, data)).to(device)
    x = torch.from_numpy(data["x"].transpose(3, 0, 1, 2).copy()).to(device)
    labels = torch.from_numpy(data["t"].argmax(0)).to(device)
    cost = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), RATE, MOMENTUM, foreach=True)
    last = torch.zeros((1, 1), device=device)

    def step() -> None:
        optimizer.zero_grad(set_to_none=False)
        loss = cost(model(x), labels)
        loss.backward()
        optimizer.step()
        last.copy_(loss.detach())

    return step, lambda: [last.cpu().numpy().copy()]

"""The same layer twice: with fprop and bprop by hand, and from its forward expression alone.

Run: python examples/custom_layer.py
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport import gen_backend
from neonport.layers import Layer, OpTreeLayer


class SwishByHand(Layer):
    """y = x * sigmoid(x) (Ramachandran et al., 2017), derivative worked out on paper."""

    def configure(self, in_obj: Any) -> Any:
        super().configure(in_obj)
        self.out_shape = self.in_shape
        return self

    def fprop(self, inputs: Any, inference: bool = False) -> Any:
        self.inputs = inputs
        self.outputs[:] = inputs * self.be.sig(inputs)
        return self.outputs

    def bprop(self, error: Any) -> Any:
        # the derivative is y + sigmoid(x) * (1 - y)
        error[:] = error * (self.outputs + self.be.sig(self.inputs) * (1 - self.outputs))
        return error


class Swish(OpTreeLayer):
    """The same layer: the derivative comes from the expression."""

    def forward(self, x: Any) -> Any:
        return x * self.be.sig(x)


def main() -> None:
    be = gen_backend("cpu", batch_size=8, rng_seed=0)
    rng = np.random.RandomState(0)
    x, error = rng.randn(2, 5, 8)
    results = []
    for layer in (SwishByHand(), Swish()):
        layer.configure(5)
        layer.prev_layer = True  # there is something below, so a gradient for the input is wanted
        layer.allocate()
        layer.set_deltas([None, None])
        y = layer.fprop(be.array(x)).get()
        results.append((y, layer.bprop(be.array(error)).get()))
    gaps = [np.abs(a - b).max() for a, b in zip(*results, strict=True)]
    print(f"largest gap between the two layers: {max(gaps):.1e}")


if __name__ == "__main__":
    main()

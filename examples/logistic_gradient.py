"""An expression is a value: build it, run it, differentiate it.

Run: python examples/logistic_gradient.py
"""

from __future__ import annotations

import numpy as np

from neonport import Autodiff, gen_backend


def main() -> None:
    """Compare the gradient of a logistic regression with finite differences."""
    be = gen_backend("cpu", rng_seed=0, datatype=np.float64)
    rng = np.random.RandomState(0)
    weights = be.array(rng.randn(1, 5), name="weights")
    samples = be.array(rng.randn(5, 200), name="samples")
    labels = be.array(rng.randint(0, 2, (1, 200)), name="labels")

    # Nothing is computed by these three lines: they build one tree.
    guess = 1 / (1 + be.exp(-be.dot(weights, samples)))
    entropy = -labels * be.log(guess) - (1 - labels) * be.log(1 - guess)
    loss = be.mean(entropy)
    print("tree:", loss.pp())

    value = be.empty((1, 1))
    value[:] = loss  # here the tree runs
    print(f"loss: {value.get().item():.6f}")

    gradient = Autodiff(loss, be).get_grad_asnumpyarray([weights])[0]
    print("gradient:", np.array2string(gradient, precision=4))

    # The tree holds tensors, not numbers: running it again sees what they hold now.
    start, step, slopes = weights.get(), 1e-6, np.empty((1, 5))
    for i in range(5):
        ends = []
        for sign in (1, -1):
            weights[:] = start + sign * step * np.eye(5)[i : i + 1]
            value[:] = loss
            ends.append(value.get().item())
        slopes[0, i] = (ends[0] - ends[1]) / (2 * step)
    print(f"largest gap to finite differences: {np.abs(gradient - slopes).max():.1e}")


if __name__ == "__main__":
    main()

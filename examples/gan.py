"""A generative adversarial network learns to draw points near a circle.

The discriminator sees points at a distance of 1 +- 0.05 from the origin, the generator only noise
and what the discriminator thinks of its points. Expected: of 1000 points that it makes more than
90 % are within 0.2 of the circle, and every eighth of the circle has some (it prints 0.983).

Run: python examples/gan.py [epochs]
"""

from __future__ import annotations

import sys

import numpy as np

from neonport import gen_backend
from neonport.callbacks import Callbacks
from neonport.data import ArrayIterator
from neonport.initializers import Constant, GlorotUniform
from neonport.layers import Affine, GeneralizedGANCost, GenerativeAdversarial
from neonport.models import GAN
from neonport.optimizers import Adam
from neonport.transforms import GANCost, Logistic, Rectlin


def main(epochs: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Train, draw 1000 points, and print how many are near the circle; return data and points."""
    gen_backend("cpu", batch_size=64, rng_seed=0)
    rng = np.random.RandomState(0)
    angle = 2 * np.pi * rng.rand(2048)
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.05 * rng.randn(2048, 2)

    def dense(nout: int, slope: float | None = None) -> Affine:
        activation = None if slope is None else Rectlin(slope=slope)
        return Affine(nout, GlorotUniform(), bias=Constant(0), activation=activation)

    generator = [dense(32, slope=0), dense(32, slope=0), dense(2)]
    discriminator = [
        dense(64, slope=0.2),
        dense(64, slope=0.2),
        Affine(1, GlorotUniform(), bias=Constant(0), activation=Logistic()),
    ]
    model = GAN(GenerativeAdversarial(generator, discriminator), noise_dim=4)
    model.fit(
        ArrayIterator(points),
        cost=GeneralizedGANCost(costfunc=GANCost(func="modified")),
        optimizer=Adam(learning_rate=2e-3, beta_1=0.5),
        num_epochs=epochs,
        callbacks=Callbacks(model, progress_bar=False),
        record=True,  # several times faster, to the same bits
    )
    x, y = model.generate(1000).T
    eighths = np.histogram(np.arctan2(y, x), bins=8, range=(-np.pi, np.pi))[0]
    print("points in each eighth of the circle:", *eighths)
    near = (np.abs(np.hypot(x, y) - 1) < 0.2).mean()
    print(f"points near the circle: {near if eighths.all() else 0:.3f}")
    return points, np.stack([x, y], axis=1)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))

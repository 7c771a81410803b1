"""Random state of a backend: NumPy's generator on the host, a counter-based one for tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.backends.arrays import ArrayCreation
from neonport.errors import ConfigurationError
from neonport.random import PhiloxState, normal, uniform

HostState = tuple[Any, ...]


class Randomness(ArrayCreation):
    """Host draws (initializers) come from `be.rng`, tensor draws (masks, noise) from Philox.

    Both are seeded by `rng_seed`; the Philox numbers of a seed are the same on every backend.
    """

    rng: np.random.RandomState
    philox: PhiloxState

    def __init__(self, rng_seed: int | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(rng_seed, *args, **kwargs)
        self.rng_seed = rng_seed
        self.deterministic = rng_seed is not None
        self.rng = self.gen_rng(rng_seed)

    def gen_rng(self, seed: int | None = None) -> np.random.RandomState:
        """A host generator; remembers its first state and restarts the device generator."""
        rng = np.random.RandomState(seed)
        self.init_rng_state: HostState = rng.get_state()
        self.philox = PhiloxState(seed)
        return rng

    def rng_get_state(self) -> tuple[HostState, Any]:
        """(state of the host generator, state of the device generator)."""
        return self.rng.get_state(), self.philox.get_state()

    def rng_set_state(self, state: Any) -> None:
        """Restore a state of `rng_get_state`; a plain NumPy state sets the host part only.

        Raises:
            ConfigurationError: the state has another form.
        """
        try:
            if len(state) == 2:
                host, device = state
                self.rng.set_state(host)
                # neon's own device states are arrays and mean nothing here
                if not isinstance(device, np.ndarray):
                    self.philox.set_state(device)
            else:
                self.rng.set_state(state)
                self.philox.reset()
        except (TypeError, ValueError, KeyError) as error:
            raise ConfigurationError(
                f"rng_set_state: not a state of rng_get_state: {error}"
            ) from error

    def rng_reset(self) -> None:
        """Go back to the first state of both generators."""
        self.rng.set_state(self.init_rng_state)
        self.philox.reset()

    def draw_uniform(self, count: int) -> np.ndarray:
        """The next `count` float32 numbers in [0, 1) of the device generator, on the host."""
        key, offset = self.philox.reserve_with_key(count)
        return uniform(key, offset, count)

    def draw_normal(self, count: int, mean: float, std: float) -> np.ndarray:
        """The next `count` Gaussian float32 numbers of the device generator, on the host."""
        key, offset = self.philox.reserve_with_key(count)
        return normal(key, offset, count, mean=mean, std=std)

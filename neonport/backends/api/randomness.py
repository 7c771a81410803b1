"""Random state of a backend: NumPy's generator on the host, a counter-based one for tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.errors import ConfigurationError
from neonport.ops.philox import PhiloxState, normal

_KEY_WORDS = 624  # of MT19937


def _host_state(state: Any) -> tuple[str, np.ndarray, int, int, float]:
    """Check a state of NumPy's Mersenne Twister, which takes its position on trust.

    Raises:
        ValueError: it is none; the generator would read beyond its key.
    """
    name, key, position, *gauss = state
    key = np.asarray(key)
    if name != "MT19937" or key.shape != (_KEY_WORDS,) or key.dtype.kind not in "iu":
        raise ValueError(f"the host part is no MT19937 state of {_KEY_WORDS} words")
    kept, value = gauss or (0, 0.0)
    if not 0 <= int(position) <= _KEY_WORDS or int(kept) not in (0, 1):
        raise ValueError(f"position {position!r} is not in [0, {_KEY_WORDS}]")
    return "MT19937", key, int(position), int(kept), float(value)


class Randomness:
    """Host draws (initializers) come from `be.rng`, tensor draws (masks, noise) from Philox.

    Both are seeded by `rng_seed`; the Philox numbers of a seed are the same on every backend.
    """

    # what the other parts of a backend give
    unrecordable: Any

    rng: np.random.RandomState
    philox: PhiloxState

    def gen_rng(self, seed: int | None = None) -> np.random.RandomState:
        """A host generator; remembers its first state and restarts the device generator.

        Raises:
            ConfigurationError: the seed is not an integer in [0, 2^32).

        Example:
            generator = be.gen_rng(seed=7)
        """
        if seed is not None and not (isinstance(seed, (int, np.integer)) and 0 <= seed < 1 << 32):
            raise ConfigurationError(f"rng_seed {seed!r} must be None or an integer in [0, 2**32)")
        rng = np.random.RandomState(seed)
        self.init_rng_state: Any = rng.get_state()
        self.philox = PhiloxState(seed)
        return rng

    def rng_get_state(self) -> tuple[Any, Any]:
        """(state of the host generator, state of the device generator).

        Example:
            state = be.rng_get_state()
            y[:] = be.rand()
            be.rng_set_state(state)  # the next numbers are those of y again
        """
        return self.rng.get_state(), self.philox.get_state()

    def rng_set_state(self, state: Any) -> None:
        """Restore a state of `rng_get_state`; a plain NumPy state sets the host part only.

        Raises:
            ConfigurationError: the state has another form; nothing is changed.

        Example:
            be.rng_set_state(be.rng_get_state())
        """
        before = self.rng_get_state()
        try:
            if len(state) == 2:
                host, device = state
                self.rng.set_state(_host_state(host))
                # neon's own device states are arrays and mean nothing here
                if not isinstance(device, np.ndarray):
                    self.philox.set_state(device)
            else:
                self.rng.set_state(_host_state(state))
                self.philox.reset()
        except (TypeError, ValueError, KeyError, IndexError, OverflowError) as error:
            self.rng.set_state(before[0])
            self.philox.set_state(before[1])
            raise ConfigurationError(
                f"rng_set_state: not a state of rng_get_state: {error}"
            ) from error

    def rng_reset(self) -> None:
        """Go back to the first state of both generators.

        Example:
            y[:] = be.rand()
            be.rng_reset()  # the next numbers are those of y again
        """
        self.rng.set_state(self.init_rng_state)
        self.philox.reset()

    def draw_normal(self, count: int, mean: float, std: float, dtype: Any) -> np.ndarray:
        """The next `count` Gaussian numbers of the device generator, on the host.

        Example:
            host = be.draw_normal(12, 0.0, 1.0, np.float32)
        """
        self.unrecordable("it draws random numbers on the host")
        key, offset = self.philox.reserve_with_key(count, dtype)
        return normal(key, offset, count, dtype, mean, std)

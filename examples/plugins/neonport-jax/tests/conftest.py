"""XLA compiles with little optimization here: most of the time of the tests is its."""

from __future__ import annotations

import jax

jax.config.update("jax_disable_most_optimizations", True)

"""The scale of errors in float16, which has few exponents: small errors would be 0 in it.

So errors are multiplied by a scale, and gradients divided by it (Micikevicius et al., 2018).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from neonport.errors import CheckpointError
from neonport.tensor.tensor import Tensor

FIRST = 2.0**15
GROWTH = 2.0
GROWTH_INTERVAL = 2000
LARGEST, SMALLEST = 2.0**24, 1.0


class LossScale:
    """The factor of the errors, on the device: a step never waits to learn it.

    It doubles after `GROWTH_INTERVAL` steps whose gradients were all finite, and halves after one
    whose gradients were not. That step is skipped: gradients become 0, and the optimizer's guard
    keeps parameters and states as they are.

    Args:
        be: backend.

    Attributes:
        values: (1, 3): the scale, finite steps since it changed, steps that were skipped.
        finite: (1, 1), 1 if all gradients of the last step were finite, else 0.

    Example:
        scale = LossScale(be)
        assert scale.get_state()["scale"] == 2.0**15
    """

    def __init__(self, be: Any) -> None:
        self.be = be
        self.values = be.empty((1, 3), dtype="float32")
        self.finite = be.empty((1, 1), dtype="float32")
        self._scale, self._steps, self._skipped = (self.values[:, i : i + 1] for i in range(3))
        self._flags: dict[int, tuple[Any, list[Any]]] = {}  # by the number of gradients
        self.set_state({"scale": FIRST, "finite_steps": 0, "skipped": 0})

    def scale(self, errors: Any) -> None:
        """Multiply errors by the scale, in place.

        Args:
            errors: a tensor, or lists of them.
        """
        for error in _tensors(errors):
            error[:] = error * self._scale

    def unscale(self, gradients: Sequence[Tensor]) -> None:
        """Divide gradients by the scale, or make them all 0 if one is not finite; adapt the scale.

        Args:
            gradients: all gradients of a step.
        """
        be, finite = self.be, self.finite
        if not gradients:  # all layers are frozen
            return
        count = len(gradients)
        if count not in self._flags:
            flags = be.empty((1, count), dtype="float32")
            self._flags[count] = flags, [flags[:, i : i + 1] for i in range(count)]
        flags, places = self._flags[count]
        be.assign_many(
            (place, be.min(be.finite(g)).reshape((1, 1)))
            for place, g in zip(places, gradients, strict=True)
        )
        finite[:] = be.min(flags, axis=1)
        inverse = 1.0 / self._scale
        be.assign_many([(g, be.where(finite, g * inverse, 0.0)) for g in gradients])
        enough = self._steps >= GROWTH_INTERVAL - 1
        grown = be.minimum(self._scale * GROWTH, LARGEST)
        shrunk = be.maximum(self._scale / GROWTH, SMALLEST)
        be.assign_many(
            [
                (self._scale, be.where(finite, be.where(enough, grown, self._scale), shrunk)),
                (self._steps, finite * be.where(enough, 0.0, self._steps + 1.0)),
                (self._skipped, self._skipped + 1.0 - finite),
            ]
        )

    def get_state(self) -> dict[str, float | int]:
        """Return scale, finite steps since it changed, skipped steps; waits for the device."""
        scale, steps, skipped = self.values.get()[0]
        return {"scale": float(scale), "finite_steps": int(steps), "skipped": int(skipped)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from what `get_state` returned.

        Raises:
            CheckpointError: it is none.
        """
        names = ("scale", "finite_steps", "skipped")
        numbers: list[Any] = [state.get(name) for name in names]
        if not all(isinstance(n, (int, float)) and 0 <= n <= LARGEST for n in numbers):
            raise CheckpointError(f"loss scale: {str(state)[:80]} has not {', '.join(names)}")
        if numbers[0] < SMALLEST:
            raise CheckpointError(f"loss scale: {numbers[0]} is below {SMALLEST}")
        self.values.set([numbers])


def _tensors(errors: Any) -> Iterator[Tensor]:
    if isinstance(errors, (list, tuple)):
        for error in errors:
            yield from _tensors(error)
    elif errors is not None:
        yield errors

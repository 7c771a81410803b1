"""Recurrences and their adjoints: sizes, directions, activations, layouts, dtypes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from neonport.ops.recurrence import ACTIVATIONS, BLOCKS, GATES, STATES
from neonport.testing.cases import Batch, Case, Statement
from neonport.testing.inputs import numbers, seeded
from neonport.testing.suite.windows import Maker, label_of, variants

if TYPE_CHECKING:
    from neonport.backends.backend import Backend


class Sizes(NamedTuple):
    """Sizes of sequences."""

    units: int
    steps: int
    samples: int


SIZES: dict[str, Sizes] = {
    "one of everything": Sizes(1, 1, 1),
    "one sample": Sizes(5, 4, 1),
    "one step": Sizes(3, 1, 6),
    "several": Sizes(7, 3, 5),
    "wide": Sizes(4, 2, 37),
    "many units": Sizes(19, 2, 3),
}
SCALE = 0.0625  # of the numbers, so that states stay about as large as 1


class _Maker(Maker):
    def tensor(self, seed: int, shape: tuple[int, ...]) -> Any:
        """Random numbers that saturate nothing; a power of two rounds nothing."""
        with seeded(0):  # the bounds know nothing of large errors that cancel on the way back
            if self.computed:
                return super().tensor(seed, shape) * (SCALE / 2)
            values = numbers(seed, shape, self.dtype)
        scaled = (values.astype(np.float64) * SCALE).astype(values.dtype)
        return self.operands.add((seed, "scaled"), scaled, self.layout)


def _statements(
    family: str,
    sizes: Sizes,
    activations: tuple[str, str],
    reverse: bool,
    dtype: str,
    layout: str,
    computed: bool,
    be: Backend,
) -> list[Statement]:
    make = _Maker(be, dtype, layout, computed)
    units, steps, samples = sizes
    gates, columns = GATES[family] * units, steps * samples
    params: dict[str, Any] = {"activation": activations[0]}
    if family != "rnn":
        params["gate_activation"] = activations[1]
    params.update(steps=steps, reverse=reverse)
    z, w, b = (make.tensor(k, (gates, n)) for k, n in enumerate((columns, units, 1)))
    states = [make.tensor(3 + k, (units, samples)) for k in range(STATES[family])]
    s = make.tensor(5, (BLOCKS[family] * units, columns))
    make.add(family, z, w, b, *states, **params)
    make.add(family, z, w, 0.0, *[0.0] * len(states), **params)
    last = {"rnn": [], "lstm": states[1:], "gru": states}[family]
    rows = [units, BLOCKS[family] * units] if family != "rnn" else [units]
    for number, count in enumerate(rows):
        e = make.tensor(6 + number, (count, columns))
        make.add(f"{family}_backward", e, s, w, *last, **params)
    return make.statements


def _cases(
    name: str,
    activations: tuple[str, str] = ("tanh", "logistic"),
    reverse: bool = False,
    variant: tuple[str, str, bool] = ("float32", "plain", False),
) -> Iterator[Case]:
    what = label_of(name, *variant) + (", reversed" if reverse else "")
    if activations != ("tanh", "logistic"):
        what += f", {' and '.join(activations)}"
    for family in GATES:
        ids = [(family, what), (family, f"{what}, without states")]
        ids.append((f"{family}_backward", f"{what}, errors of h"))
        if family != "rnn":
            ids.append((f"{family}_backward", f"{what}, errors of all"))
        build = partial(_statements, family, SIZES[name], activations, reverse, *variant)
        yield from Batch(ids, build, [variant[0]]).cases()


def cases() -> Iterator[Case]:
    """All cases of recurrences."""
    for name in SIZES:
        for reverse in (False, True):
            yield from _cases(name, reverse=reverse)
    for variant in variants(True):
        if variant != ("float32", "plain", False):
            yield from _cases("several", variant=variant)
    names = list(ACTIVATIONS)
    for pair in zip(names, [*names[2:], *names[:2]], strict=True):
        yield from _cases("several", pair)

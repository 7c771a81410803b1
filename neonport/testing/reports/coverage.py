"""Who does the ops of a model on a device, and what its author should write next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from neonport.engine.profile import DERIVED, FALLBACK, KERNELS, NATIVE, Row

WORDS = {KERNELS: "dialect and compile_c (or bind_kernel)"}


class Advice(NamedTuple):
    """Something to write.

    Attributes:
        method: what a device has to give.
        seconds: time of the ops that would be the device's own: more than that cannot be saved.
        ops: these ops, the longest first.
    """

    method: str
    seconds: float
    ops: list[str]


@dataclass(frozen=True)
class Coverage:
    """What was measured.

    Attributes:
        backend: its name.
        rows: calls and time of each op, by who did it; the longest first.
        seconds: time of the whole, Python included.
    """

    backend: str
    rows: Sequence[Row]
    seconds: float

    @property
    def busy(self) -> float:
        """Time of all ops."""
        return sum(row.seconds for row in self.rows)

    def share(self, seconds: float) -> float:
        """Some time as a part of that of all ops."""
        return seconds / self.busy if self.busy else 0.0

    def origins(self) -> dict[str, float]:
        """Share of the time by who did it."""
        return {
            origin: self.share(sum(row.seconds for row in self.rows if row.origin == origin))
            for origin in (NATIVE, DERIVED, FALLBACK)
        }

    def advice(self) -> list[Advice]:
        """What to write, the most rewarding first.

        Kernels are first where they are missing at all: whole statements are left to NumPy until
        then, and what there is of a library is not reached by them.
        """
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            if row.method:
                found.setdefault(row.method, []).append(row)
        steps = [
            Advice(method, sum(row.seconds for row in rows), [row.op for row in rows])
            for method, rows in found.items()
        ]
        steps.sort(key=lambda step: (step.method != KERNELS, -step.seconds))
        return [step._replace(method=WORDS.get(step.method, step.method)) for step in steps]

    def as_data(self) -> dict[str, Any]:
        """The same as JSON holds it."""
        return {
            "backend": self.backend,
            "seconds": self.seconds,
            "seconds_in_ops": self.busy,
            "origins": self.origins(),
            "ops": [{**vars(row), "share": self.share(row.seconds)} for row in self.rows],
            "write_next": [
                {**step._asdict(), "saves_up_to": self.share(step.seconds)}
                for step in self.advice()
            ],
        }

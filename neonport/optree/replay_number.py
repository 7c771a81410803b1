"""Numbers that a recorded step computes anew at each replay.

While a step is recorded, `be.number(function)` gives such a number. It is a float with the value of
that moment, so op-trees take it as they take any number, and it remembers where it comes from: at a
replay the function is called again. Arithmetic keeps the memory, `float()` and `math` do not.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any


class Origin:
    """A function and the value that it gave last."""

    def __init__(self, function: Callable[[], float]) -> None:
        self.function = function
        self.value = float(function())

    def refresh(self) -> None:
        """Call the function again."""
        self.value = float(self.function())


class Traced(float):
    """A float that knows how it is made.

    It equals nothing but itself: nobody may conclude from its value of the moment that a factor is
    1, or that two numbers are one.
    """

    again: Callable[[], float]
    """The function that makes it anew."""

    def __new__(cls, again: Callable[[], float]) -> Traced:  # noqa: D102
        out = super().__new__(cls, again())
        out.again = again
        return out

    @classmethod
    def of(cls, function: Callable[..., float], *args: Any) -> Traced:
        """The value of a function of numbers some of which are traced."""
        return cls(lambda: function(*(plain(a) for a in args)))

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    __hash__ = object.__hash__


def plain(x: Any) -> Any:
    """The value of the moment of a traced number; anything else as it is."""
    return x.again() if type(x) is Traced else x


def _method(function: Callable[..., Any], reflected: bool = False) -> Callable[..., Any]:
    def method(self: Traced, *others: Any) -> Any:
        if not all(isinstance(o, (int, float)) for o in others):
            return NotImplemented
        return (
            Traced.of(function, *others, self) if reflected else Traced.of(function, self, *others)
        )

    return method


for _name in ("add", "sub", "mul", "truediv", "pow", "floordiv", "mod"):
    setattr(Traced, f"__{_name}__", _method(getattr(operator, _name)))
    setattr(Traced, f"__r{_name}__", _method(getattr(operator, _name), reflected=True))
for _name in ("neg", "pos", "abs"):
    setattr(Traced, f"__{_name}__", _method(getattr(operator, _name)))

"""What `NEONPORT_CHECK` and `fit(check=...)` say: which backend, how often, and what then."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from neonport.errors import ConfigurationError

_FORM = re.compile(
    r"(?P<name>[A-Za-z][\w-]*)(?::(?P<device>\d+))??:(?P<rate>[\d.]+(?:e-?\d+)?)"
    r"(?P<whole>:whole)?(?::(?P<action>warn|raise))?"
)
USE = (
    "BACKEND:RATE or BACKEND:DEVICE:RATE, with :whole, :raise or :warn behind, such as "
    "'cpu:0.01:raise'"
)


class Check(NamedTuple):
    """A second opinion that was asked for.

    Attributes:
        backend: name of the second backend.
        device: its number.
        rate: share of the statements that are checked, more than 0, at most 1.
        raises: whether a wrong result is an error; else it is a warning.
        whole: whether all of a large statement is compared, not a part that is drawn.

    Example:
        >>> parse("cpu:0.01")
        Check(backend='cpu', device=0, rate=0.01, raises=False, whole=False)
    """

    backend: str
    device: int
    rate: float
    raises: bool
    whole: bool = False

    @property
    def compares_all(self) -> bool:
        """Whether nothing is left to chance: asked for, or every statement is checked."""
        return self.whole or self.rate == 1


def parse(text: Any, what: str = "check") -> Check | None:
    """Read `cpu:0.01`, `opencl:1:0.001:raise`; None for `none` and for nothing.

    Args:
        text: what was given.
        what: names the argument or variable, for the error.

    Raises:
        ConfigurationError: it is something else.
    """
    if text is None or isinstance(text, Check):
        return text
    if isinstance(text, str) and text.strip().lower() in ("", "none"):
        return None
    found = _FORM.fullmatch(text.strip()) if isinstance(text, str) else None
    try:
        rate = float(found["rate"]) if found else math.nan
    except ValueError:
        rate = math.nan
    if found is None or not 0 < rate <= 1:
        raise ConfigurationError(
            f"{what}={text!r} is not understood; give {USE}; the rate is more than 0, at most 1"
        )
    number, raises = int(found["device"] or 0), found["action"] == "raise"
    return Check(found["name"], number, rate, raises, found["whole"] is not None)

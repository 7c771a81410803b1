"""What a device can do beyond memory and copies, by level, and how it says so.

Nothing of this is asked for: without it NumPy's definitions run on the host. A device *declares* an
ability by giving the method for it; what is declared is tested, and what is not is listed, with the
dtypes that it does not store.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from neonport.dtypes import FLOAT_NAMES
from neonport.engine.profile import overrides
from neonport.errors import ConfigurationError

if TYPE_CHECKING:
    from neonport.backends.backend import Backend
    from neonport.tensor.tensor import Tensor
    from neonport.testing.cases import Case

LEVELS = {
    0: "memory and copies",
    1: "compile and launch",
    2: "library calls",
    3: "recording, DLPack, random numbers on the device",
}
WITHOUT = "without "  # in front of what a case needs a device not to have


class Ability(NamedTuple):
    """Something that a device may be able to do.

    Attributes:
        name: short, as cases name what they need.
        level: see `LEVELS`.
        declared: whether a device says that it can.
        how: what its author has to write.
    """

    name: str
    level: int
    declared: Callable[[Backend], bool]
    how: str


KERNELS = Ability(
    "kernels",
    1,
    lambda be: be.device.compiles,
    "give `dialect` and write `compile_c`, or write `bind_kernel`",
)
MATMUL = Ability("matrix products", 2, lambda be: overrides(be.device, "matmul"), "write `matmul`")
CONVOLUTION = Ability(
    "convolution",
    2,
    lambda be: _has_convolution(be),
    'with kernels, answer `library_call("conv", ...)`',
)
RECORDING = Ability(
    "recording",
    3,
    lambda be: be.device.compiles,
    "it comes with kernels: a step of them can be recorded; `make_replay` makes it one call",
)
DLPACK = Ability(
    "DLPack",
    3,
    lambda be: overrides(be.device, "dlpack_export") and overrides(be.device, "dlpack_adopt"),
    "write `dlpack_device`, `dlpack_export` and `dlpack_adopt`",
)
RANDOM = Ability(
    "random numbers",
    3,
    lambda be: be.device.compiles,
    "they come with kernels, whose text draws them",
)
ABILITIES = (KERNELS, MATMUL, CONVOLUTION, RECORDING, DLPACK, RANDOM)
LEVEL = "level"  # the op of the cases that tell whether a level is reached


def small_convolution(be: Backend) -> tuple[list[Tensor], Tensor, dict[str, Any]]:
    """Operands, result and parameters of a convolution."""
    x, f = be.array(np.ones((3, 1, 5, 6, 4))), be.array(np.ones((3, 1, 3, 3, 5)))
    params = {"padding": (0, 0, 0), "stride": (1, 1, 1), "dilation": (1, 1, 1)}
    return [x, f], be.empty((5, 1, 3, 4, 4)), params


def _has_convolution(be: Backend) -> bool:
    if not (be.device.compiles and overrides(be.device, "library_call")):
        return False
    operands, target, params = small_convolution(be)
    try:
        return be.device.library_call("conv", operands, target, params) is not None
    except Exception:  # the case that it is tested by says what is wrong
        return True


class Undeclared(NamedTuple):
    """Something that a device does not declare, so that no case tests it.

    Attributes:
        name: the ability or dtype.
        level: at which it would be asked for.
        how: what would declare it.
        cases: how many cases are not run for want of it.
    """

    name: str
    level: int
    how: str
    cases: int

    def __str__(self) -> str:
        some = "1 case" if self.cases == 1 else f"{self.cases} cases"
        return f"not tested: {self.name} (level {self.level}, {some}): {self.how}"


def check_level(level: int | None) -> None:
    """Refuse what is no level.

    Raises:
        ConfigurationError: with the levels that there are.
    """
    if level is not None and level not in LEVELS:
        listed = "; ".join(f"{number}: {words}" for number, words in LEVELS.items())
        raise ConfigurationError(f"conformance: there is no level {level!r}; {listed}")


def declared(be: Backend) -> frozenset[str]:
    """Names of dtypes and abilities that a device declares, and `WITHOUT` those that it lacks."""
    found = set(be.default_dtypes)
    found.update(ability.name for ability in ABILITIES if ability.declared(be))
    names = {*FLOAT_NAMES, *(ability.name for ability in ABILITIES)}
    return frozenset([*found, *(WITHOUT + name for name in names - found)])


def level_of(case: Case) -> int:
    """The level of the highest ability that a case needs."""
    return max((a.level for a in ABILITIES if a.name in case.needs), default=0)


def is_wanted(case: Case, has: Collection[str], level: int | None) -> bool:
    """Whether a device with some abilities has to pass a case.

    Args:
        case: one of the suite.
        has: see `declared`.
        level: the level that the device has to hold, or None for what it declares.
    """
    if level is not None and level_of(case) > level:
        return False
    if level is not None and case.op == LEVEL:  # asked for, whether it is declared or not
        return True
    return all(name in has for name in case.needs)


def why_not(case: Case, has: Collection[str], level: int | None) -> list[str]:
    """What a case needs that a device does not declare, or that is above the level."""
    above = {a.name for a in ABILITIES if level is not None and a.level > level}
    return [
        name
        for name in sorted(case.needs)
        if (name not in has or name in above) and not name.startswith(WITHOUT)
    ]


def how_to_declare(name: str, has: Collection[str]) -> tuple[int, str]:
    """Level of an ability or dtype, and why it is not tested: what would declare it."""
    for ability in ABILITIES:
        if ability.name == name:
            above = "declared, but above the level that is asked for"
            return ability.level, above if name in has else f"not declared; {ability.how}"
    return 0, f'not declared; name "{name}" in `capabilities.dtypes`'

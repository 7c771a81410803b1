"""NervanaObject: the shared base of layers, transforms, optimizers: backend, name, description."""

from __future__ import annotations

import inspect
import math
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from neonport.errors import ConfigurationError
from neonport.foundation.descriptions import ARGUMENTS, Builder, is_description
from neonport.log import logger
from neonport.optree.node import Expression

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from neonport.tensor.backend_protocol import TensorBackend


def get_args(func: Callable[..., Any]) -> dict[str, Any]:
    """Map every named argument of `func` to its default (None where there is none)."""
    return {
        name: None if p.default is p.empty else p.default
        for name, p in inspect.signature(func).parameters.items()
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }


def finite_number(owner: str, argument: str, value: Any) -> float:
    """Return an argument of a constructor as a float.

    Args:
        owner: class name, for the message.
        argument: name, for the message.
        value: what was given.

    Raises:
        ConfigurationError: it is not a finite number.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ConfigurationError(f"{owner}: {argument}={value!r} must be a finite number")
    return number


def shown(value: Any) -> str:
    """A value that somebody gave for an object of ours, in a few words for an error.

    Example:
        assert shown("adam") == "the text 'adam'"
        assert shown(np.zeros((3, 4))) == "a ndarray of shape (3, 4)"
    """
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    name, shape = type(value).__name__, getattr(value, "shape", None)
    return f"a {name} of shape {tuple(shape)}" if isinstance(shape, tuple) else f"a {name}"


def need_instance(call: str, argument: str, value: Any, example: str) -> None:
    """Raise if a class, or text, was given where an object belongs.

    Args:
        call: names what was called, for the message.
        argument: names the argument, for the message.
        value: what was given.
        example: what to give instead.

    Raises:
        ConfigurationError: it is a class or text.
    """
    if isinstance(value, type):
        raise ConfigurationError(
            f"{call}: {argument} is the class {value.__name__}; give an instance: "
            f"{value.__name__}(...)"
        )
    if isinstance(value, (str, bytes)):
        raise ConfigurationError(
            f"{call}: {argument} is {shown(value)}; names are not looked up, give an object: "
            f"{example}"
        )


def _same(value: Any, default: Any) -> bool:
    """Whether an attribute still has its default; arrays are compared by content."""
    if isinstance(value, np.ndarray) or isinstance(default, np.ndarray):
        return isinstance(value, np.ndarray) and np.array_equal(value, default)
    if value is default:
        return True
    if isinstance(value, NervanaObject) or type(value) is not type(default):
        return False
    try:
        return bool(value == default)
    except ValueError:  # lists of arrays have no truth value
        return False


def _described(value: Any) -> Any:
    """A value of a `config`: objects as descriptions, also inside a list or tuple."""
    if isinstance(value, NervanaObject):
        return value.get_description()
    if type(value) in (list, tuple) and any(isinstance(v, NervanaObject) for v in value):
        return type(value)([_described(v) for v in value])
    return value


PLACE: ContextVar[Any] = ContextVar("neonport_place", default=None)
"""The backend of what is made now, inside of `neonport.on`; None: the process-wide one."""


class NervanaObject:
    """Base of everything that knows a backend.

    Args:
        name: given name, or None for `<ClassName>_<k>` with a counter per class.

    `be` is the process-wide default backend (set by `gen_backend` on this class). An object may
    carry its own, set by `set_backend` or by `neonport.on`, so that models on two backends live in
    one process, and layers on two backends in one model.
    """

    be: TensorBackend = None  # type: ignore[assignment]
    neon_module: ClassVar[str | None] = None
    _keeps_place: ClassVar[bool] = False  # one that was given a backend keeps it: layers do
    _not_parts: ClassVar[tuple[str, ...]] = ()  # attributes that lead to others
    _placed = False  # whether it was given its backend for itself
    _counter: ClassVar[int] = 0

    def __init__(self, name: str | None = None) -> None:
        cls = type(self)
        place = PLACE.get()
        if place is not None:
            self.be, self._placed = place, True
        self.name = f"{cls.__name__}_{cls._counter}" if name is None else name
        cls._counter += 1
        self._desc: dict[str, Any] | None = None

    @property
    def classnm(self) -> str:
        """Class name."""
        return type(self).__name__

    @property
    def modulenm(self) -> str:
        """Dotted path that descriptions store: neon's path where neon has the class."""
        cls = type(self)
        ours = cls.__module__.partition(".")[0] == "neonport"  # a user's subclass is not neon's
        return f"{(ours and cls.neon_module) or cls.__module__}.{self.classnm}"

    def set_backend(self, be: TensorBackend) -> None:
        """Give this object, and every NervanaObject it holds, its own backend.

        Raises:
            ConfigurationError: it is no backend.
        """
        if not hasattr(be, "assign_many"):
            raise ConfigurationError(
                f"{self.classnm}.set_backend: be is {shown(be)}, not a backend; give what "
                "gen_backend or create_backend returned"
            )
        for item, _ in self._objects_with_backends(be, False):
            item.be, item._placed = be, True

    def adopt_backend(self, be: TensorBackend) -> None:
        """Give a backend to this object and to all it holds, but not to layers that have a place.

        A layer has one if it was made inside of `neonport.on`, or given one by `set_backend`.
        """
        for item, chosen in self._objects_with_backends(be, True):
            item.be = chosen

    def objects(self) -> Iterator[NervanaObject]:
        """This object and every one it holds, each once, in an order that only depends on them."""
        return (item for item, _ in self._objects_with_backends(self.be, False))

    def _objects_with_backends(
        self, be: TensorBackend, keep: bool
    ) -> Iterator[tuple[NervanaObject, TensorBackend]]:
        """This object and every one it holds, each with its backend: that of what holds it.

        Args:
            be: of this object.
            keep: whether what has a place of its own keeps it, with all that it holds.
        """
        seen: set[int] = set()
        queue: list[tuple[Any, TensorBackend]] = [(self, be)]
        while queue:
            item, chosen = queue.pop()
            if id(item) in seen:
                continue
            seen.add(id(item))
            if isinstance(item, NervanaObject):
                if keep and item._placed and item._keeps_place:
                    chosen = item.be
                skip = ("be", *item._not_parts)
                queue.extend((v, chosen) for k, v in vars(item).items() if k not in skip)
                yield item, chosen
            if isinstance(item, dict):
                queue.extend((v, chosen) for v in item.values())
            elif isinstance(item, (list, tuple, set)) and not isinstance(item, Expression):
                # an op-tree is a tuple too, and may be huge
                queue.extend((v, chosen) for v in item)

    def get_description(self, skip: Iterable[str] = (), **kwargs: Any) -> dict[str, Any]:
        """Describe the object by its class and the constructor arguments that are not defaults.

        Returns:
            `{'type': path, 'config': {argument: value}}`; nested objects are described too.
        """
        config: dict[str, Any] = {}
        for arg, default in get_args(type(self).__init__).items():
            if arg == "self" or arg in skip:
                continue
            if not hasattr(self, arg):
                logger.warning("%s keeps no attribute %r: left out", self.classnm, arg)
                continue
            value = getattr(self, arg)
            if not _same(value, default):
                config[arg] = _described(value)
        self._desc = {"type": self.modulenm, "config": config}
        return self._desc

    @staticmethod
    def recursive_gen(pdict: Any, key: Any) -> None:
        """Replace `pdict[key]`, when it is a description, by the object it describes."""
        if is_description(pdict[key]):
            pdict[key] = Builder().build(ARGUMENTS.get(key), pdict[key])

    @classmethod
    def gen_class(cls, pdict: dict[str, Any]) -> Any:
        """Build an instance from a description's `config`; the dict is left as it was.

        Raises:
            ConfigurationError: a nested description names a class that may not stand there.
        """
        return cls(**Builder().arguments(cls, pdict))

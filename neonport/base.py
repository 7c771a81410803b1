"""NervanaObject: the shared base of layers, transforms, optimizers: backend, name, description."""

from __future__ import annotations

import copy
import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from neonport.errors import ConfigurationError
from neonport.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from neonport.backends.backend import Backend


def get_args(func: Callable[..., Any]) -> dict[str, Any]:
    """Map every positional argument of `func` to its default (None where there is none)."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return {
        name: None if p.default is p.empty else p.default
        for name, p in inspect.signature(func).parameters.items()
        if p.kind in kinds
    }


def load_class(path: str) -> type:
    """Return the class a description's `type` names; `neon.` and `neonport.` mean the same.

    Only classes of this package's own modules are looked up: a checkpoint cannot name others.

    Raises:
        ConfigurationError: the path is foreign or names no class.
    """
    package, _, rest = path.partition(".")
    module, _, name = rest.rpartition(".")
    if package not in ("neon", "neonport") or not name:
        raise ConfigurationError(
            f"cannot load class {path!r}: only classes of neon's module paths are loaded; "
            "build the object yourself and pass it in"
        )
    try:
        cls = getattr(import_module(f"neonport.{module}" if module else "neonport"), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"class {path!r} does not exist in this version") from error
    if not (isinstance(cls, type) and issubclass(cls, NervanaObject)):
        raise ConfigurationError(f"{path!r} is not a class that can be built from a description")
    return cls


def _same(value: Any, default: Any) -> bool:
    """Whether an attribute still has its default; arrays are compared by content."""
    if isinstance(value, np.ndarray) or isinstance(default, np.ndarray):
        return isinstance(value, np.ndarray) and np.array_equal(value, default)
    if isinstance(value, NervanaObject) or isinstance(default, NervanaObject):
        return value is default
    return (type(value) is type(default) and bool(value == default)) or value is default


class NervanaObject:
    """Base of everything that knows a backend.

    Args:
        name: given name, or None for `<ClassName>_<k>` with a counter per class.

    `be` is the process-wide default backend (set by `gen_backend` on this class). An object may
    carry its own, set by `set_backend`, so that models on two backends live in one process.
    """

    be: Backend = None  # type: ignore[assignment]
    neon_module: ClassVar[str | None] = None
    _counter: ClassVar[int] = 0

    def __init__(self, name: str | None = None) -> None:
        cls = type(self)
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
        return f"{type(self).neon_module or type(self).__module__}.{self.classnm}"

    def set_backend(self, be: Backend) -> None:
        """Give this object, and every NervanaObject it holds, its own backend."""
        seen: set[int] = set()
        queue: list[Any] = [self]
        while queue:
            item = queue.pop()
            if id(item) in seen:
                continue
            seen.add(id(item))
            if isinstance(item, NervanaObject):
                item.be = be
                queue.extend(v for k, v in vars(item).items() if k != "be")
            elif isinstance(item, dict):
                queue.extend(item.values())
            if isinstance(item, (list, tuple)):
                queue.extend(item)

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
                nested = isinstance(value, NervanaObject)
                config[arg] = value.get_description() if nested else value
        self._desc = {"type": self.modulenm, "config": config}
        return self._desc

    @staticmethod
    def _build(value: Any) -> Any:
        """Turn a description into the object it describes; leave anything else alone."""
        if type(value) is dict and "type" in value:
            return load_class(value["type"]).gen_class(value.get("config", {}))  # type: ignore[attr-defined]
        return value

    @staticmethod
    def recursive_gen(pdict: Any, key: Any) -> None:
        """Replace `pdict[key]`, when it is a description, by the object it describes."""
        pdict[key] = NervanaObject._build(pdict[key])

    @classmethod
    def gen_class(cls, pdict: dict[str, Any]) -> Any:
        """Build an instance from a description's `config`; the dict is left as it was."""
        config = copy.copy(pdict)
        for key, value in config.items():
            if isinstance(value, (list, tuple)):
                config[key] = type(value)([cls._build(item) for item in value])
            else:
                config[key] = cls._build(value)
        return cls(**config)

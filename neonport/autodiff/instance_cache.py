"""A weak cache of Autodiff objects, keyed by tree structure and tensors."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from neonport.optree.node import Expression, as_operand, tensors
from neonport.tensor.storage import Storage

MAX_SEEN = 4096  # keys remembered of objects that are gone
MAX_ATTACHED = 16  # objects that one block of memory keeps alive

T = TypeVar("T")


def identity(x: Any) -> Any:
    """Hashable key, equal for operands of equal structure over the same memory and numbers."""
    if x is None:
        return None
    if not isinstance(x, Expression):
        return ("number", repr(as_operand(x, "Autodiff")))
    scalars = x.scalars
    if 0 in scalars:  # 0.0 == -0.0, but 1 / x tells them apart
        return x.sig, x.tokens, tuple([repr(s) for s in scalars])
    return x.sig, x.tokens, scalars


class Instances(Generic[T]):
    """A cache whose entries live as long as somebody uses them or the memory they work on.

    An object that comes once, over new tensors in every step, is freed with its last reference. One
    that comes again is kept by the youngest block of memory it uses: the two then form a cycle that
    the garbage collector takes when nothing else refers to the tensors.
    """

    def __init__(self) -> None:
        self._live: WeakValueDictionary[Any, T] = WeakValueDictionary()
        self._seen: OrderedDict[int, None] = OrderedDict()

    def find(self, key: Any) -> T | None:
        """The live object of that key."""
        return self._live.get(key)

    def keep(self, key: Any, instance: T, *operands: Any) -> T:
        """Remember a new object that works on the tensors of `operands`.

        Returns:
            The object to use: the one that another thread has made in the meantime, or `instance`.
        """
        first = self._live.setdefault(key, instance)
        mark = hash(key)
        if mark not in self._seen:
            self._seen[mark] = None
            if len(self._seen) > MAX_SEEN:
                self._seen.popitem(last=False)
            return first
        home = _youngest(operands)
        if home is not None:
            attached = home.attached
            attached[key] = first
            for old in list(attached)[:-MAX_ATTACHED]:
                attached.pop(old, None)
        return first

    def drop(self, key: Any, *operands: Any) -> None:
        """Forget the object of a key."""
        self._live.pop(key, None)
        home = _youngest(operands)
        if home is not None:
            home.attached.pop(key, None)


def _youngest(operands: tuple[Any, ...]) -> Storage | None:
    blocks = [t.storage for t in tensors(*operands)]
    return max(blocks, key=lambda block: block.serial) if blocks else None

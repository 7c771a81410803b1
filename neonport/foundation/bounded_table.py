"""A dictionary that forgets what was not used for the longest time."""

from __future__ import annotations

from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedTable(dict[K, V]):
    """Entries in two generations: what was looked up or kept lately, and what was before.

    `get` and `[]` are those of a dictionary, as fast, and see the younger generation only; on a
    miss `find` looks into the older one too and makes young again what it finds there. A full
    younger generation becomes the older one, whose entries are forgotten. So a hit moves nothing,
    and between `limit` and twice as many entries are there, the ones used last among them.

    Args:
        limit: entries of a generation, at least 1.

    Example:
        plan = table.find(key)
        if plan is None:
            table.keep(key, make(key))
    """

    __slots__ = ("limit", "older")

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.older: dict[K, V] = {}

    def find(self, key: K) -> V | None:
        """Return the entry of a key of either generation; None if there is none."""
        found = self.get(key)
        if found is None and self.older:
            found = self.older.pop(key, None)
            if found is not None:
                self.keep(key, found)
        return found

    def keep(self, key: K, value: V) -> None:
        """Add or replace an entry."""
        if len(self) >= self.limit and key not in self:
            self.older = dict(self)
            super().clear()
        self[key] = value

    def holds(self, key: K) -> bool:
        """Whether a key is in either generation; it becomes no younger."""
        return key in self or key in self.older

    def pop(self, key: K, *default: Any) -> Any:
        """Remove an entry from both generations, and return it."""
        if key in self:
            self.older.pop(key, None)
            return super().pop(key, *default)
        return self.older.pop(key, *default)

    def clear(self) -> None:
        """Forget everything."""
        self.older = {}
        super().clear()

"""DeltasTree: two error buffers that take turns, and a child for paths of merge containers.

While errors travel down a chain only two are alive: the one a layer reads and the one it writes.
So a whole chain shares two buffers, each as large as the largest layer input. The inner layers of
a container with parallel paths need two more, which outlive the paths' joint input: the child's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neonport.base import NervanaObject
from neonport.layers.shapes import is_flat

if TYPE_CHECKING:
    from neonport.backends.backend import Backend


class DeltasTree(NervanaObject):
    """Measures layers, then owns the buffers they share.

    Args:
        parent: the tree this one is a child of.

    Attributes:
        buffers: two tensors of `max_shape` rows, None before `allocate_buffers`; whoever takes the
            first one reverses the list.
        max_shape: the most elements per sample that a registered layer needs.
    """

    be: Backend

    def __init__(self, parent: DeltasTree | None = None) -> None:
        super().__init__()
        self.parent = parent
        self.child: DeltasTree | None = None
        self.buffers: list[Any] = [None, None]
        self.max_shape = 0
        self._home: Any = None
        self._siblings: dict[Any, DeltasTree] = {}
        if parent is not None:
            self.be = parent.be

    def at(self, be: Any) -> DeltasTree:
        """The tree of the same chain for layers on a backend; the one asked for first is this."""
        if self._home is None:
            self._home = be
        if be is self._home:
            return self
        if be not in self._siblings:
            sibling = self._siblings[be] = DeltasTree()
            sibling.be = sibling._home = be
        return self._siblings[be]

    def decend(self) -> DeltasTree:
        """The child tree, made on demand (neon's spelling)."""
        if self.child is None:
            self.child = DeltasTree(self)
        return self.child

    def ascend(self) -> DeltasTree | None:
        """The parent tree."""
        return self.parent

    def proc_layer(self, layer: Any) -> None:
        """Make room for the input gradient of a layer."""
        shape = layer.in_shape
        if not is_flat(shape):  # several streams: their paths register themselves
            return
        self.be = layer.be
        size = self.be.shared_iobuf_size(shape, layer.parallelism)
        self.max_shape = max(self.max_shape, size)

    def allocate_buffers(self) -> None:
        """Make the buffers that are missing, here and in all children."""
        for other in self._siblings.values():
            other.allocate_buffers()
        if self.child is not None:
            self.child.allocate_buffers()
        if self.max_shape > 0:
            for i, buffer in enumerate(self.buffers):
                if buffer is None:
                    self.buffers[i] = self.be.iobuf(self.max_shape)

"""BranchNode: the point of a trunk where a Tree's other paths begin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from neonport.errors import ConfigurationError
from neonport.layers.base import Layer
from neonport.layers.checks import label


class BranchNode(Layer):
    """Passes its input on, and gives it to every path that starts with the same node.

    Put one object into the trunk and at the start of a path; or two nodes with the same explicit
    name: a Tree makes them one (`unify_branches`). Nodes without a name are all different.

    Args:
        name: given name, or None.

    Example:
        fork = BranchNode("fork")
        trunk = [Affine(nout=5, init=Gaussian()), fork, Affine(nout=2, init=Gaussian())]
        path = [fork, Affine(nout=3, init=Gaussian())]
    """

    neon_module = "neon.layers.layer"
    is_branch: ClassVar[bool] = True
    nest_deltas: ClassVar[bool] = True  # its gradient has a buffer, also where it comes first

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self.owns_output = False
        self.named = name is not None

    def configure(self, in_obj: Any = None) -> BranchNode:
        """The shape stays; None returns a node that the trunk has configured already.

        Raises:
            ConfigurationError: None, and the trunk has not been configured.
        """
        if in_obj is None:
            if self.in_shape is None:
                raise ConfigurationError(
                    f"{label(self)}: a path starts here, but no trunk has configured this node; "
                    "put the same node (or one of the same name) into the trunk, the first path"
                )
            return self
        super().configure(in_obj)
        self.out_shape = self.in_shape
        self.outputs = self.deltas = None  # of another model, perhaps
        return self

    def set_deltas(self, delta_buffers: Any) -> None:
        """Take a buffer, which the trunk and all paths share, unless there is one."""
        if self.deltas is None:
            buffers = getattr(delta_buffers, "buffers", delta_buffers)
            self.deltas = self.be.iobuf(
                self.in_shape, shared=buffers[0], parallelism=self.parallelism
            )
            buffers.reverse()

    def fprop(self, inputs: Any = None, inference: bool = False) -> Any:
        """Remember and return the trunk's tensor; None returns the one remembered.

        Raises:
            ConfigurationError: None before the trunk ran.
        """
        if inputs is not None:
            self.inputs = self.outputs = inputs
        elif self.outputs is None:
            raise ConfigurationError(
                f"{label(self)}: a path starts here, but the trunk has not run; the trunk comes "
                "first"
            )
        return self.outputs

    def bprop(self, error: Any) -> Any:
        """Pass the error on (containers skip this node)."""
        return error


def unify_branches(containers: Iterable[Any]) -> None:
    """Make BranchNodes with the same explicit name, in these containers, the same object.

    A Tree does this with its paths, after they were built one by one or from a description. The
    node that is met first, the trunk's, stays.
    """
    known: dict[str, BranchNode] = {}

    def visit(container: Any) -> None:
        layers: Any = getattr(container, "layers", ())
        for i, layer in enumerate(layers):
            if isinstance(layer, BranchNode):
                if layer.named:
                    layers[i] = known.setdefault(layer.name, layer)
            else:
                visit(layer)

    for container in containers:
        visit(container)

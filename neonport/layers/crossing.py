"""Where a chain goes from one backend to another: activations forwards, gradients back.

Memory is shared (DLPack) where the receiving side is the host and sees the other's memory: what
runs there is done when the call returns, so nobody writes under its hands. Else values are copied
through the host.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from neonport.errors import ConfigurationError
from neonport.foundation.bounded_table import BoundedTable
from neonport.layers.base import Layer
from neonport.layers.branch import BranchNode
from neonport.layers.checks import label
from neonport.layers.layer_container import LayerContainer

SHARED = "shared memory"
COPIED = "through the host"
TWINS = 8  # of a generation, of tensors that cross


class Crossing:
    """An edge between two layers on different backends.

    Args:
        source: backend of the layer below.
        target: backend of the layer above.
    """

    def __init__(self, source: Any, target: Any) -> None:
        self.source = source
        self.target = target
        self._there: BoundedTable[Any, Any] = BoundedTable(TWINS)
        self._back: BoundedTable[Any, Any] = BoundedTable(TWINS)

    @property
    def forwards(self) -> str:
        """How activations cross."""
        return way(self.source, self.target)

    @property
    def backwards(self) -> str:
        """How gradients cross."""
        return way(self.target, self.source)

    def forward(self, x: Any) -> Any:
        """Activations, on the backend of the layer above."""
        return self._bring(x, self.source, self.target, self._there)

    def backward(self, error: Any) -> Any:
        """A gradient, on the backend of the layer below; None where nobody needs one."""
        return None if error is None else self._bring(error, self.target, self.source, self._back)

    def _bring(
        self, value: Any, source: Any, target: Any, known: BoundedTable[Any, Any], at: int = 0
    ) -> Any:
        """A value or a list of them on another backend.

        Args:
            value: what crosses.
            source, target: from where to where.
            known: what was made there before: buffers of layers come again, each has one twin.
            at: place in the list.
        """
        if isinstance(value, (list, tuple)):
            return [self._bring(v, source, target, known, i) for i, v in enumerate(value)]
        for be in (source, target):
            be.unrecordable("values cross between backends, of which one is recorded")
        if way(source, target) == SHARED:
            source.synchronize()
            made = known.find(value.token)
            if made is None:
                made = target.from_dlpack(value)
                known.keep(value.token, made)
            return made
        key = at, value.shape, value.dtype
        made = known.find(key)
        if made is None:
            made = target.empty(value.shape, dtype=value.dtype)
            known.keep(key, made)
        made.set(value.get())
        return made


def way(source: Any, target: Any) -> str:
    """How values come from one backend to another: `SHARED` or `COPIED`."""
    device = target.device
    sees = device.capabilities.host_memory and device.dlpack_shares(source.dlpack_device())
    return SHARED if sees else COPIED


class Passage(NamedTuple):
    """A crossing of a model, in words.

    Attributes:
        below, above: names of the layers; empty for the input and the output.
        source, target: their backends.
        forwards, backwards: how activations and gradients cross.
    """

    below: str
    above: str
    source: str
    target: str
    forwards: str
    backwards: str

    def __str__(self) -> str:
        below, above = self.below or "the input", self.above or "the output"
        return (
            f"{below} ({self.source}) -> {above} ({self.target}): {self.forwards}, gradients "
            f"{self.backwards}"
        )


def crossings(chain: Any, layers: Sequence[Layer]) -> dict[Any, Crossing]:
    """The crossings of a chain, by the layer above; that of its output by None.

    Args:
        chain: the container: values come in and go out on its backend.
        layers: its members.

    Raises:
        ConfigurationError: a BranchNode and a neighbour are on different backends.
    """
    found: dict[Any, Crossing] = {}
    place, below = chain.be, None
    for layer in layers:
        if layer.be is not place:
            if isinstance(layer, BranchNode) or isinstance(below, BranchNode):
                raise ConfigurationError(
                    f"{label(chain)}: {label(layer)} is on {layer.be!r}, what is below it on "
                    f"{place!r}; a BranchNode and its neighbours share buffers: make them on one "
                    "backend, or put a SkipNode() of that backend between them"
                )
            found[layer] = Crossing(place, layer.be)
        place, below = layer.be, layer
    if place is not chain.be:
        if isinstance(below, BranchNode):
            raise ConfigurationError(f"{label(chain)}: {label(below)} ends a chain")
        found[None] = Crossing(place, chain.be)
    return found


def passages(container: Any, names: dict[int, str]) -> Iterator[Passage]:
    """Every crossing below a container, in words.

    Args:
        container: the layers, configured.
        names: name of each layer by its id.
    """

    def name(layer: Any) -> str:
        return "" if layer is None else names.get(id(layer), layer.name)

    for chain in [container, *container.layers_fprop()]:
        inside = crossings(chain, chain.layers) if hasattr(chain, "crossings") else {}
        below = None
        for layer in [*getattr(chain, "layers", ()), None]:
            edge = inside.get(layer)
            if edge is not None:
                ends = str(edge.source), str(edge.target)
                yield Passage(name(below), name(layer), *ends, edge.forwards, edge.backwards)
            below = layer


def backends_of(layers: Any) -> list[Any]:
    """The backends of a container and of all layers below it, each once."""
    found = {id(layer.be): layer.be for layer in (layers, *layers.layers_fprop())}
    return list(found.values())


def check_places(layers: Any) -> None:
    """Raise unless the layers of a model may stand on the backends on which they do.

    Backends without a batch size take that of the model's.

    Raises:
        ConfigurationError: naming the layer, and what to do.
    """
    be = layers.be
    for other in backends_of(layers):
        if not other.bsz:
            other.bsz = be.bsz
        if other.bsz != be.bsz or other.default_dtype != be.default_dtype:
            raise ConfigurationError(
                f"{label(layers)}: layers are on {other!r}, the model is on {be!r}; backends of "
                "one model have one batch size and one datatype: set be.bsz, or make the other one "
                "by neonport.on after gen_backend"
            )
    for container in [layers, *layers.layers_fprop()]:
        if not isinstance(container, LayerContainer) or container.mixes:
            continue
        for layer in container.layers_fprop():
            if layer.be is not container.be:
                raise ConfigurationError(
                    f"{label(container)}: {label(layer)} is on {layer.be!r}, the container on "
                    f"{container.be!r}; a {container.classnm} is on one backend: make all of it "
                    "inside of one `with neonport.on(...)`, or call set_backend(be) of it"
                )

"""MergeSum: paths whose outputs are added, as in a residual block."""

from __future__ import annotations

from typing import Any, ClassVar

from neonport.errors import ConfigurationError
from neonport.foundation.descriptions import Builder
from neonport.layers.checks import accepts, label
from neonport.layers.containers.broadcast import Broadcast
from neonport.layers.containers.paths import last_layer
from neonport.layers.layer_container import LayerContainer
from neonport.layers.sequential import Sequential
from neonport.layers.shapes import buffer_shape
from neonport.layers.skip import SkipNode
from neonport.tensor.tensor import Tensor


class MergeSum(Broadcast):
    """The sum of the outputs of all paths, which write into one buffer.

    So the last layer of every path has outputs of its own and adds to what is there (Linear,
    Convolution, Pooling, BatchNorm, SkipNode); a path that ends otherwise gets a SkipNode() at its
    end.

    Args:
        layers: one entry a path: a layer, a list of layers or a Sequential.
        name: given name, or None.

    Raises:
        ConfigurationError: an entry is no path, or (in `configure`) a path cannot be added.

    Example:
        block = MergeSum([SkipNode(), Affine(nout=3, init=Gaussian())])
        model = Model([block, Activation(Rectlin())])
        model.initialize(train)
        assert model.fprop(x).shape == (3, 4)
    """

    neon_module = "neon.layers.container"
    way_out: ClassVar[str] = ""

    def configure(self, in_obj: Any) -> MergeSum:
        """Configure the paths; the output has the shape of the first one's."""
        super().configure(in_obj)
        self.out_shape = self.layers[0].out_shape
        size = buffer_shape(self.out_shape, 1)
        for path in self.layers:
            if buffer_shape(path.out_shape, 1) != size:
                raise ConfigurationError(
                    f"{label(self)}: {label(path)} has the output {path.out_shape}, the first path "
                    f"{self.out_shape}; what is added must have one shape{self.way_out}"
                )
            last = last_layer(path)
            if not (last.owns_output and accepts(last.fprop, "beta")):
                raise ConfigurationError(
                    f"{label(self)}: {label(last)} ends a path, but cannot add to what the other "
                    "paths gave; put a SkipNode() after it"
                )
        return self

    def allocate(
        self, shared_outputs: Tensor | None = None, accumulate_updates: bool = False
    ) -> None:
        """Make the output buffer and the paths, which share it.

        Args:
            shared_outputs: memory for the outputs.
            accumulate_updates: also make what `set_acc_on` needs.
        """
        super().allocate(shared_outputs)
        for path in self.layers:
            path.allocate(shared_outputs=self.outputs, accumulate_updates=accumulate_updates)
        self.accumulate_updates = accumulate_updates

    def fprop(self, inputs: Any, inference: bool = False, beta: float = 0.0) -> Any:
        """Run the paths in order; return their sum, added to beta times what was there."""
        self._see_inputs(inputs)
        self.be.fprop_mergesum(
            self, inputs, inference, self.layers, self.outputs, self.out_shape, beta
        )
        return self.outputs

    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
        """Run the paths backwards, the last one first; return `deltas`.

        Args:
            error: gradient of the sum, and so of every path's output.
            alpha: factor of the gradient of the input.
            beta: factor of what `deltas` holds.
        """
        self._see_error(error)
        self.be.bprop_mergesum(self, alpha, beta, self.layers, error, self.deltas)
        return self.deltas


class Residual(MergeSum):
    """y = x + f(x), or y = p(x) + f(x) with a projection p where f changes the shape.

    Args:
        layers: f: a layer, a list of layers or a Sequential; one that ends in place (with an
            activation, a bias) gets a SkipNode at its end.
        projection: p: likewise; None for x itself.
        name: given name, or None.

    Raises:
        ConfigurationError: f changes the shape and there is no projection.

    Example:
        block = Residual(
            [Affine(nout=8, init=Gaussian(), activation=Rectlin()), Affine(nout=3, init=Gaussian())]
        )
        model = Model([block, Activation(Rectlin())])
        model.initialize(train)
        assert model.fprop(x).shape == (3, 4)
    """

    neon_module = "neonport.layers.container"
    way_out = "; give projection=Linear(...) or another layer with that output"

    def __init__(self, layers: Any, projection: Any = None, name: str | None = None) -> None:
        # x last in the backward pass: the first layer of f need not add to what is there
        side = SkipNode() if projection is None else projection
        super().__init__([_addable(side), _addable(layers)], name)

    def get_description(  # type: ignore[override]
        self, get_weights: bool = False, keep_states: bool = False, **kwargs: Any
    ) -> dict[str, Any]:
        """Describe the block: `layers` holds p and f."""
        skip = ("projection", *kwargs.pop("skip", ()))
        return super().get_description(get_weights, keep_states, skip=skip, **kwargs)

    @classmethod
    def gen_class(cls, pdict: dict[str, Any]) -> Any:
        """Build the block from a description's `config`: `layers` holds p and f."""
        config = Builder().arguments(cls, pdict)
        paths = config.pop("layers", None)
        if not isinstance(paths, list) or len(paths) != 2:
            raise ConfigurationError("Residual: the description needs two paths in 'layers'")
        return cls(paths[1], projection=paths[0], **config)


def _addable(layers: Any) -> Sequential:
    """A path whose end adds to what is there."""
    path = layers if isinstance(layers, Sequential) else Sequential(layers)
    last = last_layer(path)
    plain = not isinstance(last, LayerContainer)
    if plain and not (last.owns_output and accepts(last.fprop, "beta")):
        path = Sequential([*path.layers, SkipNode()], path.name)
    return path

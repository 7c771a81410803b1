"""MergeBroadcast and MergeMultistream: paths whose outputs stand side by side."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar

from neonport.errors import ConfigurationError, ShapeError
from neonport.layers.base import Layer
from neonport.layers.checks import label
from neonport.layers.containers.broadcast import Broadcast
from neonport.layers.containers.paths import last_owner, need_one_output, numbers
from neonport.layers.deltas import DeltasTree
from neonport.layers.reshape import View
from neonport.layers.shapes import buffer_shape, interpret_in_shape, is_int, normalize_shape
from neonport.tensor.tensor import Tensor

MERGES = ("depth", "stack", "recurrent")


class MergeBroadcast(Broadcast):
    """The outputs of all paths, side by side in one buffer; every path writes into its slice.

    | merge | `out_shape` | a path's slice |
    |---|---|---|
    | "depth" | (sum of maps, sizes of a map) | its maps (features) |
    | "stack" | sum of the flattened sizes | its rows |
    | "recurrent" | (features, sum of time steps) | its time steps |

    Args:
        layers: one entry a path: a layer, a list of layers or a Sequential.
        merge: row of the table.
        alphas: factors of the input gradients of the paths; None for 1.
        name: given name, or None.

    Raises:
        ConfigurationError: an entry is no path, an unknown merge, or (in `configure`) outputs that
            do not fit side by side.

    Example:
        pair = [Affine(nout=3, init=Gaussian()), Affine(nout=2, init=Gaussian())]
        model = Model([MergeBroadcast(pair, merge="stack")])
        model.initialize(train)
        assert model.fprop(x).shape == (5, 4)
    """

    neon_module = "neon.layers.container"

    def __init__(
        self, layers: Any, merge: str, alphas: Any = None, name: str | None = None
    ) -> None:
        super().__init__(layers, name)
        if merge not in MERGES:
            raise ConfigurationError(
                f"{label(self)}: merge={merge!r} must be one of {', '.join(map(repr, MERGES))}"
            )
        self.merge = merge
        self.alphas = numbers(self, "alphas", alphas, len(self.layers))
        self.betas = [1.0] * len(self.layers)
        self.slices: list[Any] = []
        self._error: Any = None
        self._error_views: list[Any] = []
        self._views: list[View] = []
        self._shapes: list[tuple[int, int]] = []

    def configure(self, in_obj: Any) -> MergeBroadcast:
        """Configure the paths and put their outputs side by side."""
        super().configure(in_obj)
        self.out_shape = self._merged()
        self._error = None
        return self

    def _merged(self) -> Any:
        shapes = [path.out_shape for path in self.layers]
        if self.merge == "stack":
            return sum(prod((shape,) if is_int(shape) else shape) for shape in shapes)
        if self.merge == "recurrent":
            pairs = [interpret_in_shape(shape) for shape in shapes]
            self._need_same([features for features, _ in pairs], "numbers of features", shapes)
            return pairs[0][0], sum(steps for _, steps in pairs)
        rows = [(shape,) if is_int(shape) else shape for shape in shapes]
        self._need_same([shape[1:] for shape in rows], "sizes of a map", shapes)
        total = sum(shape[0] for shape in rows)
        return (total, *rows[0][1:]) if len(rows[0]) > 1 else total

    def _need_same(self, values: Sequence[Any], what: str, shapes: list[Any]) -> None:
        if any(value != values[0] for value in values):
            raise ConfigurationError(
                f"{label(self)}: merge={self.merge!r} puts outputs with the same {what} side by "
                f"side, the paths have the outputs {', '.join(map(str, shapes))}"
            )

    def _sliced(self, whole: Tensor) -> list[Any]:
        """The slices of the paths in a tensor of the merged shape."""
        found, start = [], 0
        for path in self.layers:
            rows, columns = buffer_shape(path.out_shape, self.be.bsz)
            if self.merge == "recurrent":
                found.append(whole[:, start : start + columns])
                start += columns
            else:
                size = rows * columns // whole.shape[1]
                found.append(whole[start : start + size])
                start += size
        return found

    def allocate(
        self, shared_outputs: Tensor | None = None, accumulate_updates: bool = False
    ) -> None:
        """Make the output buffer, and the paths with their slices of it.

        Args:
            shared_outputs: memory for the outputs.
            accumulate_updates: also make what `set_acc_on` needs.
        """
        super().allocate(shared_outputs)
        self.slices = self._sliced(self.outputs)
        self._shapes = [buffer_shape(path.out_shape, self.be.bsz) for path in self.layers]
        self._views = [View() for _ in self.layers]
        for path, part in zip(self.layers, self.slices, strict=True):
            owner = last_owner(path)
            assert owner is not None  # `configure` has seen to it
            fits = part.is_contiguous or buffer_shape(owner.out_shape, self.be.bsz) == part.shape
            path.allocate(
                shared_outputs=part if fits else None, accumulate_updates=accumulate_updates
            )
        self.accumulate_updates = accumulate_updates

    def fprop(self, inputs: Any, inference: bool = False) -> Any:
        """Run the paths in order; return the buffer of all outputs."""
        self._see_inputs(inputs)
        found = self.be.fprop_mergebroadcast(
            self, inputs, inference, self.outputs, self.layers, self.out_shape
        )
        for part, y in zip(self.slices, found, strict=True):
            if y.storage is not part.storage or y.offset != part.offset:  # reshaped by a copy
                part[:] = y if y.shape == part.shape else y.reshape(part.shape)
        return self.outputs

    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
        """Run the paths backwards, each with its slice of the error; return `deltas`.

        Args:
            error: gradient of the merged outputs.
            alpha: factor of the gradient of the input, besides that of the path.
            beta: factor of what `deltas` holds.
        """
        self._see_error(error)
        if self._error is not error:
            self._error, self._error_views = error, self._sliced(error)
        parts = [
            part if part.shape == shape else view(part, shape)
            for view, part, shape in zip(self._views, self._error_views, self._shapes, strict=True)
        ]
        self.be.bprop_mergebroadcast(
            self, self.layers, parts, error, self.deltas, self.out_shape, alpha, beta,
            self.alphas, self.betas,
        )  # fmt: skip
        return self.deltas


class MergeMultistream(MergeBroadcast):
    """A path for each of several inputs, outputs side by side; stands first in a chain.

    Args:
        layers: one entry a path: a layer, a list of layers or a Sequential.
        merge: as of MergeBroadcast.
        name: given name, or None.

    Raises:
        ConfigurationError: as of MergeBroadcast, or (in `configure`) another number of inputs.

    Example:
        paths = [Affine(nout=3, init=Gaussian()), Affine(nout=2, init=Gaussian())]
        model = Model([MergeMultistream(paths, merge="stack"), Affine(nout=2, init=Gaussian())])
        model.initialize([3, 6])  # or an ArrayIterator([X1, X2], ...)
        assert model.fprop([x, be.ones((6, 4))]).shape == (2, 4)
    """

    nest_deltas: ClassVar[bool] = False

    def __init__(self, layers: Any, merge: str, name: str | None = None) -> None:
        super().__init__(layers, merge, name=name)

    def configure(self, in_obj: Any) -> MergeMultistream:
        """Configure each path with its input.

        Args:
            in_obj: a list of shapes, tensors or layers, or a data set with such a `shape`.

        Raises:
            ConfigurationError: this is no list, or of another length than there are paths.
        """
        streams = getattr(in_obj, "shape", None) if not isinstance(in_obj, list) else in_obj
        if isinstance(in_obj, (Layer, Tensor)) or not isinstance(streams, list):
            raise ConfigurationError(
                f"{label(self)}: takes several inputs: stand it first in the model, and give a "
                f"list of {len(self.layers)} shapes, or data with that many inputs, as of "
                "ArrayIterator([X1, X2], ...)"
            )
        if len(streams) != len(self.layers):
            raise ConfigurationError(
                f"{label(self)}: {len(self.layers)} paths, but {len(streams)} inputs ({streams})"
            )
        self.prev_layer = None
        for path, stream in zip(self.layers, streams, strict=True):
            path.configure(stream)
            need_one_output(self, path)
        self.in_shape = [
            normalize_shape(path.in_shape, f"{label(self)}: input") for path in self.layers
        ]
        self.parallelism = self.layers[-1].parallelism
        self.out_shape = self._merged()
        self._error = None
        return self

    def measure_deltas(self, tree: DeltasTree) -> None:
        """Nothing to measure: each path has buffers of its own."""

    def set_deltas(self, delta_buffers: Any) -> None:
        """Make the error buffers of each path."""
        self.deltas = None
        for path in self.layers:
            path.allocate_deltas()

    def _see_inputs(self, inputs: Any) -> None:
        if not isinstance(inputs, (list, tuple)) or len(inputs) != len(self.layers):
            found = len(inputs) if isinstance(inputs, (list, tuple)) else type(inputs).__name__
            raise ShapeError(
                f"{label(self)}: takes a list of {len(self.layers)} inputs, one a path; got {found}"
            )
        self.inputs = inputs

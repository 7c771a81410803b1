"""Layer: the life cycle configure, allocate, allocate_deltas, fprop, bprop; buffers made once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar

from neonport.backends.placement import backend_of
from neonport.base import NervanaObject
from neonport.errors import CheckpointError
from neonport.layers.checks import (
    AccumulationError,
    check_movable,
    label,
    need_backend,
    need_configured,
)
from neonport.layers.parameter_io import describe_entry
from neonport.layers.shapes import buffer_shape, is_flat, normalize_shape
from neonport.layers.shapes import interpret_in_shape as interpret_in_shape
from neonport.tensor.tensor import Tensor

if TYPE_CHECKING:
    from neonport.backends.backend import Backend
    from neonport.layers.deltas import DeltasTree
    from neonport.tensor.backend_protocol import TensorBackend


class Layer(NervanaObject):
    """Base of all layers; a user layer needs `configure`, `fprop` and `bprop`.

    Args:
        name: given name, or None for `<ClassName>_<k>`.
        parallelism: label kept for neon; without effect on one device.

    Attributes:
        in_shape, out_shape: logical shapes, batch excluded; None before `configure`.
        prev_layer, next_layer: neighbours; without a `prev_layer` no input gradient is computed.
        inputs, outputs: tensors of the last `fprop`.
        deltas: gradient with respect to the inputs, what `bprop` returns.
        owns_output, owns_delta: whether the layer has buffers of its own for them, or works in
            place.
        has_params: whether the layer has parameters.

    Example:
        class MultiplyByTwo(Layer):
            def configure(self, in_obj):
                super().configure(in_obj)
                self.out_shape = self.in_shape
                return self

            def fprop(self, inputs, inference=False):
                self.outputs[:] = 2 * inputs
                return self.outputs

            def bprop(self, error):
                error[:] = 2 * error
                return error

        layer = MultiplyByTwo()
        layer.configure(3)
        layer.allocate()
        assert (layer.fprop(x).get() == 2 * x.get()).all()
    """

    be: Backend
    neon_module = "neon.layers.layer"
    nest_deltas: ClassVar[bool] = False  # a first layer is measured too: containers with paths
    is_branch: ClassVar[bool] = False
    _keeps_place: ClassVar[bool] = True
    _not_parts: ClassVar[tuple[str, ...]] = ("prev_layer", "next_layer")

    def __init__(self, name: str | None = None, parallelism: str = "Unknown") -> None:
        super().__init__(name)
        self.parallelism = parallelism
        self.prev_layer: Any = None
        self.next_layer: Any = None
        self.in_shape: Any = None
        self.out_shape: Any = None
        self.inputs: Any = None
        self.outputs: Any = None
        self.deltas: Any = None
        self.has_params = False
        self.owns_output = True
        self.owns_delta = False
        self.revert_list: list[Any] = []
        self.actual_bsz: int | None = None
        self.actual_seq_len: int | None = None
        self.acc_on = False
        self.accumulate_updates: bool | None = None  # None until an allocate that knows of it
        self.acc_params: list[tuple[Tensor, Tensor]] = []
        self.is_mklop = False
        self._frozen = False
        self._in_buffer: tuple[int, int] | None = None
        self._seen_inputs: Any = None
        self._seen_error: Any = None

    # ---- life cycle --------------------------------------------------------------------------

    def set_backend(self, be: TensorBackend | str) -> None:
        """Put this layer, and all in it, on a backend, where it stays; before it has buffers.

        Args:
            be: a backend, or a name such as "opencl:0", as `neonport.on` takes it.

        Raises:
            ConfigurationError: it has buffers or weights on another one, or `be` is no backend.
            UnknownBackendError, BackendUnavailable: there is none of that name, or it cannot be
                used.

        Example:
            layer = Linear(nout=2, init=Gaussian())
            layer.set_backend(be)
            assert layer.configure(3).be is be
        """
        place = backend_of(f"{label(self)}: set_backend", be)
        check_movable(self, (item for item, _ in self._objects_with_backends(place, False)), place)
        super().set_backend(place)

    def configure(self, in_obj: Any) -> Layer:
        """Learn the input shape; subclasses set `out_shape` and return self.

        Args:
            in_obj: the layer below; or a shape (int, tuple, list), a tensor (rows, steps * batch),
                or a data set (anything with `.shape`): then this is the first layer.

        Raises:
            ConfigurationError: the layer below is not configured, or this is not a shape.
        """
        self.prev_layer = None
        if isinstance(in_obj, Layer):
            need_configured(in_obj, f"use as the input of {label(self)}")
            self.prev_layer = in_obj
            self.in_shape = in_obj.out_shape
            if self.parallelism == "Unknown":
                self.parallelism = in_obj.parallelism
        else:
            if isinstance(in_obj, Tensor):
                need_backend(self)
                in_obj = (in_obj.shape[0], in_obj.shape[1] // self.be.bsz)
            shape = getattr(in_obj, "shape", None)
            is_data = shape is not None and shape != ()  # a NumPy integer has the shape ()
            self.in_shape = normalize_shape(shape if is_data else in_obj, f"{label(self)}: input")
        self._seen_inputs = self._seen_error = None
        return self

    def allocate(self, shared_outputs: Tensor | None = None) -> None:
        """Make the output buffer, if the layer owns one and has none yet.

        Args:
            shared_outputs: memory to put the outputs into instead.

        Raises:
            ConfigurationError: `configure` has not been called, or there is no batch size.
        """
        need_configured(self, "allocate")
        need_backend(self)
        if is_flat(self.in_shape):
            self._in_buffer = buffer_shape(self.in_shape, self.be.bsz)
        self._seen_inputs = self._seen_error = None
        if self.outputs is None and self.owns_output:
            self.outputs = self.be.iobuf(
                self.out_shape, shared=shared_outputs, parallelism=self.parallelism
            )

    def allocate_deltas(self, global_deltas: DeltasTree) -> None:
        """Tell the tree of error buffers how much room this layer needs."""
        global_deltas.proc_layer(self)

    def set_deltas(self, delta_buffers: Any) -> None:
        """Take a buffer for `deltas`: the free one of the two that take turns.

        Args:
            delta_buffers: a DeltasTree, or a list of two tensors (or Nones: make new memory).
        """
        buffers = getattr(delta_buffers, "buffers", delta_buffers)
        if not (self.owns_delta and self.prev_layer):
            self.deltas = None
        elif getattr(self.prev_layer, "is_branch", False) and self.prev_layer.deltas is not None:
            self.deltas = self.prev_layer.deltas
        else:
            self.deltas = self.be.iobuf(
                self.in_shape, shared=buffers[0], parallelism=self.parallelism
            )
            buffers.reverse()

    def set_next(self, layer: Layer) -> None:
        """Remember the layer above."""
        self.next_layer = layer

    def fprop(self, inputs: Any, inference: bool = False) -> Any:
        """Compute and return the outputs. Subclasses implement it."""
        raise NotImplementedError(f"{self.classnm} must implement fprop(inputs, inference=False)")

    def _fprop_inference(self, inputs: Any) -> Any:
        raise NotImplementedError(f"{self.classnm} has no inference pass of its own")

    def bprop(self, error: Any) -> Any:
        """Turn the gradient at the outputs into that at the inputs. Subclasses implement it."""
        raise NotImplementedError(f"{self.classnm} must implement bprop(error)")

    def get_terminal(self) -> Any:
        """The layer whose output leaves: self."""
        return self

    # ---- parameters --------------------------------------------------------------------------

    def get_params(self) -> Any:
        """`((parameter, gradient), states)` tuples for the optimizer; none here."""
        return []

    def serialize(self) -> Any:
        """`get_params()` if there are any, else None."""
        return self.get_params() if self.has_params else None

    def take_entries(self, entries: list[dict[str, Any]]) -> tuple[dict[str, Any], int]:
        """Choose from the rest of a checkpoint's list what belongs to this layer.

        Returns:
            The entry to load, and how many were used up (a layer that absorbed another takes two).
        """
        return entries[0], 1

    def check_weights(self, pdict: dict[str, Any], load_states: bool = True) -> None:
        """Raise unless `load_weights` can load a description; nothing is changed.

        A layer that overrides `set_params` or `set_states` says here what they refuse.

        Raises:
            CheckpointError: entries are missing, too many, or do not fit.
        """
        if not isinstance(pdict, dict):
            raise CheckpointError(f"{label(self)}: the entry is a {type(pdict).__name__}, no dict")
        if type(self).set_params is not Layer.set_params:
            return
        for key in ("params", "states"):
            if pdict.get(key):
                raise CheckpointError(
                    f"{label(self)}: the entry ({describe_entry(pdict)}) has {key!r}, this layer "
                    "has none"
                )

    def load_weights(self, pdict: dict[str, Any], load_states: bool = True) -> None:
        """Load parameters, and if wanted the optimizer's states, from a description."""
        self.set_params(pdict)
        if load_states:
            self.set_states(pdict)

    def freeze(self, frozen: bool = True) -> None:
        """Keep the parameters as they are in training, or (False) train them again.

        A frozen layer is left out of `layers_to_optimize` and computes no gradients of its
        parameters; a BatchNorm uses and keeps its running statistics. A chain runs backwards only
        down to its lowest layer that is not frozen. A container freezes all layers below it.

        Example:
            model.initialize(train)
            model.layers.layers[0].freeze()  # keep what the first layer has learnt
            assert model.layers.layers[0] not in model.layers_to_optimize
        """
        self._frozen = frozen

    @property
    def frozen(self) -> bool:
        """Whether the parameters stay as they are; of a container: all that are below it."""
        return self._frozen

    @property
    def trained(self) -> bool:
        """Whether the layer has parameters that training changes."""
        return self.has_params and not self.frozen

    def get_description(self, skip: Iterable[str] = (), **kwargs: Any) -> dict[str, Any]:
        """Describe the layer; a frozen one is marked as such."""
        desc = super().get_description(skip=skip)
        if self.frozen:
            desc["frozen"] = True
        return desc

    def get_param_attrs(self) -> dict[str, Any]:
        """Keyword arguments with which parameter tensors are made."""
        return {
            "parallel": self.parallelism in ("Data", "Model"),
            "distributed": self.parallelism == "Model",
        }

    def set_params(self, pdict: dict[str, Any]) -> None:
        """Load parameters: nothing to load here."""

    def set_states(self, pdict: dict[str, Any]) -> None:
        """Load optimizer states: nothing to load here."""

    def set_batch_size(self, N: int) -> None:
        """Use only the first N samples, in layers that can."""
        self.actual_bsz = N

    def set_seq_len(self, S: int) -> None:
        """Use only the first S time steps, in layers that can."""
        self.actual_seq_len = S

    # ---- accumulating gradients --------------------------------------------------------------

    def set_acc_on(self, acc_on: bool) -> None:
        """Add gradients to those of the call before (True) or replace them (False).

        Raises:
            AccumulationError: (a BufferError) never allocated, so there is nothing to add into.
        """
        if self.accumulate_updates is None:
            raise AccumulationError(
                f"{label(self)}: no buffers to accumulate into; allocate(accumulate_updates=True) "
                "first"
            )
        if self.accumulate_updates:
            self.acc_on = acc_on

    @staticmethod
    def accumulates(bprop: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a `bprop` so that in accumulate mode gradients add up over calls."""

        @wraps(bprop)
        def wrapper(layer: Layer, *args: Any, **kwargs: Any) -> Any:
            if not isinstance(layer, Layer):
                raise TypeError(f"Layer.accumulates decorates methods of layers, not of {layer!r}")
            if not layer.acc_on or layer.frozen:
                return bprop(layer, *args, **kwargs)
            for kept, gradient in layer.acc_params:
                kept[:] = gradient
            result = bprop(layer, *args, **kwargs)
            for kept, gradient in layer.acc_params:
                gradient[:] = gradient + kept
            return result

        return wrapper

    # ---- text and neon's markers -------------------------------------------------------------

    def nested_str(self, level: int = 0) -> str:
        """`str(self)`, indented by two spaces a level."""
        return "  " * level + str(self)

    def __str__(self) -> str:
        return f"{self.classnm} {self.name}"

    def get_is_mklop(self) -> bool:
        """Neon's marker of MKL layers; no numerical meaning."""
        return self.is_mklop

    def set_is_mklop(self) -> None:
        """Set neon's marker."""
        self.is_mklop = True

    def set_not_mklop(self) -> None:
        """Clear neon's marker."""
        self.is_mklop = False

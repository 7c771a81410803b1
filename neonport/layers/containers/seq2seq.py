"""Seq2Seq: an encoder reads a sequence, a decoder writes one from what was read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from neonport.errors import ConfigurationError, ShapeError
from neonport.foundation.descriptions import Builder
from neonport.layers.base import Layer
from neonport.layers.branch import unify_branches
from neonport.layers.checks import label
from neonport.layers.containers.encoder_decoder import Decoder, Encoder
from neonport.layers.layer_container import LayerContainer
from neonport.layers.lookup import LookupTable
from neonport.layers.sequential import Sequential
from neonport.layers.shapes import is_flat, is_int, normalize_shape
from neonport.tensor.tensor import Tensor


class Seq2Seq(LayerContainer):
    """An encoder that reads a sequence and a decoder that writes one.

    The last hidden states of the encoder are the first ones of the decoder; cells of an LSTM are
    not handed over. In training `fprop` takes a pair: the sequence to read, and the inputs of the
    decoder, commonly its targets one step late. In inference the decoder goes on from its own
    outputs, and of a pair only the first is read.

    Args:
        layers: [encoder, decoder], each a container of its class, a layer or a list of layers.
        decoder_connections: for each recurrent layer of the decoder, from the lowest up, which one
            of the encoder gives it its state; None for zero. Default one to one.
        name: given name, or None.

    Attributes:
        encoder, decoder: the two.
        layers: the layers of both in one list.
        hasLUT: whether the encoder reads ids: its first layer is a LookupTable.

    Raises:
        ConfigurationError: not two chains of layers, or connections that do not fit them.

    Example:
        init = Gaussian()
        read = GRU(5, init, activation=Tanh(), gate_activation=Logistic(), reset_cells=True)
        write = GRU(5, init, activation=Tanh(), gate_activation=Logistic(), reset_cells=True)
        model = Model(Seq2Seq([read, [write, Affine(3, init, activation=Softmax())]]))
        model.initialize([(3, 2), (3, 2)])  # 3 letters, 2 steps, for both
        letters = be.ones((3, 2 * 4))
        assert model.fprop((letters, letters)).shape == (3, 2 * 4)
        assert model.fprop(letters, inference=True).shape == (3, 2 * 4)
    """

    described_parts: ClassVar[tuple[str, ...]] = ("num_encoder_layers", "start_index")

    def __init__(
        self,
        layers: Any,
        decoder_connections: list[Any] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        halves = list(layers) if isinstance(layers, Iterable) else [layers]
        if len(halves) != 2:
            raise ConfigurationError(
                f"{label(self)}: layers has {len(halves)} entries; give [encoder, decoder]"
            )
        self.encoder = self._half(halves[0], Encoder)
        self.decoder = self._half(halves[1], Decoder)
        self.layers = [*self.encoder.layers, *self.decoder.layers]
        if len({id(layer) for layer in self.layers}) < len(self.layers):
            raise ConfigurationError(
                f"{label(self)}: encoder and decoder share a layer, but a layer has one set of "
                "buffers; make a second one"
            )
        self.decoder_connections = self._connections(decoder_connections)
        self.hasLUT = isinstance(self.encoder.layers[0], LookupTable)

    def _half(self, given: Any, kind: type) -> Any:
        if type(given) is Sequential:
            given = given.layers
        if isinstance(given, kind):
            return given
        if isinstance(given, (Encoder, Decoder)):
            raise ConfigurationError(
                f"{label(self)}: {label(given)} stands where the {kind.__name__} belongs; give "
                "[encoder, decoder]"
            )
        return kind(given)

    def _connections(self, given: Any) -> list[int | None]:
        read, write = self.encoder.recurrent, self.decoder.recurrent
        if given is None:
            if len(read) != len(write):
                raise ConfigurationError(
                    f"{label(self)}: the encoder has {len(read)} recurrent layers, the decoder "
                    f"{len(write)}; say by decoder_connections which one gives its state to each "
                    "of the decoder"
                )
            given = range(len(write))
        found = list(given) if isinstance(given, Iterable) else [given]
        fits = [i is None or (is_int(i) and 0 <= i < len(read)) for i in found]
        if len(found) != len(write) or not all(fits):
            raise ConfigurationError(
                f"{label(self)}: decoder_connections={given!r} must be a list of {len(write)} "
                f"entries, one for each recurrent layer of the decoder: 0 to {len(read) - 1}, a "
                "recurrent layer of the encoder, or None"
            )
        for i, layer in zip(found, write, strict=True):
            if i is not None and read[i].nout != layer.nout:
                raise ConfigurationError(
                    f"{label(self)}: {label(read[i])} has {read[i].nout} units, its state is for "
                    f"{label(layer)} with {layer.nout}; give both as many, or other "
                    "decoder_connections"
                )
        return [None if i is None else int(i) for i in found]

    @property
    def inference_shape(self) -> Any:
        """Logical shape of what is read in inference: that of the encoder's inputs."""
        return self.encoder.in_shape

    # ---- life cycle --------------------------------------------------------------------------

    def configure(self, in_obj: Any) -> Seq2Seq:
        """Configure encoder and decoder.

        Args:
            in_obj: a data set with `decoder_shape`, or with a list of two shapes as `shape`; such a
                list; or a tuple of four numbers, both shapes.

        Raises:
            ConfigurationError: it says no two shapes.
        """
        shapes = self._shapes(in_obj)
        self.prev_layer = None
        for half, shape in zip((self.encoder, self.decoder), shapes, strict=True):
            flat = normalize_shape(shape, f"{label(self)}: input")
            half.configure((flat, 1) if is_int(flat) else flat)
        self.in_shape = [self.encoder.in_shape, self.decoder.in_shape]
        self.out_shape = self.decoder.out_shape
        self.parallelism = self.decoder.parallelism
        return self

    def _shapes(self, in_obj: Any) -> list[Any]:
        found = None if isinstance(in_obj, (Layer, Tensor)) else getattr(in_obj, "shape", in_obj)
        if found is not None and getattr(in_obj, "decoder_shape", None) is not None:
            return [found, in_obj.decoder_shape]
        if isinstance(found, (tuple, list)):
            if len(found) == 4 and all(is_int(n) for n in found):
                return [tuple(found[:2]), tuple(found[2:])]
            if len(found) == 2 and all(is_flat(s) and not is_int(s) for s in map(_tuple, found)):
                return [_tuple(shape) for shape in found]
        what = label(in_obj) if isinstance(in_obj, Layer) else found
        raise ConfigurationError(
            f"{label(self)}: reads {what}; it stands first and needs two shapes, of what the "
            "encoder reads and of what the decoder is given: [(F, T), (F, T)], or data with two "
            "inputs, or with a decoder_shape"
        )

    def allocate(
        self, shared_outputs: Tensor | None = None, accumulate_updates: bool = False
    ) -> None:
        """Make the buffers of both, decoder first.

        Args:
            shared_outputs: memory for the outputs of the decoder.
            accumulate_updates: also make what `set_acc_on` needs.
        """
        self.decoder.allocate(shared_outputs, accumulate_updates)
        self.encoder.allocate(None, accumulate_updates)
        self.accumulate_updates = accumulate_updates

    def set_deltas(self, delta_buffers: Any) -> None:
        """Give all members their error buffers."""
        super().set_deltas(delta_buffers)
        self.encoder.make_error()

    def get_terminal(self) -> Any:
        """The terminal of the decoder."""
        return self.decoder.get_terminal()

    # ---- propagation -------------------------------------------------------------------------

    def encode(self, inputs: Any) -> list[Any]:
        """Read sequences for inference.

        Args:
            inputs: what the encoder reads, or a pair of which the first is.

        Returns:
            For each recurrent layer of the decoder its first hidden state, or None for zero.
        """
        read = inputs[0] if isinstance(inputs, (tuple, list)) else inputs
        self.encoder.fprop(read, inference=True)
        return self._handed_over()

    def _handed_over(self) -> list[Any]:
        states = self.encoder.get_final_hidden()
        return [None if i is None else states[i] for i in self.decoder_connections]

    def fprop(self, inputs: Any, inference: bool = False, beta: float = 0.0) -> Any:
        """Read a sequence and write one; return the outputs of the decoder.

        Args:
            inputs: training: the inputs of the encoder and of the decoder; inference: those of the
                encoder (of a pair, the first).
            inference: let the decoder go on from its own outputs.
            beta: as of Sequential; in training only.

        Raises:
            ConfigurationError: training without a pair.
        """
        self.inputs = inputs
        if inference:
            self.outputs = self.decoder.generate(self.encode(inputs))
            return self.outputs
        if not isinstance(inputs, (tuple, list)) or len(inputs) != 2:
            found = len(inputs) if isinstance(inputs, (tuple, list)) else type(inputs).__name__
            raise ConfigurationError(
                f"{label(self)}: fprop in training takes a pair, inputs of the encoder and of the "
                f"decoder, got {found}; data need two inputs, ArrayIterator([x, z], ...)"
            )
        read, given = inputs
        self.encoder.fprop(read)
        self.outputs = self.decoder.fprop(given, beta=beta, init_states=self._handed_over())
        return self.outputs

    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
        """Run the decoder backwards, then the encoder from the gradients at its last states.

        Args:
            error: gradient at the outputs of the decoder.
            alpha, beta: as of Sequential, where the encoder begins.

        Returns:
            The gradient at the inputs of the encoder, None if nobody needs it.

        Raises:
            ShapeError: `error` has not the shape of the outputs.
        """
        if not isinstance(error, Tensor) or error.shape != self.decoder.layers[-1].outputs.shape:
            raise ShapeError(
                f"{label(self)}: the error has the shape {getattr(error, 'shape', None)}, the "
                f"outputs {self.decoder.layers[-1].outputs.shape}; they must agree"
            )
        self.decoder.needs_states = needed = self.encoder.trained or bool(
            self.encoder.layers[0].prev_layer
        )
        self.decoder.bprop(error)
        if not needed:
            return self.encoder.layers[0].deltas
        errors: list[list[Tensor]] = [[] for _ in self.encoder.recurrent]
        found = self.decoder.get_final_hidden_errors()
        for i, gradient in zip(self.decoder_connections, found, strict=True):
            if i is not None:
                errors[i].append(gradient)
        return self.encoder.bprop_states(errors, alpha, beta)

    # ---- description -------------------------------------------------------------------------

    def get_description(  # type: ignore[override]
        self, get_weights: bool = False, keep_states: bool = False, **kwargs: Any
    ) -> dict[str, Any]:
        """Describe both: their layers in one list, and how many of them are the encoder's."""
        desc = super().get_description(get_weights, keep_states, **kwargs)
        desc["config"]["num_encoder_layers"] = len(self.encoder.layers)
        if self.decoder.start_index is not None:
            desc["config"]["start_index"] = self.decoder.start_index
        return desc

    @classmethod
    def gen_class(cls, pdict: dict[str, Any]) -> Any:
        """Build both from a description's `config`, which may also be one that neon wrote.

        Raises:
            ConfigurationError: the number of the encoder's layers makes no sense.
        """
        config = Builder().arguments(cls, dict(pdict))
        layers = config.pop("layers", None)
        count, start = config.pop("num_encoder_layers", None), config.pop("start_index", None)
        if not isinstance(layers, list) or not (is_int(count) and 0 < count < len(layers)):
            raise ConfigurationError(
                f"{cls.__name__}: num_encoder_layers={str(count)[:80]!r} must be an integer from 1 "
                "to less than the number of layers"
            )
        halves = [Encoder(layers[:count]), Decoder(layers[count:], start_index=start)]
        container = cls(layers=halves, **config)
        unify_branches([container])
        return container


def _tuple(shape: Any) -> Any:
    return tuple(shape) if isinstance(shape, list) else shape

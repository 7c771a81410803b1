"""SkipThought: a sentence is read, the one before it and the one after it are written."""

from __future__ import annotations

from typing import Any

from neonport.errors import ConfigurationError
from neonport.foundation.descriptions import load_class
from neonport.layers.checks import accepts, label
from neonport.layers.compound import Affine
from neonport.layers.deltas import DeltasTree
from neonport.layers.layer_container import LayerContainer
from neonport.layers.lookup import LookupTable
from neonport.layers.recurrent.recurrent import Recurrent
from neonport.layers.recurrent.steps import get_steps
from neonport.layers.sequential import flatten
from neonport.layers.shapes import is_flat, is_int
from neonport.tensor.tensor import Tensor
from neonport.transforms import Softmax

_MEMBERS = 12


class SkipThought(LayerContainer):
    """Sentence vectors (Kiros et al., 2015): what is read must foretell the sentences around it.

    One recurrent layer reads a sentence. Its last hidden state is the first one of two others: each
    is given a neighbour of the sentence, one step late, and foretells the neighbour's words. Inputs
    are ids, (steps, batch) each, in a list: the sentence, the one before, the one after; the id 0
    is padding. Outputs are a list: word probabilities (vocab_size, steps * batch) of both.

    The tables of the three inputs get the mean of their gradients, and so do the two output layers.

    Args:
        vocab_size: number of words.
        embed_dim: size of a word's vector.
        init_embed: initializer of the tables.
        nhidden: units of each recurrent layer.
        rec_layer: class of the recurrent layers: GRU, LSTM or Recurrent (also its dotted path).
        init_rec: initializer of the recurrent weights.
        activ_rec: their activation.
        activ_rec_gate: that of their gates; not for Recurrent.
        init_ff: initializer of input weights and of the output layers.
        init_const: initializer of the output layers' bias.
        layers: the 12 members of a description, in the order of `layers`; None makes new ones.
        name: given name, or None.

    Attributes:
        layers: tables (read, before, after), encoder, decoders (before, after), the three layers of
            each output.
        layer_dict: "lookupTable", "encoder", "decoder_previous", "decoder_next", "affine".

    Raises:
        ConfigurationError: `rec_layer` is no recurrent layer, or `layers` are not these.

    Example:
        init, gate = Uniform(-0.1, 0.1), Logistic()
        net = SkipThought(9, 3, init, 5, GRU, init, Tanh(), gate, init, Constant(0))
        model = Model(net)
        model.initialize((2, 1))  # sentences of two words
        words = be.ones((2, 4))
        before, after = model.fprop([words, words, words])
        assert before.shape == after.shape == (9, 2 * 4)
    """

    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        init_embed: Any,
        nhidden: int,
        rec_layer: Any,
        init_rec: Any,
        activ_rec: Any,
        activ_rec_gate: Any,
        init_ff: Any,
        init_const: Any,
        layers: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.vocab_size, self.embed_dim, self.nhidden = vocab_size, embed_dim, nhidden
        self.init_embed, self.init_rec = init_embed, init_rec
        self.activ_rec, self.activ_rec_gate = activ_rec, activ_rec_gate
        self.init_ff, self.init_const = init_ff, init_const
        self.rec_layer = self._recurrent_class(rec_layer)
        members: list[Any] = [] if layers is None else flatten(layers, label(self))
        self.layers = members if layers is not None else self._new_members()
        kinds: list[type] = [LookupTable] * 3 + [self.rec_layer] * 3
        fits = [isinstance(x, kind) for x, kind in zip(self.layers, kinds, strict=False)]
        if len(self.layers) != _MEMBERS or not all(fits):
            raise ConfigurationError(
                f"{label(self)}: layers must be three LookupTables, three "
                f"{self.rec_layer.__name__}s and twice the three layers of an Affine, got "
                f"{', '.join(type(x).__name__ for x in self.layers)}"
            )
        self._tables = self.layers[:3]
        self._encoder = self.layers[3]
        self._decoders = self.layers[4:6]
        self._ends = [self.layers[6:9], self.layers[9:]]
        self.layer_dict = {
            "lookupTable": self._tables[0],
            "encoder": self._encoder,
            "decoder_previous": self._decoders[0],
            "decoder_next": self._decoders[1],
            "affine": self._ends[0],
        }
        self._error: Any = None

    def _recurrent_class(self, given: Any) -> type:
        found = load_class(given, "layer") if isinstance(given, str) else given
        if not (isinstance(found, type) and issubclass(found, Recurrent)):
            raise ConfigurationError(
                f"{label(self)}: rec_layer={str(given)[:80]!r} must be a class: GRU, LSTM or "
                "Recurrent"
            )
        return found

    def _new_members(self) -> list[Any]:
        tables = [
            LookupTable(self.vocab_size, self.embed_dim, self.init_embed, pad_idx=0, name=name)
            for name in ("lookup_source", "lookup_previous", "lookup_next")
        ]
        gates = {"gate_activation": self.activ_rec_gate}
        kwargs = gates if accepts(self.rec_layer, "gate_activation") else {}
        recurrent = [
            self.rec_layer(
                self.nhidden,
                self.init_ff,
                init_inner=self.init_rec,
                activation=self.activ_rec,
                reset_cells=True,
                name=name,
                **kwargs,
            )
            for name in ("encoder", "decoder_previous", "decoder_next")
        ]
        ends = [
            Affine(
                self.vocab_size, self.init_ff, bias=self.init_const, activation=Softmax(), name=name
            )
            for name in ("affine_previous", "affine_next")
        ]
        return [*tables, *recurrent, *flatten(ends, label(self))]

    # ---- life cycle --------------------------------------------------------------------------

    def configure(self, in_obj: Any) -> SkipThought:
        """Configure all members.

        Args:
            in_obj: data whose `shape` is that of a sentence, T or (T, 1), or a list of three of
                them; or such a shape.

        Raises:
            ConfigurationError: another number of shapes, or neighbours of different lengths.
        """
        found = getattr(in_obj, "shape", in_obj)
        one = is_flat(found) or (isinstance(found, list) and all(is_int(n) for n in found))
        shapes = [found] * 3 if one else list(found) if isinstance(found, (list, tuple)) else []
        if len(shapes) != 3:
            raise ConfigurationError(
                f"{label(self)}: reads {str(found)[:80]}; it stands first and reads three "
                "sentences: give the shape (T, 1) of all, or a list of three"
            )
        self.prev_layer = None
        for table, shape in zip(self._tables, shapes, strict=True):
            table.configure(shape)
        self._chain(self._tables[0], [self._encoder])
        for table, decoder, end in zip(self._tables[1:], self._decoders, self._ends, strict=True):
            self._chain(table, [decoder, *end])
        self.in_shape = [table.in_shape for table in self._tables]
        self.out_shape = [end[-1].out_shape for end in self._ends]
        return self

    @staticmethod
    def _chain(below: Any, layers: list[Any]) -> None:
        for layer in layers:
            layer.configure(below)
            below.set_next(layer)
            below = layer

    def allocate(self, accumulate_updates: bool = False) -> None:  # type: ignore[override]
        """Make the buffers of all members; the two output layers begin with the same weights.

        Args:
            accumulate_updates: also make what `set_acc_on` needs.
        """
        fresh = self._ends[0][0].W is None
        for layer in self.layers:
            more = accepts(layer.allocate, "accumulate_updates")
            layer.allocate(**{"accumulate_updates": accumulate_updates} if more else {})
        if fresh:
            self._ends[0][0].W[:] = self._ends[1][0].W
        self.accumulate_updates = accumulate_updates

    def set_deltas(self, delta_buffers: DeltasTree | list[Any]) -> None:
        """Give all members their error buffers: those that follow each other take turns."""
        for table, decoder, end in zip(self._tables[1:], self._decoders, self._ends, strict=True):
            for layer in (table, decoder, *end):
                layer.set_deltas(delta_buffers)
        for layer in (self._tables[0], self._encoder):
            layer.set_deltas(delta_buffers)
        if self._error is None:
            self._error = self.be.iobuf(self._encoder.out_shape)

    def get_terminal(self) -> list[Any]:
        """The last layers of both outputs."""
        return [end[-1].get_terminal() for end in self._ends]

    # ---- propagation -------------------------------------------------------------------------

    def fprop(self, inputs: Any, inference: bool = False) -> Any:
        """Read a sentence and foretell its neighbours; return the list of both.

        Args:
            inputs: list of ids: the sentence, the one before and the one after, one step late.
            inference: handed to all members.

        Raises:
            ConfigurationError: not three inputs.
        """
        if not isinstance(inputs, (list, tuple)) or len(inputs) != 3:
            found = len(inputs) if isinstance(inputs, (list, tuple)) else type(inputs).__name__
            raise ConfigurationError(
                f"{label(self)}: fprop takes a list of three inputs, a sentence, the one before "
                f"and the one after, got {found}"
            )
        self.inputs = inputs
        self._encoder.fprop(self._tables[0].fprop(inputs[0], inference), inference)
        state = self._encoder.final_state()
        self.outputs = []
        for ids, table, decoder, end in zip(
            inputs[1:], self._tables[1:], self._decoders, self._ends, strict=True
        ):
            y = decoder.fprop(table.fprop(ids, inference), inference, init_state=state)
            for layer in end:
                y = layer.fprop(y, inference)
            self.outputs.append(y)
        return self.outputs

    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> None:
        """Run the decoders backwards, then the encoder; average what belongs together.

        Args:
            error: list of the gradients of both outputs.
            alpha, beta: without effect: ids have no gradient.

        Raises:
            ConfigurationError: not two errors.
        """
        if not isinstance(error, (list, tuple)) or len(error) != 2:
            found = len(error) if isinstance(error, (list, tuple)) else type(error).__name__
            raise ConfigurationError(
                f"{label(self)}: bprop takes a list of two errors, got {found}; use a Multicost "
                "with two costs"
            )
        for e, table, decoder, end in zip(
            error, self._tables[1:], self._decoders, self._ends, strict=True
        ):
            for layer in (*reversed(end), decoder, table):
                e = layer.bprop(e)
        first, second = (decoder.get_final_hidden_error() for decoder in self._decoders)
        read, e = self._encoder, self._error
        e[:] = 0
        get_steps(e, (read.nout, read.nsteps))[read._steps - 1][:] = first + second
        self._tables[0].bprop(read.bprop(e))
        for layers in (self._tables, *zip(*self._ends, strict=True)):
            self._average([layer for layer in layers if layer.trained])

    def _average(self, layers: list[Any]) -> None:
        """Replace the gradients of some layers by their mean."""
        if len(layers) > 1:
            mean = sum((layer.dW for layer in layers[1:]), start=layers[0].dW) * (1 / len(layers))
            self.be.assign_many([(layer.dW, mean) for layer in layers])

    # ---- description -------------------------------------------------------------------------

    def get_description(  # type: ignore[override]
        self, get_weights: bool = False, keep_states: bool = False, **kwargs: Any
    ) -> dict[str, Any]:
        """Describe the members; the class of the recurrent layers is described by its path."""
        desc = super().get_description(get_weights, keep_states, **kwargs)
        config = desc["config"]
        config["rec_layer"] = self._encoder.modulenm
        for key, value in config.items():
            if isinstance(value, Tensor):
                config[key] = value.get()
        return desc

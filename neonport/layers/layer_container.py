"""LayerContainer: what all containers share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from neonport.errors import CheckpointError
from neonport.layers.base import Layer
from neonport.layers.branch import unify_branches
from neonport.layers.checks import AccumulationError, label
from neonport.layers.deltas import DeltasTree
from neonport.layers.parameter_io import describe_entry

SHOWN = 40  # entries of a file that an error lists


class LayerContainer(Layer):
    """A layer made of layers, in the list `layers`.

    Args:
        name: given name, or None.
    """

    neon_module = "neon.layers.container"
    mixes: ClassVar[bool] = False  # whether its members may be on several backends

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self.layers: list[Any] = []
        self.global_deltas: DeltasTree | None = None

    @property
    def layers_to_optimize(self) -> list[Layer]:
        """All layers with parameters, frozen ones and those with an IdentityInit left out."""
        found: list[Layer] = []
        for layer in self.layers:
            if isinstance(layer, LayerContainer):
                found.extend(layer.layers_to_optimize)
            elif layer.has_params and not layer.frozen:
                init_name = getattr(getattr(layer, "init", None), "name", None)
                if not (isinstance(init_name, str) and init_name == "Identity"):
                    found.append(layer)
        return found

    def freeze(self, frozen: bool = True) -> None:
        """Freeze, or train again, all layers below; see `Layer.freeze`."""
        for layer in self.layers:
            layer.freeze(frozen)

    @property
    def frozen(self) -> bool:
        """Whether there are layers with parameters below, and all of them are frozen."""
        inner = [layer for layer in self.layers_fprop() if layer.has_params]
        return bool(inner) and all(layer.frozen for layer in inner)

    @property
    def trained(self) -> bool:
        """Whether a layer below has parameters that training changes."""
        return any(layer.trained for layer in self.layers)

    def freeze_as(self, entry: dict[str, Any]) -> None:
        """Freeze the layers that are marked as frozen in a description of this container."""
        for layer, member in self._pairs(entry):
            if isinstance(layer, LayerContainer):
                layer.freeze_as(member)
            elif member.get("frozen") is True:
                layer.freeze()

    def layers_fprop(self) -> Iterator[Layer]:
        """Every layer below, each before its members."""
        for layer in self.layers:
            yield layer
            if isinstance(layer, LayerContainer):
                yield from layer.layers_fprop()

    def layers_bprop(self) -> Iterator[Layer]:
        """Every layer below in reverse order, each after its members."""
        for layer in reversed(self.layers):
            if isinstance(layer, LayerContainer):
                yield from layer.layers_bprop()
            yield layer

    # ---- description and weights -------------------------------------------------------------

    def get_description(  # type: ignore[override]
        self, get_weights: bool = False, keep_states: bool = False, **kwargs: Any
    ) -> dict[str, Any]:
        """Describe the container and its members, with their weights if wanted."""
        skip = ("layers", *kwargs.pop("skip", ()))
        desc = super().get_description(skip=skip, **kwargs)
        desc["container"] = True
        desc["config"]["layers"] = [
            layer.get_description(get_weights=get_weights, keep_states=keep_states)
            for layer in self.layers
        ]
        return desc

    @classmethod
    def gen_class(cls, pdict: dict[str, Any]) -> Any:
        """Build container and members from a description's `config`."""
        container = super().gen_class(pdict)
        unify_branches([container])
        return container

    def check_weights(self, pdict: dict[str, Any], load_states: bool = True) -> None:
        """Raise unless `load_weights` can load a description; nothing is changed.

        Raises:
            CheckpointError: another number of layers, or an entry that does not fit its layer.
        """
        for layer, entry in self._pairs(pdict):
            layer.check_weights(entry, load_states)

    def load_weights(self, pdict: dict[str, Any], load_states: bool = True) -> None:
        """Load members by position; names are ignored, the description is not changed.

        Raises:
            CheckpointError: another number of layers, or an entry that does not fit its layer; no
                layer has been changed.
        """
        self.check_weights(pdict, load_states)
        for layer, entry in self._pairs(pdict):
            layer.load_weights(entry, load_states)

    def _pairs(self, pdict: dict[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
        """Pair the members with the stored ones, by position."""
        config = pdict.get("config") if isinstance(pdict, dict) else None
        entries = config.get("layers") if isinstance(config, dict) else None
        if not isinstance(entries, list):
            raise CheckpointError(
                f"{label(self)}: the entry has no config.layers; is it a container's?"
            )
        for entry in entries:
            if not isinstance(entry, dict) or not isinstance(entry.get("config", {}), dict):
                raise CheckpointError(f"{label(self)}: {str(entry)[:80]!r} describes no layer")
        pairs, rest = [], list(entries)
        for layer in self.layers:
            if not rest:
                break
            entry, used = layer.take_entries(rest)
            pairs.append((layer, entry))
            rest = rest[used:]
        if rest or len(pairs) < len(self.layers):
            more = ", ..." if len(entries) > SHOWN else ""
            stored = ", ".join(describe_entry(entry) for entry in entries[:SHOWN]) + more
            raise CheckpointError(
                f"{label(self)} has {len(self.layers)} layers, the file {len(entries)} ({stored}); "
                "build the model as it was when saved"
            )
        return pairs

    # ---- calls handed down -------------------------------------------------------------------

    def propagate_parallelism(self, p: str) -> None:
        """Set the label on all layers below except those with "Disabled"."""
        for layer in self.layers:
            if layer.parallelism != "Disabled":
                layer.parallelism = p
            if isinstance(layer, LayerContainer):
                layer.propagate_parallelism(p)

    def revert_tensors(self) -> None:
        """Neon's multi-device hook, handed down."""
        for layer in self.layers:
            if isinstance(layer, LayerContainer):
                layer.revert_tensors()
            for tensor in layer.revert_list:
                self.be.revert_tensor(tensor)

    def set_batch_size(self, N: int) -> None:
        """Use only the first N samples, in layers that can."""
        super().set_batch_size(N)
        for layer in self.layers:
            layer.set_batch_size(N)

    def set_seq_len(self, S: int) -> None:
        """Use only the first S time steps, in layers that can."""
        super().set_seq_len(S)
        for layer in self.layers:
            layer.set_seq_len(S)

    def allocate_deltas(self, global_deltas: DeltasTree | None = None) -> None:
        """Make and hand out error buffers.

        Args:
            global_deltas: None: a tree of our own does everything now. A tree without buffers only
                measures; whoever made it calls its `allocate_buffers` and our `set_deltas`. A tree
                with buffers is handed out.
        """
        tree = DeltasTree() if global_deltas is None else global_deltas
        self.global_deltas = tree
        if global_deltas is None or tree.buffers[0] is None:
            self.measure_deltas(tree)
        if global_deltas is None:
            tree.allocate_buffers()
        if global_deltas is None or tree.buffers[0] is not None:
            self.set_deltas(tree)

    def measure_deltas(self, tree: DeltasTree) -> None:
        """Tell the tree of error buffers how much room the members need."""
        for layer in self.layers:
            if layer.prev_layer or layer.nest_deltas:
                layer.allocate_deltas(tree.at(layer.be))

    def set_deltas(self, delta_buffers: Any) -> None:
        """Give all members their error buffers."""
        at = getattr(delta_buffers, "at", None)
        for layer in self.layers:
            layer.set_deltas(at(layer.be) if at else delta_buffers)

    def set_acc_on(self, acc_on: bool) -> None:
        """Switch accumulating on all members that can.

        Raises:
            AccumulationError: (a BufferError) the container was never allocated.
        """
        if self.accumulate_updates is None:
            raise AccumulationError(
                f"{label(self)}: never allocated; allocate(accumulate_updates=True) first"
            )
        for layer in self.layers:
            if layer.accumulate_updates is not None:
                layer.set_acc_on(acc_on)

    def nested_str(self, level: int = 0) -> str:
        """Class name, then the members, indented one level more."""
        lines = ["  " * level + self.classnm]
        return "\n".join(lines + [layer.nested_str(level + 1) for layer in self.layers])

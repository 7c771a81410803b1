"""One recurrence over the steps of a sequence, in buffers made once: the part without parameters.

A recurrence reads z, what the inputs of all steps give to the gates, and writes its result, blocks
of as many rows as there are units, the hidden state first. Where ops know the activations, a pass
is one call; any other `Transform` runs as a few fused statements a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from neonport.layers.recurrent.steps import get_steps
from neonport.tensor.tensor import Tensor
from neonport.transforms import Identity, Logistic, Rectlin, Tanh

Product = tuple[Tensor, Tensor, Tensor]  # a, b and c of c = a @ b
Start = Sequence[Any]  # the states before the first step: tensors (units, batch), or 0.0


def op_activation(transform: Any) -> str | None:
    """Name under which ops know an activation, None if they do not.

    A subclass may compute anything, so only neon's own classes count.
    """
    kind = type(transform)
    if kind is Tanh:
        return "tanh"
    if kind is Identity:
        return "identity"
    if kind is Logistic:
        return None if transform.shortcut else "logistic"
    return "rectlin" if kind is Rectlin and not transform.slope else None


class Recurrence:
    """h = act(z + w @ h' + b): a simple recurrence, and the base of those with gates.

    Args:
        be: backend.
        units: rows of a state.
        steps: most steps of a sequence.
        activation, gate_activation: Transforms; without gates the second is None.
        reverse: from the last step to the first.

    Attributes:
        z: (gates * units, steps * batch), contributions of the inputs.
        result: (blocks * units, steps * batch).
        dz: (gates * units, (steps + 1) * batch): gradient of z, behind the last step that of the
            start.
        w, b: recurrent weights (gates * units, units) and bias (gates * units, 1).
    """

    gates: ClassVar[int] = 1
    blocks: ClassVar[int] = 1
    states: ClassVar[int] = 1

    def __init__(
        self,
        be: Any,
        units: int,
        steps: int,
        activation: Any,
        gate_activation: Any = None,
        reverse: bool = False,
    ) -> None:
        self.be, self.units, self.steps, self.reverse = be, units, steps, reverse
        self.activation, self.gate_activation = activation, gate_activation
        self.options: dict[str, Any] | None = None
        given = {"activation": activation, "gate_activation": gate_activation}
        names = {key: op_activation(value) for key, value in given.items() if value is not None}
        if None not in names.values():
            self.options = {**names, "reverse": reverse}
        self.z: Any = None
        self.result: Any = None
        self.dz: Any = None
        self.w: Any = None
        self.b: Any = None
        self._cuts: dict[tuple[str, int, int, int, int], Tensor] = {}
        self._apart: dict[tuple[str, int, int], list[Any]] = {}

    def bind(self, z: Tensor, result: Tensor, dz: Tensor, w: Tensor, b: Tensor) -> None:
        """Use these buffers; see the class."""
        self.z, self.result, self.dz, self.w, self.b = z, result, dz, w, b
        self._cuts.clear()
        self._apart.clear()

    # ---- views -------------------------------------------------------------------------------

    def cut(self, buffer: str, first: int, last: int, top: int = 0, below: int = 0) -> Tensor:
        """Columns of the steps `first` to before `last` of a buffer.

        Args:
            buffer: "z", "result" or "dz".
            first, last: steps.
            top, below: rows from the first to before the second, 0 for all.
        """
        key = buffer, first, last, top, below
        if key not in self._cuts:
            whole = getattr(self, buffer)
            size = self.z.shape[1] // self.steps
            columns = slice(first * size, last * size)
            self._cuts[key] = whole[top : below or whole.shape[0], columns]
        return self._cuts[key]

    def block(self, buffer: str, first: int, last: int) -> list[Any]:
        """Views of the steps of the blocks `first` to before `last` of a buffer."""
        key = buffer, first, last
        if key not in self._apart:
            whole = getattr(self, buffer)
            rows = whole[first * self.units : last * self.units]
            steps = self.steps + (buffer == "dz")
            self._apart[key] = get_steps(rows, (rows.shape[0], steps))
        return self._apart[key]

    def order(self, steps: int) -> range:
        """The steps as the recurrence takes them."""
        return range(steps)[::-1] if self.reverse else range(steps)

    def last(self, state: int, steps: int) -> Tensor:
        """A state (0 hidden, 1 cells) behind the last of `steps` steps, (units, batch)."""
        t = self.order(steps)[-1]
        view: Tensor = self.block("result", state, state + 1)[t]
        return view

    # ---- passes ------------------------------------------------------------------------------

    def forward(self, start: Start, steps: int) -> None:
        """Fill the first `steps` steps of `result` from z."""
        if self.options is None:
            self._forward_by_steps(start, steps)
        else:
            self.cut("result", 0, steps)[:] = self._forward(start, steps)

    def backward(self, error: Tensor, start: Start, steps: int) -> None:
        """Fill the first `steps` + 1 steps of `dz` from the gradient at the hidden states.

        Args:
            error: (units, steps * batch).
            start: the start as far as gradients count it, 0.0 for what they leave out.
            steps: steps of the sequence.
        """
        if self.options is None:
            self._backward_by_steps(get_steps(error, (self.units, steps)), start, steps)
        else:
            self.cut("dz", 0, steps + 1)[:] = self._backward(error, start, steps)

    def weight_gradients(
        self, dw: Tensor, start: Start, steps: int, rows: int | None = None
    ) -> list[Product]:
        """The products that fill the gradient of the recurrent weights; `add_start` comes after.

        Args:
            dw: (gates * units, units); what no product fills is set to 0 here.
            start: as for `backward`.
            steps: steps of the sequence.
            rows: only the first so many rows.
        """
        n = self.dz.shape[0] if rows is None else rows
        later, earlier = (1, steps), (0, steps - 1)
        if self.reverse:
            later, earlier = earlier, later
        target = dw if rows is None else dw[:n]
        if steps == 1:
            target[:] = 0
            return []
        h = self.cut("result", *earlier, 0, self.units)
        return [(self.cut("dz", *later, 0, n), h.T, target)]

    def add_start(self, dw: Tensor, start: Start, steps: int, rows: int | None = None) -> None:
        """Add to the gradient of the recurrent weights what the first step gives.

        Args:
            dw, start, steps, rows: as for `weight_gradients`.
        """
        if not isinstance(start[0], Tensor):
            return
        n = self.dz.shape[0] if rows is None else rows
        edge = (steps - 1, steps) if self.reverse else (0, 1)
        target = dw if rows is None else dw[:n]
        self.be.compound_dot(self.cut("dz", *edge, 0, n), start[0].T, target, beta=1.0)

    def _forward(self, start: Start, steps: int) -> Any:
        z = self.cut("z", 0, steps)
        return self.be.rnn(z, self.w, self.b, start[0], steps=steps, **self.options or {})

    def _backward(self, error: Tensor, start: Start, steps: int) -> Any:
        h = self.cut("result", 0, steps)
        return self.be.rnn_backward(error, h, self.w, steps=steps, **self.options or {})

    def _forward_by_steps(self, start: Start, steps: int) -> None:
        h, before = self.block("result", 0, 1), start[0]
        z = self.block("z", 0, 1)
        for t in self.order(steps):
            h[t][:] = self.activation(self._gate_inputs(z[t], before))
            before = h[t]

    def _backward_by_steps(self, errors: list[Any], start: Start, steps: int) -> None:
        h, dz = self.block("result", 0, 1), self.block("dz", 0, 1)
        carry: Any = 0
        for t in reversed(self.order(steps)):
            dz[t][:] = self.activation.bprop(h[t]) * (errors[t] + carry)
            carry = self.be.dot(self.w.T, dz[t])
        dz[steps][:] = carry

    def _gate_inputs(self, z: Tensor, before: Any, first: int = 0, last: int | None = None) -> Any:
        """z + w @ before + b for some blocks of rows, as a tree."""
        rows = slice(first * self.units, (self.gates if last is None else last) * self.units)
        tree = z + self.b[rows]
        return tree + self.be.dot(self.w[rows], before) if isinstance(before, Tensor) else tree

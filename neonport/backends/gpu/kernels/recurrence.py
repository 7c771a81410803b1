"""Recurrences over sequences: for each step products with the weights and a launch for the gates.

All are bound before the first of them runs; see `recurrence.h`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from neonport.backends.gpu.device_protocol import KernelDevice
from neonport.backends.gpu.kernel_text import bind, in_order, kernel_text, position_type
from neonport.ops.recurrence import GATES, STATES
from neonport.ops.recurrence import in_order as steps_in_order
from neonport.shape import contiguous_strides
from neonport.tensor.tensor import Tensor

Bound = Callable[[], None]
FILES = ("recurrence.h",)


def bind_recurrence(be: KernelDevice, operands: list[Tensor], s: Tensor, **params: Any) -> Bound:
    """A call that does s = rnn(...), lstm(...) or gru(...): the rows of the weights say which."""
    return _Forward(be, operands, s, params).call()


def bind_recurrence_backward(
    be: KernelDevice, operands: list[Tensor], y: Tensor, **params: Any
) -> Bound:
    """A call that does y = rnn_backward(...), lstm_backward(...) or gru_backward(...)."""
    return _Backward(be, operands, y, params).call()


class _Sequence:
    """What both directions share: views of steps, temporaries, launches in order.

    Args:
        weights: recurrent.
        target: what is computed.
        columns: of all steps.
    """

    def __init__(
        self,
        be: KernelDevice,
        weights: Tensor,
        target: Tensor,
        columns: int,
        params: dict[str, Any],
    ) -> None:
        gates = weights.shape[0] // weights.shape[1]
        self.family = next(name for name, count in GATES.items() if count == gates)
        self.be, self.weights, self.target = be, weights, target
        self.units, self.steps = weights.shape[1], params["steps"]
        self.samples = columns // self.steps
        self.order = list(steps_in_order(self.steps, params["reverse"]))
        act = params["activation"]
        self.functions = functions(act, params.get("gate_activation", act))
        self.calls: list[Bound] = []

    def call(self) -> Bound:
        """All launches, in order."""
        return in_order(self.calls)

    def room(self, blocks: int) -> Tensor:
        """A temporary of some blocks of rows, zeros at first."""
        shape = (blocks * self.units, self.samples)
        storage = self.be.allocate(prod(shape) * self.target.dtype.itemsize)
        storage.space = "arena"  # kept by the launches that use it
        return self.be.tensor(storage, self.target.dtype, (shape, contiguous_strides(shape), 0))

    def step(self, t: Tensor, first: int, blocks: int, number: int) -> Tensor:
        """Some blocks of rows of a matrix at a step."""
        rows, columns = t.strides
        offset = t.offset + first * self.units * rows + number * self.samples * columns
        shape = (blocks * self.units, self.samples)
        return self.be.tensor(t.storage, t.dtype, (shape, t.strides, offset))

    def spread(self, state: Tensor) -> Tensor:
        """An initial state, written out if it is one number."""
        shape = (self.units, self.samples)
        strides = state.strides if state.shape == shape else (0, 0)
        return self.be.tensor(state.storage, state.dtype, (shape, strides, state.offset))

    def product(self, w: Tensor, x: Tensor, y: Tensor, beta: float = 0.0) -> None:
        """Append y = w @ x + beta * y."""
        if x.strides == (0, 0) and x.size > 1:
            copied = self.room(1)
            self.calls.append(self.be.executor.bind([(copied, x)]).run)
            x = copied
        self.calls.append(self.be.matmul(w, x, y, 1.0, beta))

    def launch(
        self, name: str, memory: list[Tensor], numbers: list[int], places: list[Tensor]
    ) -> None:
        """Append a launch of an entry of `recurrence.h`.

        Args:
            memory: tensors whose memory it gets, in order.
            numbers: what stands after the sizes.
            places: tensors whose offset and strides it gets, in order.
        """
        group, dtype = self.be.traits.map_group, self.target.dtype
        items = self.units * self.samples
        whole = position_type(memory, items * len(GATES) * 2 + group)
        text = kernel_text(self.be.dialect, FILES, dtype, whole, GROUP=group, **self.functions)
        words: list[Any] = [*memory, self.units, self.samples, *numbers]
        for t in places:
            words += [t.offset, *t.strides]
        shape = (-(-items // group), group)
        self.calls.append(bind(self.be, text, name, shape, words, whole))


def functions(act: str, gate: str) -> dict[str, str]:
    """Macros of `recurrence.h`: functions and slopes by name."""
    return {
        "ACT(x)": f"{act.upper()}(x)", "ACT_SLOPE(y)": f"{act.upper()}_SLOPE(y)",
        "GATE(x)": f"{gate.upper()}(x)", "GATE_SLOPE(y)": f"{gate.upper()}_SLOPE(y)",
    }  # fmt: skip


class _Forward(_Sequence):
    def __init__(
        self, be: KernelDevice, operands: list[Tensor], s: Tensor, params: dict[str, Any]
    ) -> None:
        z, w, bias, *states = operands
        super().__init__(be, w, s, z.shape[1], params)
        gates = GATES[self.family]
        rows = (gates * self.units, self.samples)
        # one number for all, or one for each row
        strides = (0, 0) if bias.shape != (rows[0], 1) else (bias.strides[0], 0)
        bias = be.tensor(bias.storage, bias.dtype, (rows, strides, bias.offset))
        h, *cells = (self.spread(state) for state in states)
        cell = cells[0] if cells else h
        sums = self.room(gates)
        for t in self.order:
            inputs, out = self.step(z, 0, gates, t), self.step(s, 0, s.shape[0] // self.units, t)
            memory, places = [inputs, sums, bias, out], [inputs, bias, out]
            if self.family == "gru":
                both, last = self._part(w, 0, 2), self._part(w, 2, 1)
                self.product(both, h, self._part(sums, 0, 2))
                self.launch("neo_gru_gates", [*memory, h], [], [*places, h])
                self.product(last, self.step(s, 4, 1, t), self._part(sums, 2, 1))
                self.launch("neo_gru_state", [*memory, h], [], [*places, h])
            else:
                self.product(w, h, sums)
                more = [cell] if self.family == "lstm" else []
                self.launch(f"neo_{self.family}", [*memory, *more], [], [*places, *more])
            h, cell = self.step(s, 0, 1, t), self.step(s, 1, 1, t) if cells else h

    def _part(self, t: Tensor, first: int, blocks: int) -> Tensor:
        return part_of(self.be, t, first * self.units, blocks * self.units)


class _Backward(_Sequence):
    def __init__(
        self, be: KernelDevice, operands: list[Tensor], y: Tensor, params: dict[str, Any]
    ) -> None:
        e, s, w, *states = operands
        super().__init__(be, w, y, s.shape[1], params)
        self.e, self.s, self.blocks = e, s, e.shape[0] // self.units
        gates, initial = GATES[self.family], STATES[self.family]
        # what passes to the step before: the gradient of h, and that of the cells or of r * h
        self.carry = self.room(2)
        zero = self.room(2)
        self.calls.append(be.executor.bind([(self.carry, zero)]).run)
        first = part_of(be, self.carry, 0, self.units)
        block = {"lstm": 1, "gru": 0}.get(self.family, 0)
        for k in reversed(range(self.steps)):
            t = self.order[k]
            before = []
            if states:
                before = [
                    self.step(s, block, 1, self.order[k - 1]) if k else self.spread(states[0])
                ]
            if self.family == "gru":
                both, last = (
                    part_of(be, w, a * self.units, n * self.units) for a, n in ((0, 2), (2, 1))
                )
                kept = part_of(be, self.carry, self.units, self.units)
                self._launch("neo_gru_backward_candidate", t, [])
                self.product(last.T, self.step(y, 2, 1, t), kept)
                self._launch("neo_gru_backward_gates", t, before)
                self.product(both.T, self.step(y, 0, 2, t), first, 1.0)
            else:
                self._launch(f"neo_{self.family}_backward", t, before)
                self.product(w.T, self.step(y, 0, gates, t), first)
        out = self.step(y, 0, gates, self.steps)
        self.launch("neo_recurrence_initial", [self.carry, out], [initial, gates], [out])

    def _launch(self, name: str, t: int, before: list[Tensor]) -> None:
        e = self.step(self.e, 0, self.blocks, t)
        s = self.step(self.s, 0, self.s.shape[0] // self.units, t)
        y = self.step(self.target, 0, GATES[self.family], t)
        memory = [e, s, self.carry, y, *before]
        self.launch(name, memory, [self.blocks], [e, s, y, *before])


def part_of(be: KernelDevice, t: Tensor, first: int, rows: int) -> Tensor:
    """Some rows of a matrix."""
    layout = (rows, t.shape[1]), t.strides, t.offset + first * t.strides[0]
    return be.tensor(t.storage, t.dtype, layout)

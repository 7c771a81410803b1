"""The recurrences of long short-term memories and of gated recurrent units."""

from __future__ import annotations

from typing import Any, ClassVar

from neonport.layers.recurrent.recurrence import Product, Recurrence, Start
from neonport.tensor.tensor import Tensor


class LSTMRecurrence(Recurrence):
    """c = f * c' + i * g, h = o * act(c) (Hochreiter and Schmidhuber, 1997; Gers et al., 2000).

    Blocks of z are i, f, o, g; those of the result are h, c, act(c), i, f, o, g.
    """

    gates: ClassVar[int] = 4
    blocks: ClassVar[int] = 7
    states: ClassVar[int] = 2

    def _forward(self, start: Start, steps: int) -> Any:
        z = self.cut("z", 0, steps)
        return self.be.lstm(
            z, self.w, self.b, *start, steps=steps, all_blocks=True, **self.options or {}
        )

    def _backward(self, error: Tensor, start: Start, steps: int) -> Any:
        result = self.cut("result", 0, steps)
        return self.be.lstm_backward(
            error, result, self.w, start[1], steps=steps, **self.options or {}
        )

    def _forward_by_steps(self, start: Start, steps: int) -> None:
        act, gate = self.activation, self.gate_activation
        h, c, bent, i, f, o, g = (self.block("result", k, k + 1) for k in range(7))
        z, gates = self.block("z", 0, 4), self.block("result", 3, 7)
        before, cells = start
        for t in self.order(steps):
            gates[t][:] = self._gate_inputs(z[t], before)
            opened = [gate(x[t]) for x in (i, f, o)]
            values = opened[1] * cells + opened[0] * act(g[t])
            self.be.assign_many(
                [
                    (c[t], values),
                    *zip((i[t], f[t], o[t]), opened, strict=True),
                    (g[t], act(g[t])),
                ]
            )
            bent[t][:] = act(c[t])
            h[t][:] = o[t] * bent[t]
            before, cells = h[t], c[t]

    def _backward_by_steps(self, errors: list[Any], start: Start, steps: int) -> None:
        act, gate = self.activation, self.gate_activation
        _, c, bent, i, f, o, g = (self.block("result", k, k + 1) for k in range(7))
        di, df, do, dg = (self.block("dz", k, k + 1) for k in range(4))
        dz = self.block("dz", 0, 4)
        order = self.order(steps)
        carry: Any = 0
        dcells = df[steps]  # the gradient of the cells on its way, behind the last step
        dcells[:] = 0
        for k in reversed(range(steps)):
            t = order[k]
            before = c[order[k - 1]] if k else start[1]
            dh = errors[t] + carry
            dc = dcells + act.bprop(bent[t]) * (o[t] * dh)
            self.be.assign_many(
                [
                    (di[t], gate.bprop(i[t]) * (dc * g[t])),
                    (df[t], gate.bprop(f[t]) * (dc * before)),
                    (do[t], gate.bprop(o[t]) * (dh * bent[t])),
                    (dg[t], act.bprop(g[t]) * (dc * i[t])),
                    (dcells, dc * f[t]),
                ]
            )
            carry = self.be.dot(self.w.T, dz[t])
        di[steps][:] = carry


class GRURecurrence(Recurrence):
    """h = (1 - z) * h' + z * g with g = act(... + w @ (r * h')) (Cho et al., 2014).

    Blocks of z are r, z, g; those of the result are h, r, z, g, r * h'.
    """

    gates: ClassVar[int] = 3
    blocks: ClassVar[int] = 5

    def weight_gradients(
        self, dw: Tensor, start: Start, steps: int, rows: int | None = None
    ) -> list[Product]:
        """The products that fill the gradient of recurrent weights: the candidate met r * h'."""
        both = 2 * self.units
        found = super().weight_gradients(dw, start, steps, both)
        # where the start counts for nothing, the step after it has no r * h' to learn from
        span = (0, steps) if isinstance(start[0], Tensor) else self._inner(steps)
        target = dw[both:]
        if span[1] > span[0]:
            kept = self.cut("result", *span, 4 * self.units)
            return [*found, (self.cut("dz", *span, both), kept.T, target)]
        target[:] = 0
        return found

    def add_start(self, dw: Tensor, start: Start, steps: int, rows: int | None = None) -> None:
        """Add what the first step gives to the gates r and z; r * h' has it already."""
        super().add_start(dw, start, steps, 2 * self.units)

    def _inner(self, steps: int) -> tuple[int, int]:
        """The steps that have another one before them."""
        return (0, steps - 1) if self.reverse else (1, steps)

    def _forward(self, start: Start, steps: int) -> Any:
        z = self.cut("z", 0, steps)
        return self.be.gru(
            z, self.w, self.b, *start, steps=steps, all_blocks=True, **self.options or {}
        )

    def _backward(self, error: Tensor, start: Start, steps: int) -> Any:
        result = self.cut("result", 0, steps)
        return self.be.gru_backward(
            error, result, self.w, start[0], steps=steps, **self.options or {}
        )

    def _forward_by_steps(self, start: Start, steps: int) -> None:
        h, r, update, g, kept = (self.block("result", k, k + 1) for k in range(5))
        both, zs, candidates = (
            self.block(*at) for at in (("result", 1, 3), ("z", 0, 2), ("z", 2, 3))
        )
        before = start[0]
        for t in self.order(steps):
            both[t][:] = self.gate_activation(self._gate_inputs(zs[t], before, 0, 2))
            kept[t][:] = r[t] * before
            g[t][:] = self.activation(self._gate_inputs(candidates[t], kept[t], 2, 3))
            h[t][:] = (1 - update[t]) * before + update[t] * g[t]
            before = h[t]

    def _backward_by_steps(self, errors: list[Any], start: Start, steps: int) -> None:
        act, gate, n = self.activation, self.gate_activation, self.units
        h, r, update, g, _ = (self.block("result", k, k + 1) for k in range(5))
        dr, dupdate, dg = (self.block("dz", k, k + 1) for k in range(3))
        both = self.block("dz", 0, 2)
        order = self.order(steps)
        # on their way, behind the last step: the gradients of h and of r * h'
        carry, dkept = dr[steps], dupdate[steps]
        carry[:] = 0
        for k in reversed(range(steps)):
            t = order[k]
            before = h[order[k - 1]] if k else start[0]
            dh = errors[t] + carry
            dg[t][:] = act.bprop(g[t]) * (dh * update[t])
            dkept[:] = self.be.dot(self.w[2 * n :].T, dg[t])
            self.be.assign_many(
                [
                    (dr[t], gate.bprop(r[t]) * (dkept * before)),
                    (dupdate[t], gate.bprop(update[t]) * (dh * (g[t] - before))),
                ]
            )
            carry[:] = dh * (1 - update[t]) + self.be.dot(self.w[: 2 * n].T, both[t]) + r[t] * dkept

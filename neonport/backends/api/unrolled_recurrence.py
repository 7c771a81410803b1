"""Neon's calls for simple recurrences whose steps are tensors in lists; `be.rnn` is one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from neonport.backends.arguments import check_tensors
from neonport.errors import ShapeError
from neonport.optree.node import apply
from neonport.tensor.tensor import Tensor

Steps = Sequence[Any]


class UnrolledRecurrence:
    """A statement a step, for any activation; layers call `rnn`, which is faster."""

    # what the other parts of a backend give
    assign: Any

    def compound_rnn_unroll_fprop(
        self,
        W_recur: Any,
        h_prev_s: Steps,
        h_ff_s: Steps,
        h_s: Steps,
        bias: Any,
        nout: int,
        num_steps: int,
        num_used_steps: int | None,
        activation: Callable[[Any], Any],
        reverse: bool = False,
    ) -> None:
        """For each step `h = activation(W_recur @ h_prev + h_ff + bias)`.

        Args:
            W_recur: recurrent weights, (nout, nout).
            h_prev_s: the states before the steps, (nout, N) each.
            h_ff_s: what the inputs give, (nout, N) each; may be `h_s`.
            h_s: receive the states.
            bias: (nout, 1).
            nout, num_steps: accepted for neon; the tensors say them.
            num_used_steps: steps that are computed, the first ones; None is all.
            activation: a Transform, or a function of a tree.
            reverse: from the last step to the first.

        Raises:
            ShapeError: lists of unequal length, shapes that do not fit.

        Example:
            w, b, h = be.ones((2, 2)), be.zeros((2, 1)), [be.zeros((2, 4)) for _ in range(3)]
            before, z = [h[2], *h[:2]], [be.ones((2, 4)) for _ in range(3)]
            be.compound_rnn_unroll_fprop(w, before, z, h, b, 2, 3, 3, lambda x: be.tanh(x))
        """
        lists = _used("compound_rnn_unroll_fprop", num_used_steps, h_prev_s, h_ff_s, h_s)
        for before, given, h in _ordered(lists, reverse):
            self.assign(h, activation(apply("dot", W_recur, before) + given + bias))

    def compound_rnn_unroll_bprop(
        self,
        W_recur: Any,
        delta_prev_s: Steps,
        delta_s: Steps,
        h_s: Steps,
        nout: int,
        num_steps: int,
        num_used_steps: int | None,
        activation: Any,
        reverse: bool = True,
    ) -> None:
        """For each step `delta *= activation'(h)`, then `delta_prev += W_recur @ delta`.

        Args:
            W_recur: recurrent weights, transposed by the caller, (nout, nout).
            delta_prev_s: gradients of the states before the steps, (nout, N) each.
            delta_s: gradients of the states; become those of what the activation was applied to.
            h_s: the states.
            nout, num_steps: accepted for neon.
            num_used_steps: steps that are computed, the first ones; None is all.
            activation: a Transform; its `bprop` gives the slope from the state.
            reverse: from the last step to the first.

        Raises:
            ShapeError: lists of unequal length, shapes that do not fit.

        Example:
            from neonport.transforms import Tanh
            w, h, d = be.ones((2, 2)), [be.zeros((2, 4))] * 2, [be.ones((2, 4)) for _ in range(2)]
            before = [be.zeros((2, 4)), d[0]]
            be.compound_rnn_unroll_bprop(w.T, before, d, h, 2, 2, 2, Tanh())
        """
        lists = _used("compound_rnn_unroll_bprop", num_used_steps, delta_prev_s, delta_s, h_s)
        for before, delta, h in _ordered(lists, reverse):
            self.assign(delta, activation.bprop(h) * delta)
            self.assign(before, before + apply("dot", W_recur, delta))

    def compound_rnn_unroll_fprop_bibnrnn(
        self,
        ngLayer: Any,
        h_buffer_all: Any,
        h_ff_buffer: Any,
        W_recur_f: Any,
        h_prev: Steps,
        h_ff_f: Steps,
        h_f: Steps,
        b_f: Any,
        W_recur_b: Any,
        h_next: Steps,
        h_ff_b: Steps,
        h_b: Steps,
        b_b: Any,
        nout: int,
        nsteps: int,
        used_nsteps: int | None,
        activation: Callable[[Any], Any],
    ) -> None:
        """`compound_rnn_unroll_fprop` of both directions, the second from the last step.

        Args:
            ngLayer, h_buffer_all, h_ff_buffer: accepted for neon.
            W_recur_f, h_prev, h_ff_f, h_f, b_f: of the forward direction.
            W_recur_b, h_next, h_ff_b, h_b, b_b: of the backward direction.
            nout, nsteps, used_nsteps, activation: of both.

        Raises:
            ShapeError: as there.

        Example:
            w, b, start = be.ones((2, 2)), be.zeros((2, 1)), be.zeros((2, 4))
            z, f, r = ([be.ones((2, 4)) for _ in range(2)] for _ in range(3))
            be.compound_rnn_unroll_fprop_bibnrnn(
                None, None, None, w, [start, f[0]], z, f, b, w, [r[1], start], z, r, b, 2, 2, 2,
                lambda x: be.tanh(x),
            )
        """
        sizes = nout, nsteps, used_nsteps, activation
        self.compound_rnn_unroll_fprop(W_recur_f, h_prev, h_ff_f, h_f, b_f, *sizes)
        self.compound_rnn_unroll_fprop(W_recur_b, h_next, h_ff_b, h_b, b_b, *sizes, reverse=True)

    def compound_rnn_unroll_bprop_bibnrnn(
        self,
        ngLayer: Any,
        error: Any,
        in_deltas_f: Steps,
        prev_in_deltas: Steps,
        in_deltas_b: Steps,
        next_in_deltas: Steps,
        W_recur_f: Tensor,
        W_recur_b: Tensor,
        h_f: Steps,
        h_b: Steps,
        nout: int,
        nsteps: int,
        used_nsteps: int | None,
        activation: Any,
        h_buffer_all: Any,
    ) -> None:
        """`compound_rnn_unroll_bprop` of both directions, the second from the first step.

        Args:
            ngLayer, error, h_buffer_all: accepted for neon.
            in_deltas_f, prev_in_deltas, W_recur_f, h_f: of the forward direction; the weights as
                they are, not transposed.
            in_deltas_b, next_in_deltas, W_recur_b, h_b: of the backward direction.
            nout, nsteps, used_nsteps, activation: of both.

        Raises:
            ShapeError: as there.

        Example:
            from neonport.transforms import Tanh
            w, end = be.ones((2, 2)), be.zeros((2, 4))
            f, r, df, dr = ([be.ones((2, 4)) for _ in range(2)] for _ in range(4))
            be.compound_rnn_unroll_bprop_bibnrnn(
                None, None, df, [end, df[0]], dr, [dr[1], end], w, w, f, r, 2, 2, 2, Tanh(), None
            )
        """
        op = "compound_rnn_unroll_bprop_bibnrnn"
        check_tensors(op, W_recur_f=W_recur_f, W_recur_b=W_recur_b)
        sizes = nout, nsteps, used_nsteps, activation
        self.compound_rnn_unroll_bprop(W_recur_f.T, prev_in_deltas, in_deltas_f, h_f, *sizes)
        self.compound_rnn_unroll_bprop(
            W_recur_b.T, next_in_deltas, in_deltas_b, h_b, *sizes, reverse=False
        )


def _used(op: str, count: int | None, *lists: Steps) -> list[Steps]:
    """The first steps of lists, which must be equally long."""
    lengths = [len(steps) for steps in lists]
    if len(set(lengths)) != 1:
        raise ShapeError(
            f"{op}: lists of {', '.join(map(str, lengths))} steps must be of one length"
        )
    return [steps[:count] if count is not None else steps for steps in lists]


def _ordered(lists: Sequence[Steps], reverse: bool) -> Any:
    steps = list(zip(*lists, strict=True))
    return reversed(steps) if reverse else steps

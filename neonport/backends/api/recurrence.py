"""Recurrences over sequences: op-trees for users and layers."""

from __future__ import annotations

from typing import Any

from neonport.backends.arguments import check_counts
from neonport.errors import ConfigurationError
from neonport.ops.recurrence import ACTIVATIONS, BLOCKS
from neonport.optree.functions import emit
from neonport.optree.node import apply
from neonport.tensor.tensor import Tensor


class Recurrence:
    """`rnn`, `lstm`, `gru` and their adjoints as op-trees.

    Sequences lie as in neon: column `t * N + n` is step t of sample n. `z` is what the inputs of
    all steps give to the gates, for instance `be.dot(w_input, x)`: one wide product in front. Gates
    lie below each other in z, in the recurrent weights and in the results, in blocks of as many
    rows as there are units.
    """

    def rnn(
        self,
        z: Any,
        w: Any,
        b: Any = None,
        h0: Any = None,
        *,
        steps: int,
        activation: str = "tanh",
        reverse: bool = False,
        out: Tensor | None = None,
    ) -> Any:
        """Simple recurrence, as an op-tree, or `out`: h = act(z + w @ h' + b).

        `Autodiff` goes through it, to z, w, b and h0.

        Args:
            z: contributions of the inputs, (units, steps * N).
            w: recurrent weights, (units, units).
            b: bias, (units, 1); None is 0.
            h0: state before the first step, (units, N); None is 0.
            steps: steps of a sequence.
            activation: tanh, logistic, rectlin or identity.
            reverse: from the last step to the first; h0 is then the state after the last one.
            out: assign there and return it.

        Returns:
            h of all steps, (units, steps * N).

        Raises:
            ConfigurationError: another activation; steps is not positive.
            ShapeError: shapes that do not belong together, no samples.

        Example:
            x, w_input, w = be.ones((3, 2 * 4)), be.ones((5, 3)), be.ones((5, 5))
            h = be.rnn(be.dot(w_input, x), w, steps=2)
        """
        params = _params("rnn", steps, reverse, activation=activation)
        return emit(apply("rnn", z, w, _or_zero(b), _or_zero(h0), **params), out)

    def rnn_backward(
        self,
        e: Any,
        h: Any,
        w: Any,
        *,
        steps: int,
        activation: str = "tanh",
        reverse: bool = False,
        out: Tensor | None = None,
    ) -> Any:
        """Gradients of a simple recurrence, as an op-tree, or `out`.

        Those of the weights follow: `dot(dz[:, N:], h[:, :-N].T)`, and of the first step
        `dot(dz[:, :N], h0.T)`; that of the bias is the sum of dz.

        Args:
            e: gradient of h.
            h: what `rnn` gave.
            w, steps, activation, reverse: as `rnn` had them.
            out: assign there and return it.

        Returns:
            (units, (steps + 1) * N): the gradient dz of z, then N columns with that of h0.

        Raises:
            ConfigurationError: another activation; steps is not positive.
            ShapeError: shapes that do not belong together, no samples.

        Example:
            h, w = be.ones((5, 2 * 4)), be.ones((5, 5))
            found = be.rnn_backward(h, h, w, steps=2, out=be.empty((5, 3 * 4)))
            dz, dh0 = found[:, :8], found[:, 8:]
        """
        params = _params("rnn_backward", steps, reverse, activation=activation)
        return emit(apply("rnn_backward", e, h, w, **params), out)

    def lstm(
        self,
        z: Any,
        w: Any,
        b: Any = None,
        h0: Any = None,
        c0: Any = None,
        *,
        steps: int,
        activation: str = "tanh",
        gate_activation: str = "logistic",
        reverse: bool = False,
        all_blocks: bool = False,
        out: Tensor | None = None,
    ) -> Any:
        """Long short-term memory, as an op-tree, or `out`.

        The gates i, f, o (by `gate_activation`) and g (by `activation`) are those of
        `z + w @ h' + b`; then c = f * c' + i * g and h = o * act(c). `Autodiff` goes through it, to
        z, w, b, h0 and c0.

        Args:
            z: contributions of the inputs, (4 * units, steps * N), blocks i, f, o, g.
            w: recurrent weights, (4 * units, units).
            b: bias, (4 * units, 1); None is 0.
            h0, c0: hidden and cell state before the first step, (units, N); None is 0.
            steps: steps of a sequence.
            activation, gate_activation: tanh, logistic, rectlin or identity.
            reverse: from the last step to the first.
            all_blocks: what stands behind h too, as `lstm_backward` reads it.
            out: assign there and return it.

        Returns:
            h of all steps, (units, steps * N); with `all_blocks` h, c, act(c), i, f, o, g
            below each other, (7 * units, steps * N).

        Raises:
            ConfigurationError: another activation; steps is not positive.
            ShapeError: shapes that do not belong together, no samples.

        Example:
            x, w_input, w = be.ones((3, 2 * 4)), be.ones((20, 3)), be.ones((20, 5))
            h = be.lstm(be.dot(w_input, x), w, steps=2)
        """
        params = _params(
            "lstm", steps, reverse, activation=activation, gate_activation=gate_activation
        )
        states = _or_zero(b), _or_zero(h0), _or_zero(c0)
        return emit(_result(apply("lstm", z, w, *states, **params), all_blocks), out)

    def lstm_backward(
        self,
        e: Any,
        s: Any,
        w: Any,
        c0: Any = None,
        *,
        steps: int,
        activation: str = "tanh",
        gate_activation: str = "logistic",
        reverse: bool = False,
        out: Tensor | None = None,
    ) -> Any:
        """Gradients of a long short-term memory, as an op-tree, or `out`.

        Args:
            e: gradient of h, (units, steps * N), or of more of the blocks of s, from the first on.
            s: what `lstm` gave with `all_blocks`.
            w, c0, steps, activation, gate_activation, reverse: as `lstm` had them.
            out: assign there and return it.

        Returns:
            (4 * units, (steps + 1) * N): the gradient of z, then N columns with that of h0 in the
            first block and that of c0 in the second.

        Raises:
            ConfigurationError: another activation; steps is not positive.
            ShapeError: shapes that do not belong together, no samples.

        Example:
            s, w = be.ones((35, 2 * 4)), be.ones((20, 5))
            found = be.lstm_backward(s[:5], s, w, steps=2, out=be.empty((20, 3 * 4)))
            dz, dh0, dc0 = found[:, :8], found[:5, 8:], found[5:10, 8:]
        """
        params = _params(
            "lstm_backward", steps, reverse, activation=activation, gate_activation=gate_activation
        )
        return emit(apply("lstm_backward", e, s, w, _or_zero(c0), **params), out)

    def gru(
        self,
        z: Any,
        w: Any,
        b: Any = None,
        h0: Any = None,
        *,
        steps: int,
        activation: str = "tanh",
        gate_activation: str = "logistic",
        reverse: bool = False,
        all_blocks: bool = False,
        out: Tensor | None = None,
    ) -> Any:
        """Gated recurrent unit, as an op-tree, or `out`: h = (1 - z) * h' + z * g.

        The gates r and z (by `gate_activation`) are those of `z + w @ h' + b`, the candidate g (by
        `activation`) is that of `z + w @ (r * h') + b`, each of its own rows. `Autodiff` goes
        through it, to z, w, b and h0.

        Args:
            z: contributions of the inputs, (3 * units, steps * N), blocks r, z, g.
            w: recurrent weights, (3 * units, units).
            b: bias, (3 * units, 1); None is 0.
            h0: state before the first step, (units, N); None is 0.
            steps: steps of a sequence.
            activation, gate_activation: tanh, logistic, rectlin or identity.
            reverse: from the last step to the first.
            all_blocks: what stands behind h too, as `gru_backward` reads it.
            out: assign there and return it.

        Returns:
            h of all steps, (units, steps * N); with `all_blocks` h, r, z, g, r * h' below
            each other, (5 * units, steps * N).

        Raises:
            ConfigurationError: another activation; steps is not positive.
            ShapeError: shapes that do not belong together, no samples.

        Example:
            x, w_input, w = be.ones((3, 2 * 4)), be.ones((15, 3)), be.ones((15, 5))
            h = be.gru(be.dot(w_input, x), w, steps=2)
        """
        params = _params(
            "gru", steps, reverse, activation=activation, gate_activation=gate_activation
        )
        tree = apply("gru", z, w, _or_zero(b), _or_zero(h0), **params)
        return emit(_result(tree, all_blocks), out)

    def gru_backward(
        self,
        e: Any,
        s: Any,
        w: Any,
        h0: Any = None,
        *,
        steps: int,
        activation: str = "tanh",
        gate_activation: str = "logistic",
        reverse: bool = False,
        out: Tensor | None = None,
    ) -> Any:
        """Gradients of a gated recurrent unit, as an op-tree, or `out`.

        Those of the weights follow: of r and z as in `rnn_backward`, of the candidate
        `dot(dz[2 * units:], s[4 * units:].T)`, for the last block of s is r * h'.

        Args:
            e: gradient of h, (units, steps * N), or of more of the blocks of s, from the first on.
            s: what `gru` gave with `all_blocks`.
            w, h0, steps, activation, gate_activation, reverse: as `gru` had them.
            out: assign there and return it.

        Returns:
            (3 * units, (steps + 1) * N): the gradient of z, then N columns with that of h0 in the
            first block.

        Raises:
            ConfigurationError: another activation; steps is not positive.
            ShapeError: shapes that do not belong together, no samples.

        Example:
            s, w = be.ones((25, 2 * 4)), be.ones((15, 5))
            found = be.gru_backward(s[:5], s, w, steps=2, out=be.empty((15, 3 * 4)))
            dz, dh0 = found[:, :8], found[:5, 8:]
        """
        params = _params(
            "gru_backward", steps, reverse, activation=activation, gate_activation=gate_activation
        )
        return emit(apply("gru_backward", e, s, w, _or_zero(h0), **params), out)


def _or_zero(operand: Any) -> Any:
    return 0.0 if operand is None else operand


def _result(tree: Any, all_blocks: bool) -> Any:
    """The blocks of a result, or h alone."""
    if all_blocks:
        return tree
    h = tree.shape[0] // BLOCKS[tree.op], tree.shape[1]
    return apply("slice", tree, starts=(0, 0), steps=(1, 1), shape=h)


def _params(op: str, steps: Any, reverse: Any, **activations: Any) -> dict[str, Any]:
    """The parameters in the order of the op table."""
    check_counts(op, 1, steps=steps)
    for what, name in activations.items():
        if name not in ACTIVATIONS:
            raise ConfigurationError(
                f"{op}: {what} {name!r} must be one of {', '.join(ACTIVATIONS)}; write the "
                "steps as op-trees for others"
            )
    return {**activations, "steps": int(steps), "reverse": bool(reverse)}

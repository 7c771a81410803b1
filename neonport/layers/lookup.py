"""Embeddings: rows of a table, picked by integer ids."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from neonport.errors import ConfigurationError
from neonport.layers.base import Layer
from neonport.layers.checks import check_error, check_inputs, check_positive_int, label
from neonport.layers.parameter import ParameterLayer
from neonport.layers.shapes import interpret_in_shape, is_flat, is_int
from neonport.optree.node import apply
from neonport.tensor.tensor import Tensor


class LookupTable(ParameterLayer):
    """outputs[:, j] = W[ids[j]]: one word of a sentence at each time step.

    Inputs are (T, batch): T ids for each sample, whole numbers in a float or an integer tensor.
    Outputs are (embedding_dim, T * batch), the features of T time steps. An id outside the
    vocabulary reads as zeros and gets no gradient: nothing waits for the device to find it.

    A float16 tensor holds whole numbers up to 2048 exactly, a bfloat16 one up to 256.

    Args:
        vocab_size: number of rows of W.
        embedding_dim: size of a row.
        init: initializer of W (vocab_size, embedding_dim), or an array of that shape.
        update: False freezes the table: dW stays 0 (weight decay would still shrink W).
        pad_idx: the id of padding: its row is set to 0 and never gets a gradient; None for none.
        name: given name, or None.

    Attributes:
        ids: (1, T * batch) int32, the ids of the last `fprop`.

    Example:
        layer = LookupTable(vocab_size=5, embedding_dim=2, init=Gaussian(), pad_idx=0)
        layer.configure(3)  # sentences of three words
        layer.allocate()
        words = be.array([[1, 2, 3, 4], [4, 4, 0, 0], [2, 0, 0, 0]])  # of four sentences
        assert (layer.fprop(words).get()[:, 4] == layer.W.get()[4]).all()
    """

    neon_module = "neon.layers.layer"

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int,
        init: Any,
        update: bool = True,
        pad_idx: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(init, name)
        self.embedding_dim = check_positive_int(self, "embedding_dim", embedding_dim)
        self.vocab_size: Any = vocab_size
        self._rows = self._table_rows()
        self.update = update
        if pad_idx is not None and not (is_int(pad_idx) and 0 <= pad_idx < self._rows):
            raise ConfigurationError(
                f"{label(self)}: pad_idx={pad_idx!r} must be an id of the vocabulary, 0 to "
                f"{self._rows - 1}, or None"
            )
        self.pad_idx = None if pad_idx is None else int(pad_idx)
        self.nin: int | None = None
        self.ids: Any = None
        self._kept_ids: Any = None  # ids with a gradient: padding is -1 there

    def _table_rows(self) -> int:
        self.vocab_size = check_positive_int(self, "vocab_size", self.vocab_size)
        return int(self.vocab_size)

    def __str__(self) -> str:
        return (
            f"{self.classnm} Layer '{self.name}': {self.nin or '?'} inputs, "
            f"({self.embedding_dim}, {self.nin or '?'}) outputs, {self._rows} ids"
        )

    def configure(self, in_obj: Any) -> LookupTable:
        """Set `out_shape` (embedding_dim, T) for inputs of T ids.

        Raises:
            ConfigurationError: several ids at a time step.
        """
        super().configure(in_obj)
        self.nin, steps = interpret_in_shape(self.in_shape)
        if steps != 1:
            raise ConfigurationError(
                f"{label(self)}: inputs of shape {self.in_shape} have {self.nin} ids at each of "
                f"{steps} time steps; a LookupTable takes T ids, one a step: shape T or (T, 1); "
                "for several ids a step use Embedding"
            )
        self.out_shape = (self.embedding_dim, self.nin)
        self.weight_shape = (self._rows, self.embedding_dim)
        return self

    def allocate(
        self, shared_outputs: Tensor | None = None, accumulate_updates: bool = False
    ) -> None:
        """Make outputs, table and room for the ids; the row of padding becomes 0."""
        super().allocate(shared_outputs, accumulate_updates)
        rows, columns = self._in_buffer or (0, 0)
        if self.ids is None or self.ids.shape != (1, rows * columns):
            self.ids = self.be.zeros((1, rows * columns), dtype=np.int32)
            self._kept_ids = self.ids if self.pad_idx is None else self.be.zeros_like(self.ids)
        self.dW[:] = 0
        if self.pad_idx is not None:
            self.W[self.pad_idx : self.pad_idx + 1] = 0

    def fprop(self, inputs: Any, inference: bool = False, beta: float = 0.0) -> Any:
        """Pick the rows of the ids; add `beta` times what the output buffer holds.

        Args:
            inputs: the ids, as `in_shape` says.
            inference: without effect.
            beta: factor of what the output buffer holds.
        """
        check_inputs(self, inputs, floats=False)
        self.inputs = inputs
        self._store_ids(inputs)
        target, tree = self._picked(self.be.take(self.W.T, self.ids, axis=1))
        target[:] = tree + beta * target if beta else tree
        return self.outputs

    def _store_ids(self, inputs: Tensor) -> None:
        self.ids[:] = apply("reshape", inputs, shape=self.ids.shape)

    def _picked(self, columns: Any) -> tuple[Tensor, Any]:
        """The outputs, and the tree that belongs there: made of the rows of all ids, as columns."""
        return self.outputs, columns

    def _errors(self, error: Tensor) -> Any:
        """The gradient of the row of each id."""
        return error.T

    @Layer.accumulates
    def bprop(self, error: Any, alpha: float = 1.0, beta: float = 0.0) -> Any:
        """Add up in dW the errors of each id; ids have no gradient, so `deltas` is 0.

        Args:
            error: (embedding_dim, T * batch).
            alpha, beta: without effect; dW is neither scaled nor accumulated by them.
        """
        check_error(self, error)
        if self.update and not self.frozen:
            if self.pad_idx is not None:
                kept = apply("ne", self.ids, self.pad_idx)
                self._kept_ids[:] = apply("where", kept, self.ids, -1)
            rows = self._errors(error)
            self.dW[:] = apply("scatter_add", rows, self._kept_ids, axis=0, size=self._rows)
        if self.deltas is not None:
            self.deltas[:] = 0
        return self.deltas


class Embedding(LookupTable):
    """Rows of one table, or of a table each, for several ids a sample or time step.

    Inputs are (K, T * batch), K ids at each of T time steps; so an `in_shape` K is K ids of one
    sample, where a LookupTable sees K time steps.

    Args:
        vocab_size: rows of the table that all ids share; or K numbers, the rows of K tables.
        embedding_dim: size of a row.
        init: initializer of W, all tables below each other, (sum of rows, embedding_dim).
        combine: "concat" puts the K rows below each other, (K * embedding_dim, T * batch); "sum"
            adds them up, (embedding_dim, T * batch).
        update: False freezes the tables: dW stays 0.
        pad_idx: the id of padding in the shared table: its row is 0 and gets no gradient.
        name: given name, or None.

    Example:
        weekday_and_hour = Embedding(vocab_size=[7, 24], embedding_dim=2, init=Gaussian())
        weekday_and_hour.configure(2)
        weekday_and_hour.allocate()
        ids = be.array([[0, 6, 3, 3], [23, 0, 12, 12]])  # of four samples
        assert weekday_and_hour.fprop(ids).shape == (4, 4)
    """

    neon_module = "neonport.layers.lookup"

    def __init__(
        self,
        vocab_size: int | tuple[int, ...] | list[int],
        embedding_dim: int,
        init: Any,
        combine: Literal["concat", "sum"] = "concat",
        update: bool = True,
        pad_idx: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(vocab_size, embedding_dim, init, update, pad_idx, name)  # type: ignore[arg-type]
        if combine not in ("concat", "sum"):
            raise ConfigurationError(
                f"{label(self)}: combine={combine!r} must be 'concat' or 'sum'"
            )
        if pad_idx is not None and not is_int(vocab_size):
            raise ConfigurationError(
                f"{label(self)}: pad_idx={pad_idx} with several tables says not of which; leave it "
                "out, or use ids outside the vocabulary (-1), which read as zeros"
            )
        self.combine = combine
        self.nsteps = 1
        self._first_rows: Any = None
        self._sizes: Any = None

    def _table_rows(self) -> int:
        if is_int(self.vocab_size):
            return super()._table_rows()
        sizes = self.vocab_size
        if not (isinstance(sizes, (list, tuple)) and sizes):
            raise ConfigurationError(
                f"{label(self)}: vocab_size={sizes!r} must be a number of rows, or a list of them"
            )
        self.vocab_size = [check_positive_int(self, "vocab_size", n) for n in sizes]
        return sum(self.vocab_size)

    def configure(self, in_obj: Any) -> Embedding:
        """Set `out_shape` for inputs of K ids, or of (K, T): K ids at each of T steps.

        Raises:
            ConfigurationError: K is not the number of tables.
        """
        Layer.configure(self, in_obj)
        self.nin, self.nsteps = interpret_in_shape(self.in_shape)
        if not is_int(self.vocab_size) and len(self.vocab_size) != self.nin:
            raise ConfigurationError(
                f"{label(self)}: {len(self.vocab_size)} tables, but inputs of shape "
                f"{self.in_shape} have {self.nin} ids a step; give a size for each id, or one size "
                "for a table that all share"
            )
        rows = self.embedding_dim * (self.nin if self.combine == "concat" else 1)
        timed = is_flat(self.in_shape) and not is_int(self.in_shape) and len(self.in_shape) == 2
        self.out_shape = (rows, self.nsteps) if timed else rows
        self.weight_shape = (self._rows, self.embedding_dim)
        return self

    def allocate(
        self, shared_outputs: Tensor | None = None, accumulate_updates: bool = False
    ) -> None:
        """Make outputs, tables and room for the ids; the row of padding becomes 0."""
        super().allocate(shared_outputs, accumulate_updates)
        if self._sizes is None and not is_int(self.vocab_size):
            sizes = np.array(self.vocab_size, np.int32).reshape(-1, 1)
            self._sizes = self.be.array(sizes, dtype=np.int32)
            self._first_rows = self.be.array(np.cumsum(sizes).reshape(-1, 1) - sizes, np.int32)

    def _store_ids(self, inputs: Tensor) -> None:
        if self._sizes is None:
            super()._store_ids(inputs)
            return
        # an id outside its own table must not read the next one
        inside = apply("lt", inputs, self._sizes) * apply("ge", inputs, 0)
        ids = self.ids.reshape(inputs.shape)
        ids[:] = apply("where", inside, inputs + self._first_rows, -1)

    def _picked(self, columns: Any) -> tuple[Tensor, Any]:
        count, size = self.nin, self.embedding_dim
        apart = apply("reshape", columns, shape=(size, count, self.outputs.shape[1]))
        if self.combine == "sum":
            return self.outputs.reshape((size, 1, -1)), self.be.sum(apart, axis=1)
        target = self.outputs.reshape((count, size, -1))
        return target, apply("transpose", apart, perm=(1, 0, 2))

    def _errors(self, error: Tensor) -> Any:
        count, size = self.nin or 1, self.embedding_dim
        columns = error.shape[1]
        apart = apply("reshape", error, shape=(error.shape[0] // size, size, columns))
        if self.combine == "sum":
            apart = apply("broadcast", apart, shape=(count, size, columns))
        turned = apply("transpose", apart, perm=(0, 2, 1))
        return apply("reshape", turned, shape=(count * columns, size))

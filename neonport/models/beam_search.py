"""Beam search: the likeliest sequences of a decoder, a few of them kept at each step."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.data.dataiterator import in_order
from neonport.errors import ConfigurationError
from neonport.layers.container import Seq2Seq, Sequential
from neonport.layers.shapes import is_int
from neonport.models.state import Network
from neonport.tensor.tensor import Tensor


class BeamSearch:
    """Decodes with several candidates at a time.

    The score of a candidate is the sum of the logarithms of its words' probabilities. At each step
    every candidate of a sample goes on with every word, and the `num_beams` best are kept. Of equal
    scores the one that comes first wins: the better candidate's, then the smaller id. There is no
    word that ends a sentence: all candidates have as many words.

    Args:
        seq2seq: a Seq2Seq (also one alone in a Sequential) whose decoder ends in probabilities
            (Softmax), with its buffers made.

    Attributes:
        candidates: after a search, int array (beams, steps, batch), worst to best.
        scores: float64 array (beams, batch), worst to best.

    Raises:
        ConfigurationError: no Seq2Seq.

    Example:
        gates = {"activation": Tanh(), "gate_activation": Logistic(), "reset_cells": True}
        init = Gaussian()
        decoder = [GRU(5, init, **gates), Affine(3, init, activation=Softmax())]
        model = Model(Seq2Seq([GRU(5, init, **gates), decoder]))
        model.initialize([(3, 2), (3, 2)])
        search = BeamSearch(model.layers)
        words = search.beamsearch(be.ones((3, 2 * 4)), num_beams=2)
        assert words.shape == (2, 4)  # steps, samples
        assert search.candidates.shape == (2, 2, 4)
    """

    def __init__(self, seq2seq: Any) -> None:
        if isinstance(seq2seq, Sequential) and len(seq2seq.layers) == 1:
            seq2seq = seq2seq.layers[0]
        if not isinstance(seq2seq, Seq2Seq):
            raise ConfigurationError(
                f"BeamSearch takes a Seq2Seq, not {type(seq2seq).__name__}; of a model give "
                "model.layers"
            )
        self.seq2seq = seq2seq
        self.candidates: Any = None
        self.scores: Any = None
        self._kept: list[tuple[Tensor, Tensor]] = []  # of each state: of all beams, reordered
        self._ids: Any = None
        self._columns: Any = None

    def beamsearch(self, inputs: Any, num_beams: int = 5, steps: int | None = None) -> Tensor:
        """Search; return the ids of the best candidate's words, (steps, batch) int32.

        Args:
            inputs: what the encoder reads, or a pair of which the first is.
            num_beams: candidates to keep; there may be fewer at first than that.
            steps: words to write; default as many as the decoder was made for.

        Raises:
            ConfigurationError: `num_beams` or `steps` is no number from 1 up, or the decoder cannot
                go on from its outputs.
        """
        decoder = self.seq2seq.decoder
        steps = decoder.full_steps if steps is None else steps
        for name, value in (("num_beams", num_beams), ("steps", steps)):
            if not is_int(value) or value < 1:
                raise ConfigurationError(f"beamsearch: {name}={value!r} must be an integer >= 1")
        be = decoder.be
        step = decoder.one_step
        batch = be.bsz
        self._make_room(num_beams)
        first = decoder.begin(self.seq2seq.encode(inputs))
        words = np.zeros((1, 0, batch), np.int32)
        scores = np.zeros((1, batch))
        for t in range(steps):
            found = []
            for beam in range(len(words)):
                if t:
                    self._ids[:] = be.array(words[beam, -1:], dtype=np.int32)
                    first = decoder.feed_ids(self._ids)
                    self._restore(beam)
                found.append(_logarithms(step.fprop(first).get()))
                self._save(beam)
            words, scores, origin = _best(words, scores, np.stack(found), num_beams)
            if t < steps - 1:
                self._reorder(origin)
        self.candidates, self.scores = words, scores
        return be.array(words[-1], dtype=np.int32)

    # ---- states of all beams -----------------------------------------------------------------

    def _make_room(self, beams: int) -> None:
        be = self.seq2seq.decoder.be
        columns = beams * be.bsz
        if self._columns is not None and self._columns.shape == (1, columns):
            return
        self._ids = be.zeros((1, be.bsz), dtype=np.int32)
        self._columns = be.zeros((1, columns), dtype=np.int32)
        self._kept = []
        for state in self._states():
            shape, kind = (state.shape[0], columns), state.dtype
            self._kept.append((be.zeros(shape, dtype=kind), be.zeros(shape, dtype=kind)))

    def _states(self) -> list[Tensor]:
        return [state for states in self.seq2seq.decoder.one_step.states for state in states]

    def _of(self, beam: int) -> slice:
        batch = self.seq2seq.decoder.be.bsz
        return slice(beam * batch, (beam + 1) * batch)

    def _save(self, beam: int) -> None:
        for state, (kept, _) in zip(self._states(), self._kept, strict=True):
            kept[:, self._of(beam)] = state

    def _restore(self, beam: int) -> None:
        for state, (_, ordered) in zip(self._states(), self._kept, strict=True):
            state[:] = ordered[:, self._of(beam)]

    def _reorder(self, origin: np.ndarray) -> None:
        """Give each candidate the states of the one that it goes on from.

        Args:
            origin: (beams, batch), the candidate of the step before.
        """
        be = self.seq2seq.decoder.be
        columns = np.zeros(self._columns.shape[1], np.int32)
        columns[: origin.size] = (origin * be.bsz + np.arange(be.bsz)).ravel()
        self._columns[:] = be.array(columns.reshape(1, -1), dtype=np.int32)
        for kept, ordered in self._kept:
            ordered[:] = be.take(kept, self._columns, axis=1)


def _logarithms(probabilities: np.ndarray) -> np.ndarray:
    """Logarithms; of a word that cannot be, minus infinity."""
    with np.errstate(divide="ignore"):
        found: np.ndarray = np.log(probabilities.astype(np.float64))
    return found


def _best(
    words: np.ndarray, scores: np.ndarray, gains: np.ndarray, beams: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Let every candidate go on with every word and keep the best.

    Args:
        words: (candidates, steps, batch), worst to best.
        scores: (candidates, batch).
        gains: (candidates, vocabulary, batch), added to the scores.
        beams: how many to keep.

    Returns:
        words, scores, and from which candidate each goes on, (kept, batch); all worst to best.
    """
    count, vocabulary, batch = gains.shape
    # the best candidate first, so that a stable sort prefers it where scores are equal
    total = (scores[:, None] + gains)[::-1].reshape(count * vocabulary, batch)
    chosen = np.argsort(-total, axis=0, kind="stable")[:beams][::-1]
    samples = np.arange(batch)
    origin = count - 1 - chosen // vocabulary
    before = words[origin, :, samples].swapaxes(1, 2)  # (kept, steps, batch)
    last = (chosen % vocabulary).astype(words.dtype)[:, None]
    return np.concatenate([before, last], axis=1), total[chosen, samples], origin


def outputs_beam(model: Network, dataset: Any, num_beams: int, steps: int | None) -> np.ndarray:
    """See `Model.get_outputs_beam`."""
    search = BeamSearch(model.layers)
    model.initialize(dataset)
    found = [search.beamsearch(x, num_beams, steps).get().T for x, _ in in_order(dataset)]
    if not found:
        raise ConfigurationError("get_outputs_beam got no batch from the dataset: is it empty?")
    return np.concatenate(found)[: dataset.ndata, :, None]

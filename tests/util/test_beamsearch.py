"""Beam search against the search by hand over the training pass of the same decoder."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from neonport.data import ArrayIterator
from neonport.errors import ConfigurationError
from neonport.initializers import Constant, Uniform
from neonport.layers import GRU, LSTM, Affine, Linear, LookupTable, Recurrent, Seq2Seq
from neonport.layers.container import Decoder
from neonport.models import Model
from neonport.transforms import Identity, Logistic, Softmax, Tanh
from neonport.util.beamsearch import BeamSearch

V, H, T, N = 4, 5, 4, 2
INIT = Uniform(-2, 2)
GATES = {"activation": Tanh(), "gate_activation": Logistic(), "reset_cells": True}


@pytest.fixture
def be(make_backend):
    return make_backend(batch_size=N, rng_seed=0)


def network(kind=LSTM, ids=False, start=None, vocabulary=V):
    below = [LookupTable(vocabulary, 3, INIT)] if ids else []
    above = [LookupTable(vocabulary, 3, INIT)] if ids else []
    last = Affine(vocabulary, INIT, bias=INIT, activation=Softmax())
    decoder = Decoder([*above, kind(H, INIT, **GATES), last], start_index=start)
    net = Seq2Seq([[*below, kind(H, INIT, **GATES)], decoder])
    shape = (T, 1) if ids else (vocabulary, T)
    net.configure([shape, shape])
    net.allocate()
    net.allocate_deltas()
    return net


def words_to_read(be, ids, vocabulary=V):
    found = np.random.RandomState(3).randint(vocabulary, size=(T, N))
    return be.array(found if ids else np.eye(vocabulary)[found.ravel()].T.copy())


def by_hand(table, start, beams, steps):
    """Lists of (score, words), worst to best, of a chain whose columns say what comes next."""
    live = [(0.0, (start,))]
    for _ in range(steps):
        grown = []
        for score, words in reversed(live):
            with np.errstate(divide="ignore"):
                gains = np.log(table[:, words[-1]].astype("f8"))
            grown += [(score + gain, (*words, word)) for word, gain in enumerate(gains)]
        live = sorted(grown, key=lambda item: -item[0])[:beams][::-1]
    return [(score, words[1:]) for score, words in live]


def by_passes(be, net, x, ids, start, beams, steps=T, vocabulary=V):
    """The same, with probabilities from whole passes over the words so far."""
    states = [s.get() for s in net.encode(x)]
    states = [be.array(s) for s in states]

    def gains(words):
        """Logarithms (vocabulary, batch) of what follows words (steps, batch)."""
        given = np.zeros((T, N), int) if ids else np.zeros((vocabulary, T, N))
        if ids:
            given[0] = start or 0
        elif start is not None:
            given[start, 0] = 1
        for t, row in enumerate(words, 1):
            if ids:
                given[t] = row
            else:
                given[row, t, np.arange(N)] = 1
        given = be.array(given if ids else given.reshape(vocabulary, -1))
        y = net.decoder.fprop(given, inference=True, init_states=states).get()
        return np.log(y.astype("f8").reshape(vocabulary, T, N)[:, len(words)])

    live = [[(0.0, ())] for _ in range(N)]
    for _ in range(steps):
        table = []
        for beam in range(len(live[0])):
            words = np.array([sample[beam][1] for sample in live], int).T.reshape(-1, N)
            table.append(gains(words))
        for n in range(N):
            grown = [
                (score + table[beam][word, n], (*words, word))
                for beam, (score, words) in enumerate(live[n])
                for word in range(vocabulary)
            ]
            live[n] = sorted(grown)[-beams:]
    return live


@pytest.mark.parametrize(("kind", "ids", "start"), [(LSTM, False, 2), (GRU, True, None)])
def test_candidates_and_scores_are_those_of_the_search_by_hand(be, kind, ids, start):
    net = network(kind, ids, start)
    x = words_to_read(be, ids)
    search = BeamSearch(net)
    best = search.beamsearch(x, num_beams=3)
    live = by_passes(be, net, x, ids, start, 3)
    assert search.candidates.shape == (3, T, N)
    for n in range(N):
        words = [list(w) for _, w in live[n]]
        assert search.candidates[:, :, n].tolist() == words
        np.testing.assert_allclose(search.scores[:, n], [s for s, _ in live[n]], rtol=1e-5)
        assert best.get()[:, n].tolist() == words[-1]


TABLE = np.array(
    [
        [0.125, 0.5, 0.25, 0.0],
        [0.5, 0.25, 0.125, 0.5],
        [0.25, 0.125, 0.5, 0.25],
        [0.125, 0.125, 0.125, 0.25],
    ]
)


def chain(be, table=TABLE, start=3):
    """A Seq2Seq that gives out the columns of a table: exact probabilities."""
    size = len(table)
    # a recurrence that hands its input on: input weights are one, recurrent weights zero
    weights = np.zeros((2 * size + 1, size))
    weights[:size] = np.eye(size)
    copy = Recurrent(size, weights, activation=Identity())
    read = Recurrent(size, Constant(0.5), activation=Tanh())
    net = Seq2Seq([read, Decoder([copy, Linear(size, table)], start_index=start)], [None])
    net.configure([(size, T), (size, T)])
    net.allocate()
    return net


def test_scores_are_exact(be):
    search = BeamSearch(chain(be))
    best = search.beamsearch(be.zeros((V, T * N)), num_beams=3, steps=4)
    wanted = by_hand(TABLE, 3, 3, 4)
    for n in range(N):  # equal scores included: the table has many
        assert search.candidates[:, :, n].tolist() == [list(words) for _, words in wanted]
        assert search.scores[:, n].tolist() == [score for score, _ in wanted]
    assert best.get().tolist() == [[word] * N for word in wanted[-1][1]]


def test_more_beams_than_words_and_words_that_cannot_be(be):
    search = BeamSearch(chain(be))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.beamsearch(be.zeros((V, T * N)), num_beams=20, steps=2)
    assert search.candidates.shape == (16, 2, N)  # all there are
    wanted = by_hand(TABLE, 3, 20, 2)
    assert search.scores[:, 0].tolist() == [score for score, _ in wanted]
    assert np.isneginf(search.scores[0]).all()
    assert not np.isnan(search.scores).any()


def test_a_beam_finds_what_greedy_decoding_misses(be):
    table = np.array([[0.0, 0.5, 1.0, 0.5], [0.5, 0.5, 0.0, 0.0], [0.5, 0.0, 0.0, 0.5], [0.0] * 4])
    table[:, 3] = [0.5, 0.0, 0.375, 0.0]  # the second best begins the best pair
    search = BeamSearch(chain(be, table))
    x = be.zeros((V, T * N))
    assert search.beamsearch(x, num_beams=1, steps=2).get()[0].tolist() == [0, 0]
    assert search.beamsearch(x, num_beams=2, steps=2).get()[:, 0].tolist() == [2, 0]


def test_more_steps_than_the_decoder_was_made_for_and_again(be):
    net = network(GRU)
    x = words_to_read(be, False)
    search = BeamSearch(net)
    long = search.beamsearch(x, num_beams=2, steps=T + 2).get()
    assert long.shape == (T + 2, N)
    short = search.beamsearch(x, num_beams=3).get()
    np.testing.assert_array_equal(search.beamsearch(x, num_beams=2, steps=T + 2).get(), long)
    np.testing.assert_array_equal(search.beamsearch(x, num_beams=3).get(), short)


def test_one_beam_of_ids_is_plain_inference(be):
    net = network(GRU, ids=True)
    x = words_to_read(be, True)
    found = BeamSearch(net).beamsearch(x, num_beams=1).get()
    y = net.fprop(x, inference=True).get().reshape(V, T, N)
    np.testing.assert_array_equal(found, y.argmax(axis=0))


def test_outputs_of_a_data_set(be):
    net = network(GRU)
    model = Model(net)
    model.initialize([(V, T), (V, T)])
    x = np.random.RandomState(0).rand(5, V * T)
    data = ArrayIterator([x, x], x, lshape=[(V, T), (V, T)], target_shape=(V, T), make_onehot=False)
    found = model.get_outputs_beam(data, num_beams=2, steps=3)
    assert found.shape == (5, 3, 1)
    data.reset()
    first = next(iter(data))[0]
    wanted = BeamSearch(net).beamsearch(first, 2, 3).get()
    np.testing.assert_array_equal(found[:N, :, 0], wanted.T)
    np.testing.assert_array_equal(model.get_outputs_beam(data), model.get_outputs(data))
    np.testing.assert_array_equal(Model([net]).get_outputs_beam(data, 2, 3), found)


def test_mistakes_are_refused(be):
    with pytest.raises(ConfigurationError, match=r"give model\.layers"):
        BeamSearch(Model([Affine(2, INIT)]))
    search = BeamSearch(network())
    for wrong in ({"num_beams": 0}, {"steps": 0}, {"num_beams": 1.5}):
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            search.beamsearch(words_to_read(be, False), **wrong)

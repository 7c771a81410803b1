"""Blocks of statements: what is drawn, that it is computed right, and what is found with it."""

from __future__ import annotations

from collections import Counter
from random import Random

import numpy as np
import pytest

from neonport.backends import cleanup_backend, gen_backend
from neonport.backends.cpu.device import CPUBackend, CPUDevice
from neonport.checking import memory_checks
from neonport.checking.examination import Examination
from neonport.checking.judging import Definition
from neonport.checking.opinion import second_opinion
from neonport.checking.parts import recipe, surroundings
from neonport.checking.parts.drawn import Drawer, structure
from neonport.checking.parts.surroundings import Surroundings
from neonport.checking.spec import parse
from neonport.errors import WrongResultError
from neonport.ops.philox import PhiloxState
from neonport.optree.node import apply, walk
from neonport.optree.random_nodes import is_random, sources_of
from tests.checking import test_opinion as trainings
from tests.checking.trainings import recorded_steps
from tests.testing import test_finds_device_faults as of_devices

ALMOST = "cpu:0.999999:raise"  # every statement, and of each a block


@pytest.fixture
def be():
    yield gen_backend("cpu", batch_size=8, rng_seed=0)
    cleanup_backend()


@pytest.fixture
def little(monkeypatch):
    """Blocks of a few elements."""
    monkeypatch.setattr(recipe, "WORK", 64)
    monkeypatch.setattr(recipe, "LEAST", 2)
    monkeypatch.setattr(recipe, "ENTRY", 1)
    monkeypatch.setattr(memory_checks, "BLOCK", 16)


def some(be, *shape, seed=0, dtype=None):
    values = np.random.RandomState(seed).uniform(0.5, 2.0, shape)
    return be.array(values.astype(np.float32), dtype=dtype)


def softmax(be):
    e = be.exp(some(be, 20, 30))
    return (20, 30), e / be.sum(e, axis=0)


def picked(be, axis):
    indices = be.array(np.array([[3], [11], [0], [39], [-1], [3], [40], [7]] * 4), dtype="int32")
    x = some(be, 40, 40)
    return ((32, 40), be.take(x, indices, axis=0)) if axis == 0 else (
        (40, 32), be.take(x, indices.reshape(1, 32), axis=1)
    )  # fmt: skip


def windows(be, op, **params):
    geometry = {"padding": (0, 1, 1), "stride": (1, 1, 1), "dilation": (1, 1, 1)} | params
    x, f, e = some(be, 3, 1, 6, 6, 16), some(be, 3, 1, 3, 3, 16), some(be, 16, 1, 6, 6, 16)
    first, second = {"conv": (x, f), "conv_backward_data": (f, e)}.get(op, (x, e))
    node = apply(op, first, second, **geometry)
    return node.shape, node


def pooled(be):
    geometry = {"window": (1, 1, 2, 2), "padding": (0,) * 4, "stride": (1, 1, 2, 2)}
    node = apply("pool", some(be, 4, 1, 8, 8, 32), how="max", size=(4, 1, 4, 4), **geometry)
    return node.shape, node


# expressions of which a block can be taken: the target's shape, and the tree
TREES = {
    "element by element": lambda be: ((40, 30), some(be, 40, 30) * 2 + be.exp(some(be, 40, 1))),
    "rows and columns": lambda be: ((40, 30), some(be, 40, 1) - some(be, 1, 30)),
    "a fill": lambda be: ((40, 30), 3.0),
    "a broadcast root": lambda be: ((40, 30), some(be, 1, 30) + 1),
    "a copy": lambda be: ((40, 30), some(be, 40, 30)),
    "a view": lambda be: ((20, 15), some(be, 40, 60)[39::-2, 1:60:4] + 1),
    "a slice": lambda be: (
        (12, 30),
        apply("slice", be.exp(some(be, 40, 60)), starts=(38, 1), steps=(-3, 2), shape=(12, 30)),
    ),
    "a region": lambda be: (
        (40, 30),
        apply("pad_region", some(be, 40, 9), starts=(0, 28), steps=(1, -3), shape=(40, 30)),
    ),
    "a transpose": lambda be: ((40, 30), be.exp(some(be, 30, 40)).T * 2),
    "other axes": lambda be: (
        (20, 30, 6),
        apply("transpose", be.exp(some(be, 6, 20, 30)), perm=(1, 2, 0)),
    ),
    "a sum": lambda be: ((40, 1), be.sum(some(be, 40, 30) * 2, axis=1)),
    "a variance": lambda be: ((1, 30), be.var(some(be, 40, 30), axis=0)),
    "the largest": lambda be: ((40, 1), be.argmax(some(be, 40, 30), axis=1)),
    "a softmax": softmax,
    "a reshape": lambda be: ((40, 30), be.exp(some(be, 40, 5, 6)).reshape(40, 30)),
    "a product": lambda be: ((40, 30), be.dot(some(be, 40, 5), some(be, 5, 30))),
    "a moved product": lambda be: ((40, 30), be.dot(be.exp(some(be, 5, 40)).T, some(be, 30, 5).T)),
    "a product and more": lambda be: ((40, 30), be.tanh(be.dot(some(be, 40, 5), some(be, 5, 30)))),
    "random numbers": lambda be: ((40, 30), some(be, 40, 30) * (be.rand() < 0.5)),
    "random rows": lambda be: ((37, 3), apply("rand", shape=(37, 3)) + some(be, 37, 3)),
    "picked rows": lambda be: picked(be, 0),
    "picked columns": lambda be: picked(be, 1),
    "cumulated": lambda be: ((40, 30), be.cumsum(some(be, 40, 30), axis=1)),
    "one after the other": lambda be: (
        (40, 30), be.concatenate([some(be, 40, 10), some(be, 40, 20)], axis=1)
    ),
    "convolution": lambda be: windows(be, "conv"),
    "its data": lambda be: windows(be, "conv_backward_data", size=(1, 6, 6)),
    "its filters": lambda be: windows(be, "conv_backward_filter", size=(1, 3, 3)),
    "pooling": pooled,
}  # fmt: skip

TREES |= {
    "entries of what is computed": lambda be: (
        (8, 40),
        be.take(be.exp(some(be, 20, 40)), be.array(np.arange(8)[:, None] * 2, dtype="int32"), 0),
    ),
    "scattered entries": lambda be: (
        (20, 40),
        apply(
            "scatter_add", some(be, 8, 40), be.array(np.arange(8)[:, None] // 2, dtype="int32"),
            axis=0, size=20,
        ),
    ),
    "one of several": lambda be: (
        (10, 300), be.onehot(be.array(np.arange(300)[:, None] % 10, dtype="int32"), axis=0) + 0
    ),
    "a recurrence": lambda be: (
        (40, 30),
        apply("linear_recurrence", some(be, 40, 30), some(be, 40, 30), axis=1, reverse=False),
    ),
    "in order": lambda be: ((40, 30), be.sort(some(be, 40, 30), axis=0)),
    "response normalisation": lambda be: (
        (5, 1, 6, 6, 8), apply("lrn", some(be, 5, 1, 6, 6, 8), width=3, ascale=1.0, bpower=0.75)
    ),
}  # fmt: skip

# those of which all is looked at, and why
WHOLE = {
    "a reshape that mixes axes": lambda be: ((30, 40), be.exp(some(be, 40, 30)).reshape(30, 40)),
    "sums of everything": lambda be: ((1, 1), be.sum(some(be, 40, 30), axis=(0, 1))),
    "a small one": lambda be: ((2, 3), some(be, 2, 3) + 1),
}


def drawn_of(be, tree, seed=0):
    shape, value = tree(be)
    dtype = "int32" if getattr(value, "op", "") == "argmax" else "float32"
    target = be.zeros(shape, dtype=dtype)
    return target, value, Drawer(seed).draw([(target, value)])


@pytest.mark.parametrize("name", TREES)
def test_a_block_is_what_the_definitions_say(be, little, name):
    for seed in range(12):
        target, value, drawn = drawn_of(be, TREES[name], seed)
        assert drawn is not None
        assert drawn.targets[0].size < target.size
        draws = None
        if any(map(is_random, walk(value))):
            state = PhiloxState(0)
            state.set_state(be.philox.get_state())
            sources = sources_of([(target, value)])
            draws = sources, sources.positions(state.reserve_with_key)
        drawn.read(be.device.copy_out)
        twin = lambda shape, dtype: be.empty(shape, dtype=dtype)  # noqa: E731
        (made,), (block,), held = drawn.computed_with(twin, draws)
        target[:] = value
        judged = Definition(made, block, {id(t): array for t, array in held}, None)
        assert judged.judge(drawn.targets[0].get()) is None
        place = tuple(slice(a, a + n) for a, n in zip(drawn.places[0], made.shape, strict=True))
        assert np.array_equal(drawn.targets[0].get(), target.get()[place])


@pytest.mark.parametrize("name", TREES)
def test_a_right_statement_is_right_in_every_block(be, little, name):
    shape, value = TREES[name](be)
    target = be.zeros(shape, dtype="int32" if name == "the largest" else "float32")
    with second_opinion(be, ALMOST) as (opinion,):
        for _ in range(5):
            target[:] = value
    assert opinion.checked == 5
    assert not opinion.findings


@pytest.mark.parametrize("name", WHOLE)
def test_of_some_all_is_looked_at(be, little, name):
    assert drawn_of(be, WHOLE[name])[2] is None


def test_every_element_gets_its_chance(be, little):
    target, value = be.zeros((37, 21)), some(be, 37, 21) * 2
    drawer, seen = Drawer(0), np.zeros((37, 21), int)
    for _ in range(1500):
        drawn = drawer.draw([(target, value)])
        place = tuple(
            slice(a, a + n) for a, n in zip(drawn.places[0], drawn.targets[0].shape, strict=True)
        )
        seen[place] += 1
    assert seen.min() > 0.5 * 1500 * drawn.targets[0].size / seen.size


def test_places_are_drawn_and_sizes_are_not(be, little):
    target = be.zeros((40, 30))
    drawer, shapes, places = Drawer(0), Counter(), Counter()
    for seed in range(30):
        drawn = drawer.draw([(target, some(be, 40, 30, seed=seed) * float(seed))])
        shapes[drawn.targets[0].shape, drawn.operands[0].shape] += 1
        places[drawn.places[0]] += 1
    assert len(shapes) == 1
    assert len(places) > 10


def test_the_same_seed_draws_the_same(be, little):
    places = [[drawn_of(be, softmax, seed)[2].places for _ in range(3)] for seed in (0, 0, 1, 2)]
    assert places[0] == places[1]
    assert places[0] != places[2] or places[0] != places[3]


def test_the_second_backend_binds_a_statement_once(be, little):
    target, x = be.zeros((40, 30)), some(be, 40, 30)
    with second_opinion(be, ALMOST) as (opinion,):
        second, bound = opinion.second.be, []
        bind = second.executor.bind
        second.executor.bind = lambda pairs: bound.append(1) or bind(pairs)
        for number in range(20):
            target[:] = be.exp(x) * float(number + 2)
        assert opinion.checked == 20
    assert len(bound) == 1


def test_statements_of_other_tensors_share_a_recipe(be):
    a, b, c = (some(be, 40, 30) for _ in range(3))
    y = be.zeros((40, 30))
    assert structure([(y, a * b)]) == structure([(y, b * c)]) != structure([(y, a * a)])
    assert structure([(y, a * 2 + 3)]) == structure([(y, b * 5 + 4)])
    assert structure([(y, a * 2 + 3)]) != structure([(y, b * 5 + 5)])


def test_what_is_equal_in_one_statement_need_not_be_in_the_next(be, little):
    a, b, y = some(be, 40, 30), some(be, 40, 30, seed=1), be.zeros((40, 30))
    doubled = a * 2
    with second_opinion(be, ALMOST) as (opinion,):
        y[:] = doubled + doubled
        y[:] = (a * 2) + (a * 3)
        y[:] = (a * 2) + (b * 2)
        y[:] = a * a
        y[:] = a * b
    assert opinion.checked == 5


@pytest.mark.parametrize("build", trainings.SHAPES)
def test_every_block_of_a_right_training_is_within_its_bounds(
    make_backend, build, little, monkeypatch
):
    monkeypatch.setattr(Examination, "_agree", lambda *args: False)
    drawn = []
    draw = Drawer.draw
    monkeypatch.setattr(Drawer, "draw", lambda d, pairs: drawn.append(draw(d, pairs)) or drawn[-1])
    make_backend(batch_size=8, rng_seed=0)
    history = trainings.fit(build(), build, check="cpu:0.7:raise")
    assert np.isfinite(history["cost"]).all()
    assert sum(block is not None for block in drawn) > 20


# ---- faults --------------------------------------------------------------------------------------


class WrongAt(CPUDevice):
    """A library whose products are wrong in one element."""

    place = (33, 21)

    def matmul(self, a, b, c, alpha, beta):
        call, view = super().matmul(a, b, c, alpha, beta), c.native

        def run():
            call()
            view[self.place] *= 1.01

        return run


class WrongBackend(CPUBackend):
    device_class = WrongAt


@pytest.fixture
def wrong():
    made = WrongBackend(rng_seed=0)
    yield made
    made.cleanup_backend()


def test_one_wrong_element_is_found_as_often_as_it_is_drawn(wrong, little):
    a, b, c = some(wrong, 40, 5), some(wrong, 5, 30), wrong.zeros((40, 30))
    share = Drawer(0).draw([(c, wrong.dot(a, b))]).targets[0].size / c.size
    assert share < 0.2
    texts, times = [], 300
    with second_opinion(wrong, ALMOST):
        for _ in range(times):
            try:
                c[:] = wrong.dot(a, b)
            except WrongResultError as error:
                texts.append(str(error))
    assert 0.5 * share < len(texts) / times < 2 * share
    assert all("of a part" in text and "worst at (33, 21)" in text for text in texts)


def test_at_a_rate_of_one_all_is_compared(wrong, little):
    a, b, c = some(wrong, 40, 5), some(wrong, 5, 30), wrong.zeros((40, 30))
    for check in ("cpu:1:raise", "cpu:0.999999:whole:raise"):
        with second_opinion(wrong, check), pytest.raises(WrongResultError, match="worst at"):
            c[:] = wrong.dot(a, b)


def test_the_inputs_that_are_saved_are_those_of_the_whole_statement(wrong, little, tmp_path):
    a, b, c = some(wrong, 40, 5), some(wrong, 5, 30), some(wrong, 40, 30, seed=3)
    held = c.get()
    with second_opinion(wrong, ALMOST, str(tmp_path)):
        for _ in range(200):
            c.set(held)
            try:
                c[:] = wrong.dot(a, b) + c
            except WrongResultError as error:
                folder = error.finding.saved
                break
    with np.load(f"{folder}/inputs.npz") as file:
        saved = {file[name].tobytes() for name in file.files}
    assert {a.get().tobytes(), b.get().tobytes(), held.tobytes()} == saved
    cleanup_backend()


def test_a_wrong_replay_is_found_at_low_rates(little):
    for fault in ("a replay forgets a launch", "a replay has old numbers"):
        be = of_devices.make(of_devices.FAULTS[fault][1])
        with second_opinion(be, ALMOST), pytest.raises(WrongResultError, match="a replay left"):
            recorded_steps(be)
        be.cleanup_backend()


def test_of_a_replay_only_what_it_writes_is_copied(be, monkeypatch):
    x, big = be.array(np.ones((6, 4))), be.array(np.ones((40, 30)))
    y, z, copied = be.zeros((6, 4)), be.zeros((6, 6)), []
    copy = CPUDevice.copy_in
    monkeypatch.setattr(
        CPUDevice, "copy_in", lambda d, t, v: copied.append(t.storage) or copy(d, t, v)
    )

    def step():
        y[:] = y + x * be.sum(big[:6, :4], axis=0)
        be.compound_dot(x, x.T, z)

    with second_opinion(be, ALMOST):
        replay = be.record(step)
        replay()
        copied.clear()
        replay()
    assert {id(s) for s in copied} == {id(y.storage), id(z.storage)}
    assert np.allclose(y.get(), 12)


def test_a_replay_that_writes_what_the_step_does_not_is_found(be):
    x, y = be.array(np.ones((6, 4))), be.zeros((6, 4))
    make = be.device.make_replay

    def astray(recorder):
        replay, how = make(recorder)

        def run():
            replay()
            x.native[2, 3] += 1

        return run, how

    be.device.make_replay = astray

    def step():
        y[:] = y + x

    with second_opinion(be, ALMOST):
        replay = be.record(step)
        replay()
        with pytest.raises(WrongResultError, match="no statement of the step writes"):
            replay()
    del be.device.make_replay


def test_the_variable_asks_for_all(monkeypatch):
    monkeypatch.setenv("NEONPORT_CHECK", "cpu:0.01:whole:raise")
    gen = gen_backend("cpu")
    assert gen.second_opinion.check.compares_all
    cleanup_backend()


@pytest.mark.parametrize(
    "text", ["cpu:0.01:whole", "cpu:0:0.01:whole", "cpu:0.01:whole:raise", "cpu:1"]
)
def test_what_compares_all(text):
    assert parse(text).compares_all
    assert not parse("cpu:0.01:raise").compares_all


# ---- memory --------------------------------------------------------------------------------------


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setattr(surroundings, "WINDOW", 64)


@pytest.mark.parametrize("key", [(slice(3, 5), slice(2, 9)), (slice(None), slice(1, 20, 3)),
                                 (slice(8, 2, -2), slice(18, 3, -5))])  # fmt: skip
def test_what_belongs_to_a_target_may_change_and_nothing_else(be, narrow, key):
    x = be.zeros((10, 20))
    view = x[key]
    inside = np.zeros((10, 20), bool)
    inside[key] = True
    for seed in range(40):
        random = Random(seed)
        block = Surroundings(be, [view], random)
        view[:] = view + 1
        assert not block.written().size
        block = Surroundings(be, [view], random)
        x.native[...] -= 1
        found = block.written()
        assert set(found // 4) <= set(np.flatnonzero(~inside))
        whole = Surroundings(be, [view], None)
        x.native[...] -= 1
        assert set(whole.written() // 4) == set(np.flatnonzero(~inside))


def test_windows_reach_every_part_of_the_block(be, narrow):
    x = be.zeros((64, 64))
    starts = {Surroundings(be, [x[10:20, 5:9]], Random(seed)).start for seed in range(300)}
    assert min(starts) == 0
    assert max(starts) == 64 * 64 * 4 - 64
    assert len(starts) > 60


def test_a_copy_that_does_not_arrive_is_found_in_its_block(be, little):
    x, values = be.zeros((40, 30)), np.random.RandomState(0).rand(40, 30).astype(np.float32)

    def copy(target, given):
        target.native[...] = given
        target.native[33, 21] += 1

    found = [list(memory_checks.copy_in(be, copy, x, values, Random(s))) for s in range(300)]
    assert 0 < sum(map(bool, found)) < 40
    assert list(memory_checks.copy_in(be, copy, x, values))
    copy = be.device.copy_in
    assert not list(memory_checks.copy_in(be, copy, x, values, Random(0)))
    assert np.array_equal(x.get(), values)


def test_memory_that_is_not_zero_is_found_at_its_ends(be):
    storage = be.device.allocate(1 << 20)
    storage.native[-5] = 1
    assert list(memory_checks.new_memory(be, storage, 1 << 20, [], Random(0)))
    storage.native[-5] = 0
    assert not list(memory_checks.new_memory(be, storage, 1 << 20, [], Random(0)))

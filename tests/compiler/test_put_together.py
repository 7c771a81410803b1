"""Random trees of concats, movements and reductions: compiled code against the NumPy evaluator."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from neonport.engine.evaluator import evaluate
from neonport.optree.node import OpTreeNode, apply


def without(shape, axis):
    return len(shape), shape[:axis], shape[axis + 1 :]


def concat(rng, be, leaves, depth):
    parts = [grow(rng, be, leaves, depth) for _ in range(rng.randint(1, 3))]
    axis = rng.randrange(len(parts[0].sig.shape))
    rest = without(parts[0].sig.shape, axis)
    fitting = [p for p in parts if without(p.sig.shape, axis) == rest]
    return be.concat(fitting, axis)


def cut(rng, x):
    starts, steps, shape = [], [], []
    for n in x.sig.shape:
        start, step = rng.randrange(n), rng.choice([1, 1, 2, -1])
        starts.append(start)
        steps.append(step)
        shape.append(rng.randint(1, (n - 1 - start) // step + 1 if step > 0 else start + 1))
    return apply("slice", x, starts=tuple(starts), steps=tuple(steps), shape=tuple(shape))


def grow(rng, be, leaves, depth):
    """A tree of small whole numbers, which no order of additions rounds."""
    if depth == 0:
        return rng.choice(leaves)
    choice = rng.randrange(9)
    if choice < 3:
        return concat(rng, be, leaves, depth - 1)
    x = grow(rng, be, leaves, depth - 1)
    shape = x.sig.shape
    axis = rng.randrange(len(shape))
    if choice == 3:
        return apply("mul", x, 0.5)
    if choice == 4:
        return apply("transpose", x, perm=tuple(rng.sample(range(len(shape)), len(shape))))
    if choice == 5:
        return cut(rng, x)
    if choice == 6 and len(shape) < 4:
        return apply("reshape", x, shape=(*shape[:axis], 1, *shape[axis:]))
    if choice == 7:
        return apply(rng.choice(["sum", "max"]), x, axes=(axis,))
    return be.sort(x, axis) if rng.random() < 0.3 else apply("add", x, apply("abs", x))


@pytest.mark.parametrize("seed", range(16))
def test_compiled_as_evaluated(make_backend, seed):
    be = make_backend(batch_size=4, rng_seed=0)
    if not be.device.capabilities.host_memory:
        pytest.skip("the evaluator reads host memory")
    rng, numbers = Random(seed), np.random.RandomState(seed).randint(-8, 9, (4, 5, 6))
    kinds = (np.float32, np.float16, np.int32, np.float64 if seed % 3 == 0 else np.float32)
    leaves = [be.array(x, dtype=kind) for x, kind in zip(numbers, kinds, strict=True)]
    base = leaves[0]
    leaves += [base[:, ::-1], base[1:4]]
    grown = [grow(rng, be, leaves, rng.randint(2, 4)) for _ in range(3)]
    trees = [tree for tree in grown if isinstance(tree, OpTreeNode)]
    want = [evaluate(tree, tree.shape, None).astype(np.float64) for tree in trees]
    pairs = [(be.empty(tree.shape, dtype=np.float64), tree) for tree in trees]
    be.assign_many(pairs)
    for (out, tree), values in zip(pairs, want, strict=True):
        np.testing.assert_array_equal(out.get(), values, str(tree))
    for tree, values in zip(trees, want, strict=True):
        if tree.shape == base.shape:  # the target is read by its own statement
            base[:] = tree
            np.testing.assert_array_equal(base.get(), values.astype(np.float32), str(tree))
            break


def region(x, *slices):
    found = [s.indices(n) for s, n in zip(slices, x.sig.shape, strict=True)]
    starts, _, steps = zip(*found, strict=True)
    sizes = tuple(len(range(*bounds)) for bounds in found)
    return apply("slice", x, starts=starts, steps=steps, shape=sizes)


@pytest.fixture
def operands(be):
    values = np.random.RandomState(0).randint(-8, 9, (5, 6)).astype("f")
    return be.array(values), values


def close(be, tree, want):
    out = be.empty(tree.shape)
    out[:] = tree
    np.testing.assert_array_equal(out.get(), want)


def test_a_slice_of_a_slice_of_a_call(be, operands):
    x, values = operands
    once = region(be.sort(x, 0), slice(4, 0, -1), slice(1, 6, 2))
    close(be, region(once, slice(1, 4, 2), slice(2, 0, -1)), np.sort(values, 0)[3:0:-2, 5:1:-2])


@pytest.mark.parametrize(
    "rows", [slice(0, 5), slice(6, 9), slice(9, 5, -2), slice(3, 7), slice(8, 1, -3)], ids=str
)
def test_a_slice_of_a_concat_within_a_part_and_across(be, operands, rows):
    x, values = operands
    whole = be.concat([x, be.sort(x, 0)])
    want = np.concatenate([values, np.sort(values, 0)])[rows, 1:4]
    close(be, region(whole, rows, slice(1, 4)), want)
    plan = be.explain(region(whole, slice(1, 4), slice(0, 6)))
    assert not plan.calls  # the part that is not read is not computed


def test_axes_of_length_1_added_to_a_broadcast_expression(be, operands):
    x, values = operands
    row, column = x[:1], x[:, :1]
    tree = be.absolute(x * row) - column
    want = np.abs(values * values[:1]) - values[:, :1]
    for shape in ((1, 5, 6), (5, 1, 6), (5, 6, 1), (5, 1, 1, 6)):
        moved = apply("reshape", tree, shape=shape)
        close(be, moved, want.reshape(shape))
        assert len(be.explain(moved).kernels) == 1
    outer = apply("reshape", row * column, shape=(5, 1, 6))
    close(be, outer, (values[:1] * values[:, :1])[:, None])


def test_a_reshaped_part_that_is_no_view(be, operands):
    x, values = operands
    turned = apply("reshape", x.T, shape=(5, 6))  # its elements have to be copied
    tree = be.concat([turned, be.sort(x, 0)], axis=1) + 1
    close(be, tree, np.concatenate([values.T.reshape(5, 6), np.sort(values, 0)], 1) + 1)

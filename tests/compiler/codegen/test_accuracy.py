"""The vector functions of the prelude against float64, in units in the last place."""

from __future__ import annotations

import numpy as np
import pytest

# op, range of the argument, measured worst error (rounded up) in ulp of the true result
CASES = [
    ("exp", (-103.0, 88.7), 1.5),
    ("exp2", (-149.0, 127.9), 1.5),
    ("log", (1e-30, 1e30), 1.5),
    ("log", (0.5, 2.0), 1.5),
    ("log2", (1e-30, 1e30), 2.0),
    ("log2", (0.5, 2.0), 2.5),
    ("tanh", (-12.0, 12.0), 2.5),
    ("tanh", (-0.01, 0.01), 2.5),
    ("sig", (-85.0, 90.0), 2.5),
]

TRUTH = {
    "exp": np.exp,
    "exp2": np.exp2,
    "log": np.log,
    "log2": np.log2,
    "tanh": np.tanh,
    "sig": lambda x: 1 / (1 + np.exp(-x)),
}
SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-42, -1e-42, 3e38, -3e38, 1.2e-38, 0.5, 2.0],
    np.float32,
)


def ulp_error(got, truth):
    nearest = truth.astype(np.float32)
    spacing = np.spacing(np.abs(nearest)).astype(np.float64)
    return np.max(np.abs(got.astype(np.float64) - truth) / spacing)


@pytest.mark.parametrize(("op", "span", "bound"), CASES)
def test_error_in_ulp(cpu, op, span, bound):
    low, high = span
    spread = np.geomspace(low, high, 200_001) if low > 1e-31 and high > 3 else None
    values = np.linspace(low, high, 200_001) if spread is None else spread
    x = cpu.array(values.reshape(1, -1))
    out = cpu.empty(x.shape)
    out[:] = getattr(cpu, op)(x)
    assert ulp_error(out.get(), TRUTH[op](x.get().astype(np.float64))) <= bound


def test_pow_in_ulp(cpu):
    rng = np.random.RandomState(0)
    base, power = np.exp(rng.uniform(-20, 20, (1, 100_000))), rng.uniform(-4, 4, (1, 100_000))
    x, y = cpu.array(base), cpu.array(power)
    out = cpu.empty(x.shape)
    out[:] = x**y
    with np.errstate(all="ignore"):
        truth = x.get().astype(np.float64) ** y.get().astype(np.float64)
    normal = (truth > 1e-37) & (truth < 3e38)
    assert ulp_error(out.get()[normal], truth[normal]) <= 1.0


@pytest.mark.parametrize(
    "op", ["exp", "exp2", "log", "log2", "tanh", "sig", "safelog", "sqrt", "sgn", "finite", "rint"]
)
def test_special_values_as_the_definition(cpu, op):
    x = cpu.array(SPECIAL.reshape(1, -1))
    compiled, defined = cpu.empty(x.shape), cpu.empty(x.shape)
    tree = getattr(cpu, op)(x)
    compiled[:] = tree
    cpu.executor.interpret([(defined, tree)])
    np.testing.assert_allclose(compiled.get(), defined.get(), rtol=4e-7, atol=1e-44)
    number = ~np.isnan(defined.get())  # the sign of a nan means nothing
    assert np.array_equal(np.signbit(compiled.get())[number], np.signbit(defined.get())[number])


def test_pow_special_values(cpu):
    x = cpu.array(np.repeat(SPECIAL, SPECIAL.size).reshape(1, -1))
    y = cpu.array(np.tile(SPECIAL, SPECIAL.size).reshape(1, -1))
    out = cpu.empty(x.shape)
    out[:] = x**y
    with np.errstate(all="ignore"):
        expected = np.power(x.get(), y.get())
    np.testing.assert_allclose(out.get(), expected, rtol=4e-7, atol=1e-44)


def test_every_half_and_back(cpu):
    bits = np.arange(65536, dtype=np.uint16).view(np.float16)
    h = cpu.array(bits, dtype=np.float16)
    wide, back = cpu.empty(h.shape), cpu.empty(h.shape, dtype=np.float16)
    wide[:] = h * 1.0
    back[:] = wide * 1.0
    assert np.array_equal(wide.get()[:, 0], bits.astype(np.float32), equal_nan=True)
    assert np.array_equal(back.get()[:, 0], bits, equal_nan=True)


def test_rounding_to_half_is_to_nearest_even(cpu):
    rng = np.random.RandomState(1)
    around = np.concatenate(
        [rng.normal(size=20000) * 10.0 ** rng.randint(-9, 6, 20000), [65519.0, 65520.0, -65520.0]]
    ).astype(np.float32)
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    ties = (halves[:-1] + halves[1:]) / 2
    x = cpu.array(np.concatenate([around, ties]))
    out = cpu.empty(x.shape, dtype=np.float16)
    out[:] = x * 1.0
    with np.errstate(over="ignore"):
        assert np.array_equal(out.get(), x.get().astype(np.float16))


def test_long_sums_keep_their_digits(cpu):
    rng = np.random.RandomState(2)
    values = rng.uniform(0.5, 1.5, (1, 3_000_000)).astype(np.float32)
    x, s = cpu.array(values), cpu.empty((1, 1))
    s[:] = cpu.sum(x)
    assert abs(s.item() / values.astype(np.float64).sum() - 1) < 1e-6
    s[:] = cpu.var(x + 1000.0)
    shifted = values + np.float32(1000.0)
    assert abs(s.item() / shifted.astype(np.float64).var() - 1) < 1e-4

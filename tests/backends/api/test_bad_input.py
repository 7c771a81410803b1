"""Mistakes are named, and nothing is written: a short form of the campaign in `bad_input`."""

from __future__ import annotations

import numpy as np
import pytest

from neonport.errors import ConfigurationError, DtypeError
from tests.backends.api.bad_input import faults, public_functions


@pytest.mark.filterwarnings("ignore")
def test_every_public_function(be, campaign: int):
    names = public_functions(be)
    assert len(names) > 140
    seeds = range(campaign)
    found = [fault for seed in seeds for name in names for fault in faults(be, name, 12, seed)]
    assert not found, "\n".join(" | ".join(map(str, fault)) for fault in found)


def test_the_campaign_sees_a_fault(be, monkeypatch):
    def spoils(x, y=None):
        be.ones((1, 1)).nothing

    monkeypatch.setattr(be, "spoils", spoils, raising=False)
    (fault, *_) = faults(be, "spoils", 3, seed=0)
    assert "AttributeError" in fault.what
    out = be.zeros((3, 4))

    def writes(x):
        out.fill(1)
        raise ValueError("too late")

    monkeypatch.setattr("tests.backends.api.bad_input.values", lambda be: [out])
    monkeypatch.setattr(be, "writes", writes, raising=False)
    (fault, *_) = faults(be, "writes", 1, seed=0)
    assert "changed before the error" in fault.what


def test_sizes_of_windows(be):
    for name, arguments in {
        "N": (np.float32, None, 3, 8),
        "C": (np.float32, 4, 2.5, 8),
        "K": (np.float32, 4, 3, "8"),
        "D": (np.float32, 4, 3, 8, -1),
        "T": (np.float32, 4, 3, 8, 1, 6, 6, 0),
    }.items():
        with pytest.raises(ConfigurationError, match=rf"conv_layer: {name}=.* must be an integer"):
            be.conv_layer(*arguments)
    with pytest.raises(ConfigurationError, match="pool_layer: str_h=0 must be an integer of at"):
        be.pool_layer(np.float32, "max", 4, 3, 1, 6, 6, 1, 1, 2, 2, str_h=0)
    with pytest.raises(ConfigurationError, match="too large"):
        be.conv_layer(np.float32, 10**20, 3, 8)


def test_a_layer_object_of_another_kind(be):
    pool = be.pool_layer(np.float32, "max", 4, 3, 1, 6, 6)
    x = be.ones((3 * 36, 4))
    with pytest.raises(DtypeError, match=r"fprop_conv: layer must be what be.conv_layer\(...\)"):
        be.fprop_conv(pool, x, x, x)
    with pytest.raises(DtypeError, match=r"fprop_pool: layer must be what be.pool_layer\(...\)"):
        be.fprop_pool("max", x, x)


def test_probabilities(be):
    for call in (lambda p: be.dropout(p), lambda p: be.make_binary_mask(be.zeros((2, 3)), p)):
        for p in (-1, 1.5, float("nan")):
            with pytest.raises(ConfigurationError, match="must be a probability, from 0 to 1"):
                call(p)
        with pytest.raises(DtypeError, match="must be a real number"):
            call("half")


def test_out_that_is_no_tensor(be):
    host = np.zeros((3, 4), np.float32)
    for out in (host, {}, be.ones((3, 4)) + 1):
        with pytest.raises(DtypeError, match="exp: out must be a tensor, not a"):
            be.exp(be.ones((3, 4)), out=out)
    assert not host.any()


def test_pairs_of_assignments(be):
    x = be.zeros((3, 4))
    for pairs in (3, [x], [(x,)], [(x, 1, 2)], x):
        with pytest.raises(DtypeError, match=r"assign_many: needs \(target, value\) pairs"):
            be.assign_many(pairs)
    with pytest.raises(DtypeError, match="target must be a Tensor, not a list"):
        be.assign([1], np.ones(3))

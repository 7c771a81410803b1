from __future__ import annotations

import numpy as np

from neonport.layers import SkipNode


def test_identity_with_buffers_of_its_own(be, tools):
    layer = tools.drive(SkipNode(), (2, 3))
    x = be.iobuf((2, 3)).fill(5.0)
    y = layer.fprop(x)
    assert not tools.shares_memory(x, y)
    x.fill(5.0)
    assert (layer.fprop(x).get() == 5).all()
    assert (layer.fprop(x, beta=2.0).get() == 15).all()
    error = be.iobuf((2, 3)).fill(3.0)
    deltas = layer.bprop(error)
    assert deltas is layer.deltas
    assert (deltas.get() == 3).all()
    assert (layer.bprop(error, alpha=2.0, beta=0.5).get() == 7.5).all()


def test_what_was_there_is_not_read_with_beta_zero(be, tools):
    layer = tools.drive(SkipNode(), 3)
    layer.outputs.fill(np.nan)
    layer.deltas.fill(np.nan)
    assert (layer.fprop(be.iobuf(3).fill(1.0)).get() == 1).all()
    assert (layer.bprop(be.iobuf(3).fill(1.0)).get() == 1).all()


def test_a_first_layer_has_no_deltas(be, tools):
    layer = tools.drive(SkipNode(), 3, first=True)
    layer.fprop(be.iobuf(3))
    assert layer.bprop(be.iobuf(3)) is None

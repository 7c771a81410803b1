"""Recorded steps are CUDA graphs, where they can be."""

from __future__ import annotations

import cupy
import numpy as np
import pytest

from neonport.backends.gpu import launch as boxed
from neonport.errors import RecordingError


def add_one(be, t):
    def step():
        t[:] = t + 1
        t[:] = be.dot(t, be.number(lambda: 1.0) * t) / t.shape[0] / t

    return step


def test_a_graph_is_launched_once_a_replay(cuda, monkeypatch):
    t = cuda.zeros((8, 8))
    run = cuda.record(add_one(cuda, t))
    run()
    assert (run.how, run.reason) == ("graph", "")
    launches = []
    launch = cuda.device.queue.stream.__class__
    assert launch is cupy.cuda.Stream
    bind = cuda.device.bind_launch
    monkeypatch.setattr(cuda.device, "bind_launch", lambda *a: launches.append(a) or bind(*a))
    run()
    cuda.use_stream(2)
    run()
    assert not launches
    np.testing.assert_array_equal(t.get(), np.full((8, 8), 3.0))


def test_the_legacy_default_stream_cannot_be_captured(cuda):
    t = cuda.zeros((8, 8))
    cuda.use_stream(0)
    run = cuda.record(add_one(cuda, t))
    for _ in range(3):
        run()
    assert run.how.startswith("bound calls: the legacy default stream cannot be captured")
    np.testing.assert_array_equal(t.get(), np.full((8, 8), 3.0))


def test_a_capture_that_fails(cuda, monkeypatch):
    t = cuda.zeros((8, 8))

    def refuse(self):
        self.__class__.__dict__
        real(self)
        raise RuntimeError("cudaErrorStreamCaptureInvalidated")

    real = cupy.cuda.Stream.end_capture
    monkeypatch.setattr(cupy.cuda.Stream, "end_capture", refuse)
    run = cuda.record(add_one(cuda, t))
    for _ in range(3):
        run()
    assert "CaptureInvalidated" in run.how
    np.testing.assert_array_equal(t.get(), np.full((8, 8), 3.0))


def test_more_numbers_than_the_box_has(cuda, monkeypatch):
    monkeypatch.setattr(boxed, "WORDS", 3)
    t = cuda.zeros((8, 8))

    def step():
        for _ in range(4):
            t[:] = t + cuda.number(lambda: 1.0)

    with pytest.raises(RecordingError, match="more than 3 numbers"):
        cuda.record(step)()


def test_numbers_that_stay_are_not_boxed(cuda):
    t = cuda.zeros((8, 8))

    def step():
        t[:] = t * 2 + 1

    run = cuda.record(step)
    run()
    before = cuda.device.programs.compiled
    plain = cuda.zeros((8, 8))
    plain[:] = plain * 2 + 1
    assert cuda.device.programs.compiled == before


def test_replays_do_not_disturb_each_other(cuda):
    """Many replays may be pending; each has its own numbers."""
    t, i = cuda.zeros((4, 4)), iter(range(1, 100))
    run = cuda.record(lambda: t.__setitem__(slice(None), t + cuda.number(lambda: float(next(i)))))
    for _ in range(40):
        run()
    np.testing.assert_array_equal(t.get(), np.full((4, 4), 40 * 41 / 2))

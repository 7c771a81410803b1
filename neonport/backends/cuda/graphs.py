"""Recorded steps as CUDA graphs: one call to the driver launches all of them.

CuPy 14 captures and launches graphs but cannot change the arguments of the kernels in them, so
numbers that change lie in memory (`neonport.backends.gpu.launch`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from neonport.backends.cuda.stream import Queue
from neonport.engine.recording import Recorder, bound_calls
from neonport.errors import NeonportError


def make_replay(queue: Queue, recorder: Recorder) -> tuple[Callable[[], None], str]:
    """A replay of a recording, and how it is done.

    Args:
        queue: whose stream is captured.
        recorder: with a Box as `extra`.
    """
    if not queue.capturable:
        reason = "the legacy default stream cannot be captured; use be.use_stream(None)"
        return bound_calls(recorder), f"bound calls: {reason}"
    box = recorder.extra
    box.settle()
    try:
        graph = capture(queue, recorder.launches())
    except (RuntimeError, NeonportError) as error:
        return bound_calls(recorder), f"bound calls: the capture failed: {error}"
    changing = recorder.changes

    def replay(recorder: Recorder = recorder) -> None:
        if changing:
            recorder.prepare()
            box.settle()
        try:
            graph.launch(queue.stream)
        except RuntimeError as error:
            queue.retry(error, lambda: graph.launch(queue.stream))

    return replay, "graph"


def capture(queue: Queue, launches: Sequence[Callable[[], None]]) -> Any:
    """CuPy's graph of some launches; none of them runs."""
    with queue.entered():
        queue.stream.begin_capture()
        try:
            for launch in launches:
                launch()
        except BaseException:
            with suppress(RuntimeError):  # the capture is broken; the first error says why
                queue.stream.end_capture()
            raise
        return queue.stream.end_capture()

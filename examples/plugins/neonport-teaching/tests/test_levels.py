"""Each level passes the suite's rooms that it changes, and does what it adds."""

import numpy as np
import pytest
from neonport_teaching.device import TeachingBackend
from neonport_teaching.kernels import KernelBackend
from neonport_teaching.library import LibraryBackend
from neonport_teaching.memory import MemoryBackend

from neonport import gen_backend
from neonport.errors import DLPackError, OutOfDeviceMemory
from neonport.testing import conformance

LEVELS = [MemoryBackend, KernelBackend, LibraryBackend, TeachingBackend]
ROOMS = ["store", "view", "dlpack", "compound_dot"]


def made(backend):
    be = backend(rng_seed=0)
    be.bsz = 4
    return be


@pytest.fixture(params=LEVELS, ids=lambda backend: backend.backend_name)
def be(request):
    backend = made(request.param)
    yield backend
    backend.cleanup_backend()


@pytest.fixture
def teaching():
    backend = made(TeachingBackend)
    yield backend
    backend.cleanup_backend()


def test_it_passes_what_it_changes(be):
    results = list(conformance.run(be, only=ROOMS))
    assert len(results) > 400
    assert [f"{r.op} {r.case_id}: {r.message}" for r in results if not r.passed] == []


def test_its_memory_is_pythons(be):
    assert type(be.zeros((2, 3)).native) is bytearray


def test_too_much_memory_is_refused(be):
    with pytest.raises(OutOfDeviceMemory, match="no room"):
        be.device.allocate(1 << 60)


def test_kernels_are_compiled_from_level_1_on(be):
    assert be.device.compiles is (type(be) is not MemoryBackend)
    text = str(be.explain(be.exp(be.ones((2, 3))), source=True))
    assert ("neo_exp" in text) is be.device.compiles


def test_a_step_is_recorded_from_level_1_on(be):
    w, dw = be.ones((2, 2)), be.ones((2, 2))
    step = be.record(lambda: w.__setitem__(slice(None), w - 0.25 * dw))
    for _ in range(3):
        step()
    np.testing.assert_array_equal(w.get(), np.full((2, 2), 0.25))
    assert step.replays == (2 if be.device.compiles else 0)


def test_the_library_multiplies_without_host_copies(teaching, monkeypatch):
    a, b, c = teaching.ones((3, 4)), teaching.ones((4, 2)), teaching.empty((3, 2))
    monkeypatch.setattr(teaching.device, "read", None)
    teaching.compound_dot(a, b, c, alpha=0.5)
    monkeypatch.undo()
    np.testing.assert_array_equal(c.get(), np.full((3, 2), 2))


def test_dtypes_that_the_library_lacks_are_left_to_numpy(teaching):
    a = teaching.ones((3, 4), dtype=np.float16)
    c = teaching.empty((3, 3), dtype=np.float16)
    teaching.compound_dot(a, a.T, c)
    np.testing.assert_array_equal(c.get(), np.full((3, 3), 4))


def test_launches_of_a_recording_become_one_list(teaching):
    x, w = teaching.ones((3, 3)), teaching.ones((3, 3))
    h, y = teaching.empty((3, 3)), teaching.empty((3, 3))
    rate = [1.0]

    def run():
        teaching.compound_dot(w, x, h)
        y[:] = teaching.exp(h) * teaching.number(lambda: rate[0])

    step = teaching.record(run)
    step()
    assert step.how == "lists of commands: 1 calls"
    x[:] = 2
    rate[0] = 0.5
    step()
    assert step.replays == 1
    np.testing.assert_allclose(y.get(), np.full((3, 3), 0.5 * np.exp(6)), rtol=1e-6)


def test_what_is_no_command_is_called_in_its_turn(teaching):
    x, w = teaching.ones((3, 3)), teaching.ones((3, 3))
    h, y = teaching.empty((3, 3)), teaching.empty((3, 3))

    def run():
        h[:] = x + 1
        y[:] = teaching.dot(h * 2, w) + 1  # its temporaries are locked
        h[:] = y * 2

    step = teaching.record(run)
    step()
    assert step.how == "lists of commands: 3 calls"
    x[:] = 2
    step()
    np.testing.assert_array_equal(h.get(), np.full((3, 3), 38))


def test_random_numbers_are_those_of_every_backend(be):
    cpu = gen_backend("cpu", rng_seed=0)
    drawn = []
    for backend in (be, cpu):
        u = backend.empty((2, 3))
        u[:] = backend.rand()
        drawn.append(u.get())
    np.testing.assert_array_equal(*drawn)


def test_memory_is_shared_with_numpy_at_level_3(teaching):
    t = teaching.zeros((2, 3))
    array = np.from_dlpack(t)
    array[0, 1] = 5
    assert t.get()[0, 1] == 5
    u = teaching.from_dlpack(array)
    u[:] = 7
    assert np.all(array == 7)


def test_below_level_3_others_get_copies():
    t = made(LibraryBackend).ones((2, 3))
    with pytest.raises(DLPackError, match="host"):
        t.__dlpack__()
    np.testing.assert_array_equal(np.from_dlpack(t.host()), np.ones((2, 3)))

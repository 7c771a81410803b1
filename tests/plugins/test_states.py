"""Not installed, installed but broken, fine but no device: three states, three messages."""

from __future__ import annotations

import pytest

from neonport.errors import BackendUnavailable, UnknownBackendError

# name, state, words of the error
PROBES = [
    ("probe-no-device", "no-device", "works, but found no device: the driver reports 0"),
    ("probe-not-installed", "not-installed", "is not installed: libfoo is missing; pip install"),
    ("probe-raises", "broken", "is installed but broken: probing it: LookupError: probe blew up"),
    ("probe-exits", "broken", "is installed but broken: probing it: SystemExit: 9"),
    ("probe-lies", "broken", "the probe must return a ProbeResult, got a str"),
]


@pytest.mark.parametrize(("name", "state", "words"), PROBES, ids=[p[0] for p in PROBES])
def test_each_state_has_its_own_message(registry_with, name, state, words):
    registry = registry_with("probes")
    assert registry.probe(name).state == state
    with pytest.raises(BackendUnavailable) as caught:
        registry.require(name)
    assert words in str(caught.value)
    assert "neonport-probes 2.1" in str(caught.value)


def test_a_backend_without_probe_counts_as_ready(registry_with):
    row = registry_with("probes").probe("probe-none")
    assert (row.state, row.reason) == ("ready", "it has no probe")


@pytest.mark.parametrize("name", ["cuda", "gpu", "opencl", "null"])
def test_a_reserved_name_that_is_not_there_is_not_unknown(registry_with, monkeypatch, name):
    monkeypatch.setattr("neonport.backends.builtin.BUILTIN", ())
    with pytest.raises(BackendUnavailable, match=r"is not installed: .*update it") as caught:
        registry_with().create(name)
    assert not isinstance(caught.value, UnknownBackendError)


def test_an_unknown_name_lists_the_others_with_their_states(registry_with):
    registry = registry_with("good", "import_error", NEONPORT_BLOCK="npu")
    with pytest.raises(UnknownBackendError) as caught:
        registry.create("ncpu")
    text = str(caught.value)
    assert isinstance(caught.value, ValueError)  # what neon raised
    assert "unknown backend 'ncpu'" in text
    assert "Did you mean" in text
    assert "Ready: cpu, null; " in text.replace("cpu, opencl", "cpu").replace("cpu, cuda", "cpu")
    assert "npu (blocked" in text
    assert "importerror (broken: importing fake_import_error: ModuleNotFoundError" in text
    assert "gpu means cuda" in text


def test_a_keyerror_in_a_constructor_is_no_unknown_backend(registry_with):
    with pytest.raises(BackendUnavailable, match=r"constructing it: KeyError: .a bug") as caught:
        registry_with("constructors").create("make-keyerror")
    assert not isinstance(caught.value, UnknownBackendError)
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_complaint_about_an_argument_comes_through(registry_with):
    with pytest.raises(ValueError, match="default_dtype must be float32") as caught:
        registry_with("constructors").create("make-valueerror", default_dtype="float16")
    assert type(caught.value) is ValueError


@pytest.mark.parametrize(
    ("name", "cause", "words"),
    [
        ("make-exit", SystemExit, "constructing it: SystemExit: 9"),
        ("make-nothing", TypeError, "made a NoneType, which has no array and no cleanup_backend"),
        ("make-gone", AttributeError, "has no attribute 'make_gone'"),
    ],
)
def test_a_factory_that_fails_is_a_broken_plugin(registry_with, name, cause, words):
    with pytest.raises(BackendUnavailable) as caught:
        registry_with("constructors").create(name)
    assert words in str(caught.value)
    assert "neonport-constructors 2.2" in str(caught.value)
    assert isinstance(caught.value.__cause__, cause)


def test_keywords_reach_the_factory(registry_with):
    be = registry_with("good").create("npu", rng_seed=1, device_id=2)
    assert be.keywords == {"rng_seed": 1, "device_id": 2}


def test_a_name_that_comes_from_the_variable_is_said(registry_with):
    registry = registry_with("probes", NEONPORT_BACKEND="probe-no-device")
    with pytest.raises(BackendUnavailable, match=r"\(NEONPORT_BACKEND is set to it\)"):
        registry.require(registry.default())
    with pytest.raises(UnknownBackendError) as caught:
        registry.require("cup")
    assert "NEONPORT_BACKEND" not in str(caught.value)
    registry = registry_with(NEONPORT_BACKEND="cup")
    with pytest.raises(UnknownBackendError, match=r"'cup' \(NEONPORT_BACKEND is set to it\)"):
        registry.require(registry.default())

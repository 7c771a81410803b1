"""The environment variables: defaults, parsing, and one clear error for a wrong value."""

from __future__ import annotations

import pytest

from neonport import settings
from neonport.errors import ConfigurationError

FLAGS = [row for row in settings.SETTINGS if row.allowed == "`0` or `1`"]


@pytest.mark.parametrize("row", settings.SETTINGS, ids=lambda row: row.name)
def test_a_variable_that_is_not_set_or_blank_has_its_default(row):
    assert row.get({}) == row.get({row.name: "  "}) == row.default


@pytest.mark.parametrize("row", FLAGS, ids=lambda row: row.name)
def test_switches_take_the_usual_words_and_nothing_else(row):
    for text in ("1", "yes", "ON", " true "):
        assert row.get({row.name: text}) is True
    for text in ("0", "no", "Off", "false"):
        assert row.get({row.name: text}) is False
    with pytest.raises(ConfigurationError, match=rf"{row.name}='maybe' .*`0` or `1`"):
        row.get({row.name: "maybe"})


@pytest.mark.parametrize(
    ("row", "text", "value"),
    [
        (settings.BACKEND, " opencl ", "opencl"),
        (settings.BLOCK, "a, b,,c ", ("a", "b", "c")),
        (settings.NUM_THREADS, "3", 3),
        (settings.BLAS, "OpenBLAS:haswell", "OpenBLAS:haswell"),
        (settings.OPENCL_DEVICE, "pocl:1", "pocl:1"),
    ],
)
def test_other_values(row, text, value):
    assert row.get({row.name: text}) == value


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (settings.NUM_THREADS, "0"), (settings.NUM_THREADS, "two"), (settings.BLAS, "mkl"),
        (settings.BLAS, "openblas:"), (settings.OPENCL_DEVICE, "pocl:first"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_an_error_that_names_variable_value_and_way_out(row, text):
    with pytest.raises(ConfigurationError) as caught:
        row.get({row.name: text})
    for word in (row.name, repr(text), row.allowed, row.usual):
        assert word in str(caught.value)


def test_the_value_is_read_when_it_is_asked_for(monkeypatch):
    monkeypatch.setenv("NEONPORT_TUNE", "0")
    assert not settings.TUNE.get()
    monkeypatch.setenv("NEONPORT_TUNE", "1")
    assert settings.TUNE.get()


def test_complaints_list_what_is_set_wrong_or_unknown():
    found = settings.complaints(
        {"HOME": "/", "NEONPORT_TRACE": "1", "NEONPORT_TUNE": "x", "NEONPORT_TRCE": "1"}
    )
    assert list(found) == ["NEONPORT_TRACE", "NEONPORT_TRCE", "NEONPORT_TUNE"]
    assert found["NEONPORT_TRACE"] == ""
    assert "no setting" in found["NEONPORT_TRCE"]
    assert "NEONPORT_TUNE='x'" in found["NEONPORT_TUNE"]

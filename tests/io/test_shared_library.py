"""Libraries that cannot be loaded say so in every locale."""

from __future__ import annotations

import ctypes

import pytest

from neonport.io.shared_library import load_shared_library


def test_a_library_that_is_missing():
    with pytest.raises(OSError, match="libnowhere"):
        load_shared_library("libnowhere.so.1")


@pytest.mark.parametrize("keeps_lock", [False, True])
def test_words_of_the_loader_that_are_no_utf8(monkeypatch, keeps_lock):
    """As with de_DE.ISO-8859-1: the loader speaks Latin-1, ctypes expects UTF-8."""
    said = b"libclblast.so.1: Kann die Datei nicht \xf6ffnen"

    def load(name, mode):
        raise UnicodeDecodeError("utf-8", said, 38, 39, "invalid start byte")

    monkeypatch.setattr(ctypes, "PyDLL" if keeps_lock else "CDLL", load)
    with pytest.raises(OSError, match=r"libclblast.* nicht \ufffdffnen"):
        load_shared_library("libclblast.so.1", keeps_lock=keeps_lock)


def test_a_path_that_the_locale_cannot_write(monkeypatch):
    def load(name, mode):
        raise UnicodeEncodeError("ascii", name, 0, 1, "ordinal not in range(128)")

    monkeypatch.setattr(ctypes, "CDLL", load)
    with pytest.raises(OSError, match="locale"):
        load_shared_library("/caf\u00e9/lib.so")

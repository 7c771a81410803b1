"""Text files beside the code are found in folders and in archives."""

import importlib
import sys
import zipfile

import pytest

from neonport.foundation.package_text import package_text


@pytest.fixture
def archived(tmp_path, monkeypatch):
    path = tmp_path / "packages.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archived_texts/__init__.py", "")
        archive.writestr("archived_texts/words.h", "line 1\r\nlinje 2: å\r\n".encode())
    monkeypatch.syspath_prepend(str(path))
    importlib.invalidate_caches()
    yield "archived_texts"
    sys.modules.pop("archived_texts", None)


def test_a_file_of_a_package():
    assert "neo_" in package_text("neonport.opencl_kernels", "functions.h")


def test_a_file_of_an_archive(archived):
    assert package_text(archived, "words.h") == "line 1\nlinje 2: å\n"


def test_a_missing_file_is_an_oserror(archived):
    for package in ("neonport.opencl_kernels", archived):
        with pytest.raises(OSError, match=r"none\.h"):
            package_text(package, "none.h")

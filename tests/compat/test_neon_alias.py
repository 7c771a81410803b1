"""`import neon` after `install`: the same modules, and nothing left after `uninstall`."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading

import pytest

from neonport import compat
from neonport.errors import ConfigurationError


@pytest.fixture
def alias():
    before = list(sys.meta_path)
    compat.install()
    yield
    compat.uninstall()
    assert sys.meta_path == before
    assert not [name for name in sys.modules if name.partition(".")[0] == "neon"]


@pytest.mark.parametrize(
    "name",
    [
        "neon",
        "neon.layers",
        "neon.layers.layer",
        "neon.layers.container",
        "neon.layers.recurrent",
        "neon.backends.backend",
        "neon.optimizers.optimizer",
        "neon.transforms.cost",
        "neon.models.model",
        "neon.callbacks.callbacks",
        "neon.data.dataiterator",
        "neon.data.datasets",
        "neon.data.hdf5iterator",
        "neon.data.image",
        "neon.data.imagecaption",
        "neon.data.questionanswer",
        "neon.data.text",
        "neon.data.text_preprocessing",
        "neon.data.ticker",
        "neon.util.argparser",
        "neon.util.persist",
        "neon.initializers.initializer",
    ],
)
def test_modules_are_the_same_under_both_names(alias, name):
    ours = importlib.import_module(name.replace("neon", "neonport", 1))
    before = dict(vars(ours))
    assert importlib.import_module(name) is ours
    for key in ("__name__", "__spec__", "__loader__", "__package__", "__file__"):
        assert vars(ours)[key] is before[key], key


def test_data_sets_are_where_neon_had_them(alias):
    for module, names in {
        "text": "Text Shakespeare PTB HutterPrize IMDB SICK",
        "image": "MNIST CIFAR10 DUMMY",
        "questionanswer": "QA BABI",
        "imagecaption": "ImageCaption ImageCaptionTest Flickr8k Flickr30k Coco",
        "datasets": "Dataset",
        "ticker": "Ticker CopyTask RepeatCopyTask PrioritySortTask",
    }.items():
        room = importlib.import_module("neon.data")
        for name in names.split():
            there = getattr(importlib.import_module(f"neon.data.{module}"), name)
            assert there is getattr(room, name)
            assert there.neon_module == f"neon.data.{module}"


def test_what_is_not_there(alias):
    with pytest.raises(ModuleNotFoundError, match=r"neon\.nothing: this library has no module"):
        importlib.import_module("neon.nothing")
    with pytest.raises(ModuleNotFoundError, match=r"neon\.layers\.nothing"):
        importlib.import_module("neon.layers.nothing")


def test_installing_again_and_uninstalling_again(alias):
    compat.install()
    compat.uninstall()
    compat.uninstall()
    assert not compat.installed()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("neon")


def test_another_neon_is_not_hidden(monkeypatch):
    monkeypatch.setitem(sys.modules, "neon", sys)
    with pytest.raises(ConfigurationError, match="another neon has been imported"):
        compat.install()


def test_threads_import_at_once(alias):
    errors = []

    def load(name):
        try:
            importlib.import_module(f"neon.{name}")
        except BaseException as error:
            errors.append(error)

    names = ["layers", "models", "data", "transforms", "optimizers", "initializers"] * 4
    threads = [threading.Thread(target=load, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_importing_compat_changes_nothing():
    program = """
import sys, builtins
before = list(sys.meta_path), list(sys.path), dict(vars(builtins))
import neonport.compat
assert (list(sys.meta_path), list(sys.path)) == before[:2]
assert dict(vars(builtins)) == before[2]
assert "neon" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)

"""AeonDataLoader: manifests and configurations of aeon's, pixels, orders, training."""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neonport.callbacks import Callbacks
from neonport.data.aeon_shim import AeonDataLoader
from neonport.data.aeon_shim.manifest import read_manifest
from neonport.data.dataiterator import in_order
from neonport.data.dataloader_transformers import OneHot, TypeCast, ValueNormalize
from neonport.errors import ConfigurationError
from neonport.initializers import Gaussian
from neonport.io.images import DamagedImage
from neonport.layers import Affine, GeneralizedCost
from neonport.models import Model
from neonport.optimizers import Adam
from neonport.transforms import CrossEntropyMulti, Softmax

Make = Callable[..., Any]
COUNT = 10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten images of 6 x 4 pixels; red, green and blue are 10 n, 10 n + 1 and 10 n + 2."""
    lines = ["@FILE\tASCII_INT"]
    for n in range(COUNT):
        pixels = np.full((4, 6, 3), [10 * n, 10 * n + 1, 10 * n + 2], np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{n}.png")
        lines.append(f"{n}.png\t{n % 3}")
    (tmp_path / "index.tsv").write_text("\n".join(["# a comment", *lines, ""]))
    return tmp_path


def config(folder: Path, image: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    part = {"type": "image", "height": 4, "width": 6, **(image or {})}
    return {
        "manifest_filename": str(folder / "index.tsv"),
        "etl": [part, {"type": "label", "binary": False}],
        **more,
    }


def numbers(loader: Any) -> list[list[int]]:
    """Which images the minibatches of a pass have."""
    return [(image.get()[0] // 10).astype(int).tolist() for image, _ in loader]


def test_pixels_and_labels(make_backend: Make, folder: Path) -> None:
    make_backend(batch_size=4)
    data = AeonDataLoader(config(folder))
    assert (data.shape, data.ndata, data.nbatches) == ((3, 4, 6), 10, 3)
    image, label = next(iter(data))
    assert (image.dtype, label.dtype) == (np.uint8, np.uint32)
    planes = image.get().reshape(3, 24, 4)
    assert planes[:, 0, 1].tolist() == [12, 11, 10]  # blue, green, red
    assert label.get().tolist() == [[0, 1, 2, 0]]
    assert list(data.outputs) == ["image", "label"]
    data = AeonDataLoader(config(folder, {"bgr_to_rgb": True, "channel_major": False}))
    assert data.shape == (4, 6, 3)
    image, _ = next(iter(data))
    assert image.get().reshape(24, 3, 4)[0, :, 1].tolist() == [10, 11, 12]
    grey = AeonDataLoader(config(folder, {"channels": 1, "output_type": "float"}))
    image, _ = next(iter(grey))
    assert (image.dtype, image.shape) == (np.float32, (24, 4))
    small = AeonDataLoader(config(folder, {"height": 2, "width": 3}, batch_size=4), adapter=False)
    (name, pixels), (_, labels) = next(iter(small))
    assert (name, pixels.shape, labels.shape) == ("image", (4, 3, 2, 3), (4, 1))


def test_orders(make_backend: Make, folder: Path) -> None:
    make_backend(batch_size=4)
    plain = AeonDataLoader(config(folder))
    assert numbers(plain) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]
    assert numbers(plain) == [[2, 3, 4, 5], [6, 7, 8, 9]]
    fixed = AeonDataLoader(config(folder, shuffle_manifest=True, random_seed=3))
    first = [*chain(*numbers(fixed))]
    fixed.reset()
    assert [*chain(*numbers(fixed))] == first
    assert sorted(first[:10]) == list(range(10)) != first[:10]
    mixed = AeonDataLoader(config(folder, shuffle_enable=True, decode_thread_count=3))
    whole = [numbers(mixed) for _ in range(4)]
    assert sorted([*chain(*whole[0], *whole[1])][:10]) == list(range(10))
    again = AeonDataLoader(config(folder, shuffle_enable=True))
    assert [numbers(again), numbers(again)] == whole[:2]
    state = again.get_state()
    other = AeonDataLoader(config(folder, shuffle_enable=True))
    other.set_state(state)
    assert [numbers(other), numbers(other)] == whole[2:]
    other.reset()
    assert numbers(in_order(other))[0] == [0, 1, 2, 3]
    part = AeonDataLoader(config(folder, subset_fraction=0.5))
    assert (part.ndata, numbers(part)[0]) == (5, [0, 1, 2, 3])
    counted = AeonDataLoader(config(folder, iteration_mode="COUNT", iteration_mode_count=4))
    assert len(numbers(counted)) == 4
    endless = iter(AeonDataLoader(config(folder, iteration_mode="INFINITE")))
    assert len([next(endless) for _ in range(9)]) == 9


def test_augmentation(make_backend: Make, folder: Path) -> None:
    make_backend(batch_size=4)
    changed = [{"type": "image", "padding": 2, "center": False, "flip_enable": True,
                "contrast": [0.5, 1.5], "lighting": [0.0, 0.1]}]  # fmt: skip
    data = AeonDataLoader(config(folder, augmentation=changed))
    first = [image.get() for image, _ in data]
    again = AeonDataLoader(config(folder, augmentation=changed, decode_thread_count=2))
    for x, (image, _) in zip(first, again, strict=True):
        np.testing.assert_array_equal(x, image.get())
    second = [image.get() for image, _ in data]
    assert not np.array_equal(first[0], second[0])
    plain = [image.get() for image, _ in AeonDataLoader(config(folder)).in_order()]
    for x, (image, _) in zip(plain, data.in_order(), strict=True):
        np.testing.assert_array_equal(x, image.get())


def test_the_form_before_etl_and_labels_in_files(make_backend: Make, folder: Path) -> None:
    make_backend(batch_size=2)
    rows = []
    for n in range(4):
        (folder / f"{n}.bin").write_bytes(struct.pack("<i", n + 5))
        rows.append(f"{n}.png\t{n}.bin")
    (folder / "files.tsv").write_text("\n".join(rows))
    old = {
        "manifest_filename": str(folder / "files.tsv"),
        "manifest_root": str(folder),
        "minibatch_size": 2,
        "type": "image,label",
        "image": {"height": 4, "width": 6},
        "label": {"binary": True},
        "augmentation": {"type": "image", "flip_enable": False},
        "cache_directory": "",
    }
    labels = [label.get().tolist() for _, label in AeonDataLoader(old)]
    assert labels == [[[5, 6]], [[7, 8]]]


def test_it_trains(make_backend: Make, folder: Path) -> None:
    be = make_backend(batch_size=5, rng_seed=0)
    loader = AeonDataLoader(config(folder, shuffle_enable=True))
    data = OneHot(ValueNormalize(TypeCast(loader, 0, np.float32), 0), 1, nclasses=3)
    model = Model([Affine(nout=3, init=Gaussian(scale=0.1), activation=Softmax())], be=be)
    history = model.fit(
        data,
        cost=GeneralizedCost(costfunc=CrossEntropyMulti()),
        optimizer=Adam(learning_rate=0.01),
        num_epochs=3,
        callbacks=Callbacks(model, progress_bar=False),
    )
    assert len(history["cost"]) == 3
    assert model.get_outputs(data).shape == (10, 3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shufle_enable": True}, "did you mean 'shuffle_enable'"),
        ({"manifest_filename": 3}, "needs manifest_filename"),
        ({"etl": [{"type": "video"}]}, "type 'video' are not read here"),
        ({"etl": []}, "lists no kinds"),
        ({"etl": [{"type": "label"}]}, "2 columns, etl describes 1"),
        ({"etl": [{"type": "label"}, {"type": "label"}]}, "several parts of one name"),
        ({"etl": [{"type": "image", "height": 4}, {"type": "label"}]}, "image needs width"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"subset_fraction": 0}, "subset_fraction"),
        ({"iteration_mode": "TWICE"}, "iteration_mode='TWICE'"),
        ({"augmentation": [{"flip_enabled": True}]}, "did you mean 'flip_enable'"),
        ({"random_seed": "x"}, "random_seed='x' must be a number"),
        ({"augmentation": [{"angle": 1}, {"angle": 2}]}, "one entry"),
        ({"augmentation": [{"type": "audio"}]}, "one entry"),
        ({"augmentation": [{"hue": [-5, 5]}]}, "hue"),
        ({"augmentation": [{"crop_enable": False}]}, "crop_enable"),
        ({"augmentation": [{"scale": [0.5, 3]}]}, "scale="),
    ],
)
def test_configurations_that_mean_nothing(
    make_backend: Make, folder: Path, change: dict[str, Any], words: str
) -> None:
    make_backend(batch_size=4)
    with pytest.raises(ConfigurationError, match=words):
        AeonDataLoader({**config(folder), **change})


def test_damage(make_backend: Make, folder: Path) -> None:
    make_backend(batch_size=4)
    with pytest.raises(OSError, match="no manifest"):
        AeonDataLoader({**config(folder), "manifest_filename": str(folder / "none.tsv")})
    for text, words in (
        ("", "lists no samples"),
        ("@FILE\tASCII_INT\n", "lists no samples"),
        ("@FILE\tTREE\n1.png\t2\n", "TREE"),
        ("1.png\t2\n@FILE\tASCII_INT\n", "must be the first line"),
        ("@FILE\tASCII_INT\n1.png,2\n", "line 2: 1 columns, not 2.*convert_manifest"),
    ):
        (folder / "bad.tsv").write_text(text)
        with pytest.raises(ConfigurationError, match=words):
            read_manifest(str(folder / "bad.tsv"))
    (folder / "index.tsv").write_text("@FILE\tASCII_INT\n0.png\tx\n")
    with pytest.raises(ConfigurationError, match="'x' is no label"):
        next(iter(AeonDataLoader(config(folder))))
    (folder / "index.tsv").write_text("@FILE\tASCII_INT\nnone.png\t1\n")
    with pytest.raises(OSError, match=r"none\.png.*manifest_root"):
        next(iter(AeonDataLoader(config(folder))))
    (folder / "0.png").write_bytes(b"no image")
    (folder / "index.tsv").write_text("@FILE\tASCII_INT\n0.png\t1\n")
    with pytest.raises(DamagedImage, match=r"0\.png"):
        next(iter(AeonDataLoader(config(folder))))

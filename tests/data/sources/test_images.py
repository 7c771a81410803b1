"""Augmentation and folders of images: sizes, what is drawn, what is read, damaged files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neonport.data import ImageAugmentation, ImageFolder
from neonport.errors import ConfigurationError, ShapeError
from neonport.io.images import DamagedImage, read_image, save_pixels

Make = Callable[..., Any]
RNG = np.random.RandomState(0)
PIXELS = RNG.randint(0, 256, (3, 20, 30)).astype(np.uint8)
PLAIN = np.full((3, 20, 30), 100, np.uint8)


def drawn(augment: ImageAugmentation, image: np.ndarray = PIXELS, count: int = 40) -> list[Any]:
    return [augment(image, np.random.RandomState(n)) for n in range(count)]


def test_without_chance_nothing_changes_but_the_size() -> None:
    everything = ImageAugmentation(
        flip=True, angle=(-30, 30), brightness=(0.5, 2), contrast=(0.5, 2), saturation=(0, 2),
        lighting=(0, 1), scale=(0.1, 1), ratio=(0.5, 2),
    )  # fmt: skip
    np.testing.assert_array_equal(everything(PIXELS), PIXELS)
    np.testing.assert_array_equal(ImageAugmentation()(PIXELS, RNG), PIXELS)
    assert ImageAugmentation(size=(8, 9))(PIXELS).shape == (3, 8, 9)
    middle = ImageAugmentation(size=(10, 12), crop=True)(PIXELS)
    np.testing.assert_array_equal(middle, PIXELS[:, 5:15, 9:21])
    padded = ImageAugmentation(padding=2)(PLAIN)
    assert padded.shape == (3, 24, 34)
    assert (padded[:, 2:-2, 2:-2] == 100).all()
    assert not padded[:, :2].any()
    assert ImageAugmentation(resize_short=10)(PIXELS).shape == (3, 10, 15)


def test_the_same_generator_gives_the_same_image() -> None:
    augment = ImageAugmentation(
        size=(16, 16), scale=(0.3, 1), flip=True, angle=(-20, 20), brightness=(0.5, 1.5),
        contrast=(0.5, 1.5), saturation=(0.5, 1.5), lighting=(0, 0.2), mean=[1, 2, 3], std=50,
    )  # fmt: skip
    found, again = drawn(augment), drawn(augment)
    np.testing.assert_array_equal(found, again)
    assert len({x.tobytes() for x in found}) == len(found)


def test_crops_and_mirrors_are_parts_of_the_image() -> None:
    crops = drawn(ImageAugmentation(size=(10, 12), crop=True))
    places = set()
    for crop in crops:
        found = [
            (y, x)
            for y in range(11)
            for x in range(19)
            if (crop == PIXELS[:, y : y + 10, x : x + 12]).all()
        ]
        assert len(found) == 1
        places.add(found[0])
    assert len(places) > 20
    mirrored = drawn(ImageAugmentation(flip=True))
    straight = [(x == PIXELS).all() for x in mirrored]
    assert 10 < sum(straight) < 30
    assert all((x == PIXELS[:, :, ::-1]).all() for x, s in zip(mirrored, straight) if not s)  # noqa: B905
    parts = ImageAugmentation(scale=0.5, center=True)(PIXELS, RNG)
    assert parts.shape == (3, 10, 15)
    area = ImageAugmentation(scale=(0.25, 0.25), area=True)
    assert {x.shape for x in drawn(area, count=5)} == {(3, 10, 15)}
    wide = ImageAugmentation(ratio=(0.5, 0.5), center=True)(PIXELS, RNG)
    assert wide.shape == (3, 20, 15)


def test_colours() -> None:
    def means(**ranges: Any) -> list[float]:
        return [float(x.mean()) for x in drawn(ImageAugmentation(**ranges), PLAIN)]

    bright = means(brightness=(0.5, 2))
    assert 50 <= min(bright) < 70
    assert 170 < max(bright) <= 200
    grey = drawn(ImageAugmentation(saturation=0))[0]
    assert (grey[0] == grey[1]).all()
    flat = drawn(ImageAugmentation(contrast=0))[0]
    assert flat.min() == flat.max()
    assert len(set(means(lighting=(0, 0.5)))) > 30
    turned = drawn(ImageAugmentation(angle=90), PLAIN, 1)[0]
    assert not turned[:, :, 0].any()
    normed = ImageAugmentation(mean=[100, 90, 80], std=[1, 10, 20])(PLAIN)
    assert normed[:, 0, 0].tolist() == [0, 1, 1]
    assert normed.dtype == np.float32


def test_forms_of_images() -> None:
    same = ImageAugmentation()
    np.testing.assert_array_equal(same(PIXELS.transpose(1, 2, 0)), PIXELS)
    np.testing.assert_array_equal(same(Image.fromarray(PIXELS.transpose(1, 2, 0))), PIXELS)
    for grey in (PIXELS[0], PIXELS[:1], PIXELS[:1].transpose(1, 2, 0)):
        np.testing.assert_array_equal(same(grey), PIXELS[:1])
    for wrong in (PIXELS.astype(np.float32), PIXELS[:2], np.uint8(3)):
        with pytest.raises(ShapeError, match="is no image"):
            same(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 3}, {"size": (0, 3)}, {"scale": 2}, {"scale": (0.5, 0.2)}, {"scale": 0},
        {"ratio": -1}, {"brightness": "x"}, {"angle": (1, 2, 3)}, {"padding": -1},
        {"resize_short": 0}, {"contrast": float("nan")},
    ],
)  # fmt: skip
def test_ranges_that_are_none(wrong: Any) -> None:
    with pytest.raises((ConfigurationError, TypeError), match=r"ImageAugmentation|iterable"):
        ImageAugmentation(**wrong)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for label, kind in enumerate(("cat", "dog")):
        (tmp_path / kind / "more").mkdir(parents=True)
        for n in range(3):
            place = tmp_path / kind / ("more" if n == 2 else "")
            save_pixels(np.full((3, 4, 5), 100 * label + n), str(place / f"{n}.png"))
        (tmp_path / kind / "notes.txt").write_text("no image")
    return tmp_path


def test_a_folder(make_backend: Make, pictures: Path) -> None:
    make_backend(batch_size=3)
    data = ImageFolder(pictures)
    assert (data.classes, data.ndata, data.shape) == (["cat", "dog"], 6, (3, 4, 5))
    found = [(x.get()[0].tolist(), t.get().argmax(0).tolist()) for x, t in data]
    assert found == [([0, 1, 2], [0, 0, 0]), ([100, 101, 102], [1, 1, 1])]
    other = ImageFolder(pictures, ImageAugmentation(size=(2, 2), std=2), 1, ["dog"], threads=2)
    assert (other.shape, other.nclass) == ((1, 2, 2), 1)
    assert next(iter(other))[0].get()[0].tolist() == [50, 50.5, 51]


def test_folders_that_do_not_do(make_backend: Make, pictures: Path) -> None:
    make_backend(batch_size=3)
    with pytest.raises(ConfigurationError, match="there is no folder"):
        ImageFolder(pictures / "none")
    with pytest.raises(ConfigurationError, match="one for each class"):
        ImageFolder(pictures / "cat" / "more")
    with pytest.raises(ConfigurationError, match=r"not \['bird'\]"):
        ImageFolder(pictures, classes=["bird"])
    save_pixels(np.zeros((3, 9, 9)), str(pictures / "dog" / "0.png"))
    with pytest.raises(ShapeError, match="ImageAugmentation"):
        list(ImageFolder(pictures))
    (pictures / "dog" / "0.png").write_bytes((pictures / "dog" / "1.png").read_bytes()[:45])
    with pytest.raises(DamagedImage, match=r"0\.png"):
        list(ImageFolder(pictures))
    empty = pictures / "empty"
    (empty / "a").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="hold no images"):
        ImageFolder(empty)


def test_damaged_and_enormous_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "a.png")
    save_pixels(PIXELS, path)
    content = Path(path).read_bytes()
    assert read_image(content, 1).size == (30, 20)
    for n in range(0, len(content), 37):
        for broken in (content[:n], content[:n] + b"\xff\x00\xff" + content[n + 3 :]):
            with suppress(DamagedImage):  # never another error
                read_image(broken)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DamagedImage, match="pixels"):
        read_image(path)
    with pytest.raises(FileNotFoundError):
        read_image(str(tmp_path / "none.png"))
    with pytest.raises(ConfigurationError, match="1 channel"):
        read_image(content, 2)

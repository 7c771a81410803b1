"""Transformers of loaders and the adapter: values, shapes, what is delegated, refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neonport.data.dataloader_transformers import (
    BGRMeanSubtract,
    DataLoaderTransformer,
    DumpImage,
    OneHot,
    PixelWiseOneHot,
    Retuple,
    TypeCast,
    ValueNormalize,
)
from neonport.data.dataloaderadapter import DataLoaderAdapter
from neonport.errors import ConfigurationError, DtypeError, ShapeError

Make = Callable[..., Any]
IMAGES = np.arange(48).reshape(4, 3, 2, 2)
LABELS = np.array([[2], [0], [1], [2]])
MAPS = np.arange(16).reshape(4, 1, 2, 2) % 3


class Loader:
    """aeon's kind of loader."""

    ndata = 8
    axes_info = (("image", {"channels": 3, "height": 2, "width": 2}), ("label", (("1", 1),)))
    config = {"etl": [{"type": "audio", "max_duration": "200 milliseconds"}]}  # noqa: RUF012

    def __init__(self, *parts: tuple[str, np.ndarray]) -> None:
        self.parts = parts or (
            ("image", IMAGES.astype(np.uint8)),
            ("label", LABELS.astype(np.int32)),
            ("map", MAPS.astype(np.uint8)),
        )
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1

    def __iter__(self) -> Iterator[Any]:
        yield from (self.parts, self.parts)


@pytest.fixture
def loader(make_backend: Make) -> DataLoaderAdapter:
    make_backend(batch_size=4)
    return DataLoaderAdapter(Loader())


def first(data: Any) -> list[np.ndarray]:
    return [part.get() for part in next(iter(data))]


def test_adapter(loader: DataLoaderAdapter) -> None:
    assert (loader.shape, loader.ndata, loader.nbatches) == ((3, 2, 2), 8, 2)
    image, label, _ = next(iter(loader))
    assert (image.dtype, label.dtype) == (np.uint8, np.int32)
    np.testing.assert_array_equal(image.get(), IMAGES.reshape(4, 12).T)
    np.testing.assert_array_equal(label.get(), LABELS.T)
    assert next(iter(loader))[0] is image  # its own buffers
    assert [len(batch) for batch in loader] == [3, 3]
    loader.reset()
    assert loader.dataloader.resets == 1
    assert not hasattr(loader, "get_state")


def test_adapter_of_sounds(make_backend: Make) -> None:
    make_backend(batch_size=4)
    loader = Loader(
        ("audio_length", np.array([[50], [100], [150], [400]])),
        ("char_map", np.array([[1, 2, 0], [3, 0, 0], [4, 5, 6], [7, 0, 0]])),
    )
    length, chars = first(DataLoaderAdapter(loader))
    assert length.tolist() == [[25, 50, 75, 100]]
    assert chars.tolist() == [[1, 2, 3, 4, 5, 6, 7]]


def test_adapter_refusals(make_backend: Make) -> None:
    make_backend(batch_size=4)
    with pytest.raises(ConfigurationError, match="has no ndata, axes_info"):
        DataLoaderAdapter([])
    with pytest.raises(ShapeError, match="'image' has shape"):
        next(iter(DataLoaderAdapter(Loader(("image", IMAGES[:3])))))


def test_values(loader: DataLoaderAdapter) -> None:
    be = loader.be
    np.testing.assert_array_equal(first(OneHot(loader, 1, 4))[1], np.eye(4)[LABELS[:, 0]].T)
    maps = first(PixelWiseOneHot(loader, 2, 3))[2].reshape(3, 4, 4)
    np.testing.assert_array_equal(maps, np.eye(3)[MAPS.reshape(4, 4).T].transpose(2, 0, 1))
    cast = TypeCast(loader, 0, np.float32)
    image = next(iter(cast))[0]
    assert image.dtype == np.float32
    want = IMAGES.reshape(4, 12).T
    np.testing.assert_array_equal(image.get(), want)
    means = np.repeat([127, 119, 104], 4)[:, None]
    np.testing.assert_array_equal(first(BGRMeanSubtract(cast, 0))[0], want - means)
    other = first(BGRMeanSubtract(cast, 0, pixel_mean=[1, 2, 3]))[0]
    np.testing.assert_array_equal(other, want - np.repeat([1, 2, 3], 4)[:, None])
    scaled = first(ValueNormalize(cast, 0, [0, 47], [-1, 1]))[0]
    np.testing.assert_allclose(scaled, want * 2 / 47 - 1, atol=1e-6)
    np.testing.assert_allclose(first(ValueNormalize(cast, 0))[0], want / 255, atol=1e-6)
    x, (label, maps) = next(iter(Retuple(loader, data=(0,), target=(1, 2))))
    assert (x.shape, label.shape, maps.shape) == ((12, 4), (1, 4), (4, 4))
    assert x.backend is be


def test_a_transformer_is_a_loader_of_what_it_wraps(loader: DataLoaderAdapter) -> None:
    class Both(DataLoaderTransformer):
        def transform(self, t: Any) -> Any:
            return None if len(t) == 4 else (t[1], t[0])

    data = TypeCast(Both(loader), 1, np.float32)
    assert (data.shape, data.nbatches, data.ndata) == ((3, 2, 2), 2, 8)
    label, image = next(iter(data))
    assert (label.shape, image.shape) == ((1, 4), (12, 4))
    assert isinstance(next(iter(data)), list)
    with pytest.raises(AttributeError):
        _ = data.nothing
    with pytest.raises(ValueError, match="transform returned None"):
        next(iter(Both([(1, 2, 3, 4)])))
    with pytest.raises(ValueError, match="transform returned None"):
        next(iter(Both([((1, 2, 3, 4),)], index=0)))
    with pytest.raises(ConfigurationError, match="3 parts, there is no part 5"):
        next(iter(TypeCast(loader, 5, np.float32)))


def test_another_backend(make_backend: Make, loader: DataLoaderAdapter) -> None:
    data = OneHot(TypeCast(loader, 0, np.float32), 1, nclasses=3)
    before = first(data)
    be = make_backend(batch_size=4)
    data.set_backend(be)
    for part, kept in zip(next(iter(data)), before, strict=True):
        assert part.backend is be
        np.testing.assert_array_equal(part.get(), kept)


def test_refusals(loader: DataLoaderAdapter) -> None:
    with pytest.raises(DtypeError, match="put a TypeCast"):
        next(iter(BGRMeanSubtract(loader, 0)))
    with pytest.raises(DtypeError, match="put a TypeCast"):
        next(iter(ValueNormalize(loader, 0)))
    with pytest.raises(ShapeError, match="PixelWiseOneHot"):
        next(iter(OneHot(loader, 2, 3)))
    with pytest.raises(ShapeError, match="no image of three channels"):
        next(iter(BGRMeanSubtract(TypeCast(loader, 1, np.float32), 1)))
    with pytest.raises(ConfigurationError, match="name others"):
        next(iter(Retuple(loader, target=(7,))))
    for make in (
        lambda: Retuple(loader, data=()),
        lambda: ValueNormalize(loader, 0, [1, 1]),
        lambda: ValueNormalize(loader, 0, target_range=[1]),
        lambda: BGRMeanSubtract(loader, 0, [1]),
        lambda: DumpImage(loader, 0, 0, (2, 2, 2)),
    ):
        with pytest.raises((ConfigurationError, ShapeError)):
            make()


def test_dumped_images(loader: DataLoaderAdapter, tmp_path: Path) -> None:
    dump = DumpImage(loader, 0, 1, (3, 2, 2), str(tmp_path / "out"))
    for batch in dump:
        assert len(batch) == 3
    with Image.open(tmp_path / "out" / "image_1.png") as image:
        pixels = np.asarray(image)
    np.testing.assert_array_equal(pixels, IMAGES[1][::-1].transpose(1, 2, 0))
    grey = DumpImage(loader, 2, 3, (1, 2, 2), str(tmp_path))
    next(iter(grey))
    with Image.open(tmp_path / "image_0.png") as image:
        np.testing.assert_array_equal(np.asarray(image), MAPS[3, 0])
    with pytest.raises(ConfigurationError, match="has no image 4"):
        next(iter(DumpImage(loader, 0, 4, (3, 2, 2), str(tmp_path))))

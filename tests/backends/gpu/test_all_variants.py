"""The list of hand-written texts leaves no file out, and local memory stays within 32 KiB."""

from __future__ import annotations

from importlib.resources import files

import pytest

from neonport.backends.gpu import matmul as tiles
from neonport.backends.gpu.all_variants import hand_written
from neonport.compiler.codegen.gpu.dialects import cuda_dialect, device_text, opencl_dialect


def test_every_file_with_a_kernel_is_listed():
    names = [p.name for p in files("neonport.opencl_kernels").iterdir() if p.name.endswith(".h")]
    kernels = {n for n in names if "\nKERNEL " in device_text(n)}
    listed = {title.split()[0] for title, _ in hand_written(opencl_dialect(), ("float32",))}
    assert kernels == listed


@pytest.mark.parametrize("dialect", [opencl_dialect(), cuda_dialect()], ids=lambda d: d.name)
def test_texts_differ(dialect):
    texts = [text for _, text in hand_written(dialect)]
    assert len(texts) == len(set(texts))


@pytest.mark.parametrize("tile", tiles.TILES, ids=lambda t: f"{t.m}x{t.n}")
def test_a_tile_suits_every_device(tile):
    assert tile.group <= 256
    assert tile.depth * (tile.m + tile.n + 8) * 8 <= 32 * 1024
    # an item fetches one column of all slices of a convolution
    for count in (tile.m, tile.n):
        assert count * tile.depth % tile.group == 0
    vectors = tile.vectors(4, 4)
    assert tile.group * vectors[1] % tile.n == 0
    assert tile.group * min(vectors) % tile.depth == 0
    assert tile.group % tile.n == 0

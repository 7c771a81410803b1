"""Runs every hand-written kernel, and rendered ones whose operands go through tiles, on tiny sizes
under Oclgrind, which checks each access to memory.

    python -m tests.backends.gpu.oclgrind_kernels

fails on any access out of bounds, any data race and any use of what nothing has written. Results
are compared too: what is checked ran.

Oclgrind 21.10 takes memory that clEnqueueFillBuffer filled for never written, and stays with that
after kernels have written there; after a write from the host, or by kernels alone, it is right. So
here memory is cleared by a write of zeros.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from neonport.backends.gpu import matmul, transpose
from neonport.backends.gpu import matmul as tiles
from neonport.backends.gpu.matmul import bind_product
from neonport.compiler.codegen.gpu.launch_shape import DeviceTraits
from neonport.ops.op import OPS
from neonport.ops.recurrence import BLOCKS, GATES
from neonport.optree.node import transpose as transposed

DONE = "checked"
Case = tuple[str, list[np.ndarray], dict[str, Any]]


def cases() -> Iterator[Case]:
    """(op, operands, parameters) of all window ops, scatter_add and ops along an axis."""
    rng = np.random.RandomState(0)
    for fours in (False, True):
        size, filters = (
            ((4, 1, 3, 3, 8), (1, 2, 2, 8)) if fours else ((2, 2, 4, 3, 3), (2, 2, 1, 3))
        )
        geometry = {"padding": (0, 1, 1), "stride": (1, 2, 1), "dilation": (1, 1, 2)}
        x, f = rng.normal(size=size), rng.normal(size=(size[0], *filters))
        x, f = x.astype(np.float32), f.astype(np.float32)
        e = OPS["conv"].numpy(x, f, **geometry)
        yield "conv", [x, f], geometry
        yield "conv_backward_data", [f, e], {**geometry, "size": size[1:4]}
        yield "conv_backward_filter", [x, e], {**geometry, "size": filters[:3]}
    x = rng.normal(size=(3, 1, 4, 4, 3)).astype(np.float32)
    place = {"window": (2, 1, 2, 3), "padding": (1, 0, 1, 0), "stride": (1, 1, 2, 1)}
    windows = {**place, "size": (4, 1, 3, 3)}
    index = OPS["pool_index"].numpy(x, **windows)
    e = rng.normal(size=index.shape).astype(np.float32)
    back = {**place, "size": x.shape[:4]}
    for how in ("max", "avg", "sum"):
        yield "pool", [x], {"how": how, **windows}
    yield "pool_index", [x], windows
    yield "max_pool_backward", [e, index], back
    for how in ("avg", "sum"):
        yield "avg_pool_backward", [e], {"how": how, **back}
    yield "max_pool_gather", [x, index], place
    x = rng.normal(size=(2, 5, 4, 2)).astype(np.float32)
    rois = np.array([[0, 1, 1, 9, 6], [1, 0, 2, 30, 40], [5, 0, 0, 1, 1]], np.float32)
    bins: dict[str, Any] = {"size": (2, 2), "scale": 0.5}
    index = OPS["roi_index"].numpy(x, rois, **bins)
    e = rng.normal(size=index.shape).astype(np.float32)
    yield "roi_pool", [x, rois], bins
    yield "roi_index", [x, rois], bins
    yield "roi_pool_backward", [e, rois, index], {"size": x.shape[1:]}
    yield "roi_pool_gather", [x, rois, index], {}
    indices = rng.randint(-1, 6, (20, 1)).astype(np.int32)
    yield (
        "scatter_add",
        [rng.normal(size=(3, 20)).astype(np.float32), indices],
        {"axis": 1, "size": 5},
    )

    x, index = x[0], rng.randint(-1, 6, (5, 4, 2)).astype(np.int32)
    a = rng.normal(size=x.shape).astype(np.float32)
    yield "cumsum", [x], {"axis": 1, "reverse": True}
    yield "cumprod", [x], {"axis": 0, "reverse": False, "exclusive": True}
    yield "linear_recurrence", [a, x], {"axis": 2, "reverse": False}
    yield "take_along_axis", [x, index], {"axis": 0}
    yield "scatter_add_along_axis", [x, index], {"axis": 0, "size": 6}


def write_zeros(be: Any) -> None:
    """Clear memory in a way that Oclgrind knows."""
    import pyopencl as cl

    def clear(block: Any) -> None:
        cl.enqueue_copy(be.device.queue, block.buffer, np.zeros(block.nbytes, np.uint8))

    be.device.blocks._clear = clear


def run() -> int:
    """Run all; gives how many launches there were."""
    os.environ.update(NEONPORT_TUNE="0", NEONPORT_OPENCL_DEVICE="oclgrind")
    from dataclasses import replace

    from neonport.backends.opencl.device import OpenCLBackend

    be = OpenCLBackend(rng_seed=0)
    be.device.shared = be.device.blocks.shared = False
    write_zeros(be)
    be.device.traits = replace(be.device.traits, map_group=16, units=16)
    count = 0
    bind_launch = be.device.bind_launch

    def counted(*args: Any) -> Any:
        nonlocal count
        count += 1
        return bind_launch(*args)

    be.device.bind_launch = counted  # type: ignore[method-assign]
    for op, operands, params in cases():
        want = OPS[op].numpy(*operands, **params)
        out = be.empty(want.shape, dtype=want.dtype)
        tensors = [be.array(a, dtype=a.dtype) for a in operands]
        be.device.library_call(op, tensors, out, params)()
        np.testing.assert_allclose(out.get(), want, rtol=1e-4, atol=1e-4, err_msg=op)
    rng = np.random.RandomState(0)
    for m, k, n in ((3, 5, 7), (8, 4, 12)):
        x, y = (rng.normal(size=s).astype(np.float32) for s in ((m, k), (k, n)))
        for tile in tiles.TILES:
            c = be.ones((m, n))
            bind_product(be.device, be.array(x), be.array(y), c, 1.0, 0.5, tile)()
            np.testing.assert_allclose(c.get(), x @ y + 0.5, rtol=1e-4, atol=1e-4)
    # each tile is checked by now: what has products inside takes the one with the fewest work-items
    be.device.tile_for = lambda *sizes: tiles.SMALL  # type: ignore[method-assign]
    x, y = (rng.normal(size=s).astype(np.float32) for s in ((2, 70), (70, 3)))
    matmul.CHUNK = 32
    c = be.empty((2, 3))
    be.device.matmul(be.array(x), be.array(y), c, 1.0, 0.0)()
    np.testing.assert_allclose(c.get(), x @ y, rtol=1e-3, atol=1e-3)
    be.device.tiled = lambda spec: transpose.turned_axes(spec) is not None  # type: ignore[method-assign]
    forms = [transpose.form(DeviceTraits(group=group)) for group in (1, 256)]
    for dtype, form in product((np.uint8, np.float16, np.float32, np.int64), forms):
        transpose.form = lambda traits, form=form: form  # type: ignore[misc]
        values = rng.randint(0, 99, (2, 65, 129)).astype(dtype)
        y = be.zeros((2, 129, 65), dtype=dtype)
        be.copy_transpose(be.array(values, dtype=dtype), y, (0, 2, 1))
        np.testing.assert_array_equal(y.get(), values.transpose(0, 2, 1))
    traits = be.device.traits
    for group, dtype in product((1, 256), (np.uint8, np.float16, np.float32)):
        be.device.traits = replace(traits, group=group, vector_bytes=16)
        values = rng.randint(0, 99, (2, 65, 129)).astype(dtype)
        straight = rng.randint(0, 99, (2, 129, 65)).astype(dtype)
        y = be.zeros(straight.shape)
        swapped = transposed(be.array(values, dtype=dtype), (0, 2, 1))
        y[:] = be.array(straight, dtype=dtype) * 2 + swapped
        np.testing.assert_array_equal(y.get(), straight * 2.0 + values.transpose(0, 2, 1))
    assert sum(variant.tile_side > 0 for _, variant in be.device._writers) == 6
    be.device.traits = traits
    layer = be.lrn_layer(np.dtype(np.float32), 3, 4, 1, 2, 1, 3)
    x, y, denom, e, delta = (be.ones((8, 3)) for _ in range(5))
    be.fprop_lrn(layer, x, y, denom)
    be.bprop_lrn(layer, x, y, e, delta, denom)
    recurrences(be)
    be.synchronize()
    return count


def recurrences(be: Any) -> None:
    """Two steps of three samples, both ways."""
    for family, gates in GATES.items():
        z, w = (be.ones((gates * 2, n)) for n in (6, 2))
        s, dz = be.zeros((BLOCKS[family] * 2, 6)), be.zeros((gates * 2, 9))
        more = {} if family == "rnn" else {"all_blocks": True}
        s[:] = getattr(be, family)(z, w, steps=2, **more)
        dz[:] = getattr(be, f"{family}_backward")(s, s, w, steps=2)
        assert np.all(s.get()[:2] != 0)
        assert np.any(dz.get() != 0)


def check() -> int:
    """Run this file under Oclgrind; 0 if it has nothing to say."""
    program = shutil.which("oclgrind")
    if program is None:
        print("oclgrind is not installed (Debian: apt install oclgrind)")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NEONPORT_CACHE_DIR": folder}
        # optimised code has instructions that Oclgrind does not know
        checks = ["--data-races", "--uninitialized"]
        command = [program, *checks, "--build-options", "-cl-opt-disable", sys.executable]
        done = subprocess.run(
            [*command, "-m", "tests.backends.gpu.oclgrind_kernels", "run"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
    words = (done.stdout + done.stderr).strip()
    print(words[:5000])
    # what Oclgrind finds does not change the exit status: it is a line more
    clean = words.startswith(DONE) and "\n" not in words
    return 0 if done.returncode == 0 and clean else 1


if __name__ == "__main__":
    if sys.argv[1:] == ["run"]:
        print(f"{DONE}: {run()} launches")
    else:
        sys.exit(check())

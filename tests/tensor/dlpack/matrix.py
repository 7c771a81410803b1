"""The matrix of docs/reference/dlpack.md: what each library does with each kind of memory.

A row is a library and an expression, a column a kind of memory. `python -m
tests.tensor.dlpack.matrix` prints as JSON what is found where CuPy takes part; the test runs it so
with the emulated CuPy, which takes a process of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "dlpack.md"
MEMORIES = ("cpu", "opencl, shared", "opencl, device memory", "cuda")
HEADS = {"out": "| a tensor goes to |", "in": "| a tensor is made of |"}
LARGE = ("torch", "jax", "tinygrad", "pyarrow", "numba")  # of the tox environment `interop`
BEFORE = np.arange(1, 7, dtype=np.float32).reshape(2, 3)


@dataclass(frozen=True)
class Row:
    """A library and what is done.

    Attributes:
        library, expression: as the table has them.
        run: of a backend and a tensor (out), or of a backend and an array of the library (in).
        values: what is in the library's array now.
        make: an array of the library, of a backend and NumPy's (in only).
    """

    library: str
    expression: str
    run: Callable[[Any, Any], Any]
    values: Callable[[Any], np.ndarray] = np.array
    make: Callable[[Any, np.ndarray], Any] | None = None

    @property
    def cell(self) -> str:
        return f"{self.library}: `{self.expression}`"


def _torch() -> Any:
    import torch

    return torch


def _jax() -> Any:
    import jax.dlpack

    return jax


def _cupy() -> Any:
    import cupy

    return cupy


def _arrays() -> Any:
    import pyopencl.array

    return pyopencl.array


def _tiny(values: Any) -> Any:
    """A tensor of tinygrad, on the device that needs no compiler."""
    import tinygrad

    return tinygrad.Tensor(values, device="PYTHON").realize()


def _arrow() -> Any:
    import pyarrow

    return pyarrow


def _same(array: Any) -> Any:
    """An array as compiled code of Numba's sees it."""
    import numba

    return numba.njit(lambda a: a)(array)


def _pyopencl_array(be: Any, t: Any) -> Any:
    if not hasattr(be, "pyopencl_array"):
        raise BufferError("only an opencl backend has it")
    return be.pyopencl_array(t)


def _on_its_queue(be: Any, values: np.ndarray) -> Any:
    import pyopencl as cl

    queue = getattr(be.device, "queue", None)
    if not isinstance(queue, cl.CommandQueue):
        from neonport.plugins.registry import create_backend

        queue = create_backend("opencl").device.queue
    return _arrays().to_device(queue, values)


def _get(array: Any) -> np.ndarray:
    return np.array(array.get())


def _numpy(array: Any) -> np.ndarray:
    return np.array(array.numpy())


OUT = (
    Row("NumPy", "np.from_dlpack(t)", lambda be, t: np.from_dlpack(t)),
    Row("NumPy", "np.asarray(t)", lambda be, t: np.asarray(t)),
    Row("PyTorch", "torch.from_dlpack(t.host())",
        lambda be, t: _torch().from_dlpack(t.host()), _numpy),
    Row("JAX", "jax.dlpack.from_dlpack(t.host())",
        lambda be, t: _jax().dlpack.from_dlpack(t.host())),
    Row("CuPy", "cupy.from_dlpack(t)", lambda be, t: _cupy().from_dlpack(t), _get),
    Row("PyOpenCL", "be.pyopencl_array(t)", _pyopencl_array, _get),
    Row("tinygrad", "tinygrad.Tensor(np.asarray(t))",
        lambda be, t: _tiny(np.asarray(t)), _numpy),
    Row("Arrow", "pyarrow.Tensor.from_dlpack(t.host())",
        lambda be, t: _arrow().Tensor.from_dlpack(t.host()), lambda x: x.to_numpy().copy()),
    Row("Numba", "compiled(np.asarray(t))", lambda be, t: _same(np.asarray(t))),
)  # fmt: skip
IN = (
    Row("NumPy", "be.from_dlpack(x)", lambda be, x: be.from_dlpack(x),
        make=lambda be, a: a.copy()),
    Row("PyTorch", "be.from_dlpack(x)", lambda be, x: be.from_dlpack(x), _numpy,
        lambda be, a: _torch().tensor(a)),
    Row("JAX", "be.from_dlpack(x)", lambda be, x: be.from_dlpack(x),
        make=lambda be, a: _jax().numpy.array(a)),
    Row("CuPy", "be.from_dlpack(x)", lambda be, x: be.from_dlpack(x), _get,
        lambda be, a: _on_a_gpu(a)),
    Row("PyOpenCL", "be.from_dlpack(x)", lambda be, x: be.from_dlpack(x), _get, _on_its_queue),
    Row("PyOpenCL", "be.array(x.get())", lambda be, x: be.array(x.get()), _get, _on_its_queue),
    Row("tinygrad", "be.array(x.numpy())", lambda be, x: be.array(x.numpy()), _numpy,
        lambda be, a: _tiny(a)),
    Row("Arrow", "be.from_dlpack(x)", lambda be, x: be.from_dlpack(x),
        lambda x: x.to_numpy().copy(), lambda be, a: _arrow().Tensor.from_numpy(a.copy())),
    Row("Arrow, one axis", "be.from_dlpack(x)", lambda be, x: be.from_dlpack(x),
        lambda x: np.array(x.to_numpy()).reshape(-1, 1), lambda be, a: _arrow().array(a.ravel())),
    Row("Numba", "be.from_dlpack(compiled(x))", lambda be, x: be.from_dlpack(_same(x)),
        make=lambda be, a: a.copy()),
)  # fmt: skip
ROWS = {"out": {row.cell: row for row in OUT}, "in": {row.cell: row for row in IN}}


def _on_a_gpu(values: np.ndarray) -> Any:
    """CuPy's array; the emulated CuPy has no constructor, so a backend makes the memory."""
    from neonport.plugins.registry import create_backend

    return _cupy().from_dlpack(create_backend("cuda", rng_seed=0).array(values))


def outcome(way: str, row: Row, be: Any) -> str:
    """`shares`, `copies` or `refuses`, as found; a wrong value is an error."""
    return _out(row, be) if way == "out" else _in(row, be)


def _out(row: Row, be: Any) -> str:
    t = be.array(BEFORE)
    try:
        got = row.run(be, t)
    except (BufferError, RuntimeError, TypeError):
        return "refuses"
    assert np.array_equal(row.values(got), BEFORE)
    t[:] = -t
    be.synchronize()
    after = row.values(got)
    assert np.array_equal(after, -BEFORE) or np.array_equal(after, BEFORE)
    return "shares" if after[0, 0] < 0 else "copies"


def _in(row: Row, be: Any) -> str:
    assert row.make
    x = row.make(be, BEFORE)
    try:
        t = row.run(be, x)
    except (BufferError, TypeError) as error:
        if "copy" not in str(error):  # the way out
            raise
        return "refuses"
    want = row.values(x)
    assert np.array_equal(t.get(), want)
    if t.readonly:  # of JAX and Arrow: nobody may write, so the address has to tell
        return "shares" if t.raw() == _address(x) else "copies"
    t[:] = -t
    be.synchronize()
    after = row.values(x)
    assert np.array_equal(t.get(), -want)
    assert np.array_equal(after, -want) or np.array_equal(after, want)
    return "shares" if after[0, 0] < 0 else "copies"


def _address(x: Any) -> int:
    from neonport.tensor.capsules import structs

    try:
        capsule = x.__dlpack__(max_version=(1, 0))
    except TypeError:  # from before versions
        capsule = x.__dlpack__()
    inner, _ = structs(capsule)
    return int(inner.data or 0) + int(inner.byte_offset)


def tables() -> dict[str, dict[str, dict[str, str]]]:
    """{way: {row: {memory: outcome}}} of the page."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    found: dict[str, dict[str, dict[str, str]]] = {}
    for way, head in HEADS.items():
        start = next(i for i, line in enumerate(lines) if line.startswith(head))
        names = [cell.strip() for cell in lines[start].strip("|").split("|")][1:]
        found[way] = {}
        for line in lines[start + 2 :]:
            if not line.startswith("|"):
                break
            row, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            found[way][row] = dict(zip(names, cells, strict=True))
    return found


def with_cupy(memory: str, row: Row) -> bool:
    """Whether CuPy takes part in a cell."""
    return memory == "cuda" or row.library == "CuPy"


def found_with_cupy() -> dict[str, str]:
    """Outcomes, by way, row and memory."""
    from neonport.plugins.registry import create_backend

    found = {}
    for memory in MEMORIES:
        name, _, kind = memory.partition(", ")
        options = {"shared": False} if "device" in kind else {}
        for way, rows in ROWS.items():
            for cell, row in rows.items():
                if with_cupy(memory, row):
                    be = create_backend(name, rng_seed=0, **options)
                    be.bsz = 4
                    found[f"{way} {cell} {memory}"] = outcome(way, row, be)
                    be.cleanup_backend()
    return found


if __name__ == "__main__":
    print(json.dumps(found_with_cupy()))

"""The CUDA C++ of the kernels that tests run on the cpu backend, which needs no GPU."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from neonport.compiler.codegen.gpu.dialects import cuda_dialect
from neonport.compiler.codegen.gpu.launch_shape import DeviceTraits, launch_shape
from neonport.compiler.codegen.gpu.writer import DeviceWriter
from neonport.compiler.kernel import BoundKernel
from neonport.compiler.lowering import Lowering
from neonport.engine.executor import Executor, must_interpret
from neonport.engine.statement import statement_key
from neonport.tensor.tensor import Tensor

TRAITS = DeviceTraits(units=528, aligned=True)  # what the cuda backend takes from an H100


def texts_of(spec: BoundKernel) -> Iterator[str]:
    """The text for launches, and the one for launches that are recorded."""
    variant = launch_shape(spec, spec.offsets, TRAITS).variant
    yield DeviceWriter(spec.kernel, cuda_dialect(), variant).source()
    if spec.kernel.scalars or spec.kernel.rands:
        yield DeviceWriter(spec.kernel, cuda_dialect(), replace(variant, boxed=True)).source()


def keep_texts(folder: Path) -> None:
    """From now on, write the texts of every kernel that a cpu backend would run there.

    NumPy evaluates the statements: nothing is compiled for the host.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()

    def keep_and_interpret(self: Any, pairs: list[tuple[Tensor, Any]]) -> None:
        if not must_interpret(pairs):
            _, scalars = statement_key(pairs)
            for spec in self.plan(Lowering(scalars).build(pairs)).kernels:
                for text in texts_of(spec):
                    name = hashlib.sha256(text.encode()).hexdigest()[:24]
                    if name not in seen:
                        seen.add(name)
                        (folder / f"{name}.cu").write_text(text)
        self.interpret(pairs)

    Executor.run = keep_and_interpret  # type: ignore[method-assign]

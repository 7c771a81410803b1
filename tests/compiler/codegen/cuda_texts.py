"""The CUDA C++ of the kernels that tests run on the cpu backend, which needs no GPU."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from neonport.compiler.codegen.gpu.dialects import cuda_dialect
from neonport.compiler.codegen.gpu.launch_shape import DeviceTraits, launch_shape
from neonport.compiler.codegen.gpu.writer import DeviceWriter
from neonport.compiler.execution_plan import ExecutionPlan
from neonport.compiler.graph import Graph
from neonport.compiler.kernel import BoundKernel
from neonport.compiler.lowering import Lowering
from neonport.engine.executor import Executor, must_interpret
from neonport.engine.statement import statement_key
from neonport.tensor.tensor import Tensor

ROOT = Path(__file__).parents[3]
# the tests whose kernels count
RUN = ["tests/testing/test_suite.py", "tests/layers", "tests/optimizers"]
BESIDE: list[Path] = []  # the folder that CUDA_TEXTS named
TRAITS = DeviceTraits(units=528, aligned=True)  # what the cuda backend takes from an H100


def texts_of(spec: BoundKernel) -> Iterator[str]:
    """The text for launches, and the one for launches that are recorded."""
    variant = launch_shape(spec, spec.offsets, TRAITS).variant
    yield DeviceWriter(spec.kernel, cuda_dialect(), variant).source()
    if spec.kernel.scalars or spec.kernel.rands:
        yield DeviceWriter(spec.kernel, cuda_dialect(), replace(variant, boxed=True)).source()


class Texts:
    """A folder of texts, each written once.

    Args:
        folder: is made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._seen: set[str] = set()

    def keep(self, plan: ExecutionPlan) -> None:
        """Write the texts of the kernels of a plan."""
        for spec in plan.kernels:
            for text in texts_of(spec):
                name = hashlib.sha256(text.encode()).hexdigest()[:24]
                if name not in self._seen:
                    self._seen.add(name)
                    (self.folder / f"{name}.cu").write_text(text)


def interpret_and_keep(folder: Path) -> None:
    """From now on, write the texts of every kernel that a cpu backend would run there.

    NumPy evaluates the statements: nothing is compiled for the host.
    """
    texts = Texts(folder)

    def keep_and_interpret(self: Any, pairs: list[tuple[Tensor, Any]]) -> None:
        if not must_interpret(pairs):
            _, scalars = statement_key(pairs)
            texts.keep(self.plan(Lowering(scalars).build(pairs)))
        self.interpret(pairs)

    Executor.run = keep_and_interpret  # type: ignore[method-assign]


class KeepBeside:
    """A plugin of pytest: writes the texts of what some tests run, which run as usual.

    Args:
        folder: of the texts.
        paths: the tests: files, or folders of them.
    """

    def __init__(self, folder: Path, paths: Sequence[Path]) -> None:
        texts, kept, plan = Texts(folder), set(), Executor.plan
        self._paths, self._active = set(paths), False

        def plan_and_keep(executor: Any, graph: Graph) -> ExecutionPlan:
            found = plan(executor, graph)
            if self._active and graph not in kept:
                kept.add(graph)
                texts.keep(found)
            return found

        Executor.plan = plan_and_keep  # type: ignore[method-assign]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._active = bool(self._paths & {item.path, *item.path.parents})
        return (yield)

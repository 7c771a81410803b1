"""The null backend: every statement is scheduled and rendered, none is run.

Tensors have memory, so `set` and `get` work; assignments of expressions leave it as it is. It shows
what a device would be given, on a machine that has none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from neonport.backends.backend import Backend
from neonport.backends.gpu.kernel_text import rendered
from neonport.backends.host import memory
from neonport.backends.host.jit.launcher import render_c
from neonport.compiler.codegen.gpu.dialects import DeviceDialect, cuda_dialect, opencl_dialect
from neonport.compiler.codegen.gpu.launch_shape import DeviceTraits
from neonport.compiler.kernel import BoundKernel
from neonport.compiler.lowering import Lowering
from neonport.dtypes import FLOAT_NAMES
from neonport.engine.checks import check_pair
from neonport.engine.device import Bound, Capabilities, Device, Launch, Place, ProbeResult
from neonport.errors import ConfigurationError, DLPackError
from neonport.optree.node import OpTreeNode
from neonport.tensor.dlpack import CPU
from neonport.tensor.storage import Layout, Storage
from neonport.tensor.tensor import Tensor

DEVICES: dict[str, tuple[Callable[[], DeviceDialect], DeviceTraits]] = {
    "opencl": (opencl_dialect, DeviceTraits(vector_bytes=16, group=256)),
    "opencl-cpu": (
        opencl_dialect,
        DeviceTraits(vector_bytes=64, group=1, map_group=64, column_group=1, units=64),
    ),
    "cuda": (cuda_dialect, DeviceTraits(vector_bytes=16, group=256, units=512, aligned=True)),
}
"""Languages that are rendered for work-items, with a typical device of each."""


class NullLaunch:
    """A launch that does nothing."""

    def __call__(self) -> None:
        """Run nothing."""

    def set_numbers(self, numbers: Sequence[float]) -> None:
        """Forget the numbers."""

    def set_rands(self, sources: Sequence[tuple[int, int]]) -> None:
        """Forget the sources."""


class NullDevice(Device):
    """Renders and binds; runs nothing.

    Attributes:
        rendered: how many kernels were rendered.
        language: of `explain(..., source=True)`.
    """

    capabilities = Capabilities(dtypes=FLOAT_NAMES, device_type=0, host_memory=True, runs=False)

    def __init__(self, device_id: int = 0) -> None:
        super().__init__(device_id)
        self.rendered = 0
        self.language = "opencl"

    @classmethod
    def probe(cls) -> ProbeResult:
        """Nothing is needed to run nothing."""
        return ProbeResult("ready", "none: kernels are rendered, not run", count=1)

    def allocate(self, nbytes: int) -> Storage:
        """Zero-filled host memory."""
        return memory.allocate(nbytes)

    def view(self, storage: Storage, dtype: np.dtype, layout: Layout) -> np.ndarray:
        """An ndarray over the layout."""
        return memory.array_view(storage, dtype, layout)

    def read(self, storage: Storage, start: int, out: np.ndarray) -> None:
        """Copy bytes out."""
        memory.read(storage, start, out)

    def write(self, storage: Storage, start: int, values: np.ndarray) -> None:
        """Copy bytes in."""
        memory.write(storage, start, values)

    def copy_in(self, target: Tensor, values: np.ndarray) -> None:
        """Copy host values in."""
        target.native[...] = values

    def copy_out(self, source: Tensor) -> np.ndarray:
        """A new array with the values."""
        return np.array(source.native, order="C")

    def render_kernel(self, kernel: BoundKernel, prelude: bool = False) -> str:
        """The kernel in the chosen language, for a typical device."""
        check_dialect(self.language)
        if self.language == "c":
            return render_c(kernel, prelude)
        make, traits = DEVICES[self.language]
        return rendered(kernel, make(), traits, prelude)

    def bind_kernel(self, kernel: BoundKernel, places: Sequence[Place | None]) -> Launch:
        """A launch that does nothing, after the kernel was rendered as OpenCL C."""
        make, typical = DEVICES["opencl"]
        rendered(kernel, make(), typical)
        self.rendered += 1
        return NullLaunch()

    def matmul(self, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Bound:
        """A product that is not computed."""
        return NullLaunch()

    def dlpack_device(self) -> tuple[int, int]:
        """Host memory."""
        return CPU

    def dlpack_shares(self, device: tuple[int, int]) -> bool:
        """Nothing is taken over: what does not compute must not claim anybody's data."""
        return False

    def dlpack_export(
        self, tensor: Tensor, *, stream: Any, max_version: Any, copy: bool | None
    ) -> Any:
        """Refuse: the memory holds nothing that was computed."""
        raise DLPackError(f"dlpack: {self} computes nothing; use another backend")

    def dlpack_adopt(self, x: Any, **options: Any) -> Tensor:
        """Refuse, see `dlpack_shares`."""
        raise DLPackError(f"dlpack: {self} computes nothing; use be.array(x)")


class NullBackend(Backend):
    """Schedules, renders and binds; runs nothing."""

    backend_name: ClassVar[str] = "null"
    device_class = NullDevice

    @property
    def rendered(self) -> int:
        """How many kernels were rendered."""
        return self.device.rendered

    @property
    def dialect(self) -> str:
        """Language of `explain(..., source=True)`: "c", "opencl", "opencl-cpu" or "cuda"."""
        return self.device.language

    @dialect.setter
    def dialect(self, name: str) -> None:
        self.device.language = name

    def render(
        self,
        statement: Any,
        dialect: str = "opencl",
        traits: DeviceTraits | None = None,
    ) -> list[str]:
        """The text of every kernel of a statement, in order.

        Args:
            statement: an op-tree, or (target, value) pairs that are assigned together.
            dialect: "c", "opencl" (a GPU), "opencl-cpu" or "cuda".
            traits: another device for a work-item language.

        Raises:
            ConfigurationError: no such dialect.
        """
        check_dialect(dialect)
        pairs = self._pairs(statement)
        kernels = self.executor.plan(Lowering().build(pairs)).kernels
        if dialect == "c":
            return [render_c(spec, prelude=True) for spec in kernels]
        make, typical = DEVICES[dialect]
        return [rendered(spec, make(), traits or typical) for spec in kernels]

    def _pairs(self, statement: Any) -> list[tuple[Tensor, Any]]:
        if not isinstance(statement, OpTreeNode):
            return [(target, check_pair(self, target, value)) for target, value in statement]
        out = self.empty(statement.shape, dtype=statement.dtype)
        return [(out, statement)]


def check_dialect(name: str) -> None:
    """Raise ConfigurationError unless kernels can be rendered in this language."""
    if name != "c" and name not in DEVICES:
        known = ", ".join(["c", *DEVICES])
        raise ConfigurationError(f"render: dialect {name!r} is unknown; use one of {known}")

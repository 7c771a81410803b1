"""What the functions that bind kernels ask of a device; `GpuDevice` is what they get."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from neonport.compiler.codegen.gpu.dialects import DeviceDialect
from neonport.compiler.codegen.gpu.launch_shape import DeviceTraits
from neonport.engine.owner import Runner
from neonport.tensor.storage import Layout, Storage
from neonport.tensor.tensor import Tensor

Bound = Callable[[], None]


class KernelDevice(Protocol):
    """A device that compiles texts in a work-item language and launches their entries.

    Attributes:
        dialect: the language.
        traits: what rendering has to know about the device.
        identity: what measured times depend on: device and driver.
        tiles: tiles of products that are known by now.
        executor: runs statements on the device.
    """

    dialect: DeviceDialect
    traits: DeviceTraits
    identity: str
    tiles: dict[Any, Any]
    executor: Runner

    def compile(self, source: str) -> Any:
        """The program of a text."""

    def bind_launch(
        self,
        program: Any,
        name: str,
        groups: int,
        group: int,
        arguments: Sequence[Any],
        keep: Any,
        elements: int | None = None,
    ) -> Any:
        """A launch of an entry of a program."""

    def allocate(self, nbytes: int) -> Storage:
        """Zero-filled memory."""

    def tensor(self, storage: Storage, dtype: np.dtype, layout: Layout) -> Tensor:
        """A tensor over some memory."""

    def matmul(self, a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Bound:
        """A call that does `c = alpha * a @ b + beta * c`."""

    def scratch(self, nbytes: int) -> Storage:
        """Memory for what passes between launches that run `together`."""

    def together(self, calls: Sequence[Bound]) -> Bound:
        """Several calls as one that no other thread's calls come between."""

    def table(self, values: np.ndarray, whole: type) -> Storage:
        """Device memory with integers that a kernel looks up."""

    def copied(
        self, operands: Sequence[Tensor], bind: Callable[..., Bound], target: Tensor | None = None
    ) -> Bound:
        """`bind(*operands)` with contiguous copies."""

    def through(self, target: Tensor, bind: Callable[[Tensor], Bound]) -> Bound:
        """`bind` with a contiguous tensor, which is then copied to the target."""

    def tile_for(self, dtype: np.dtype, m: int, n: int, depth: int) -> Any:
        """The tile for a product of this size."""

    def synchronize(self) -> None:
        """Wait until all work given to the device is done."""

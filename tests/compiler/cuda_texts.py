"""The CUDA C++ of the kernels that tests run on the cpu backend, which needs no GPU."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from neonport.backends.cpu.backend import CPUBackend
from neonport.nest import BoundKernel
from neonport.render_device import DeviceWriter
from neonport.render_device_shape import Traits, cut
from neonport.render_dialects import cuda_dialect

TRAITS = Traits(units=528, aligned=True)  # what the cuda backend takes from an H100


def texts_of(spec: BoundKernel) -> Iterator[str]:
    """The text for launches, and the one for launches that are recorded."""
    variant = cut(spec, spec.offsets, TRAITS).variant
    yield DeviceWriter(spec.kernel, cuda_dialect(), variant).source()
    if spec.kernel.scalars or spec.kernel.rands:
        yield DeviceWriter(spec.kernel, cuda_dialect(), replace(variant, boxed=True)).source()


def keep_texts(folder: Path) -> None:
    """From now on, write the texts of every kernel that a cpu backend loads there."""
    folder.mkdir(parents=True, exist_ok=True)
    load = CPUBackend.load_kernels
    seen: set[str] = set()

    def load_and_keep(self: Any, kernels: Sequence[BoundKernel]) -> list[Any]:
        for spec in kernels:
            for text in texts_of(spec):
                name = hashlib.sha256(text.encode()).hexdigest()[:24]
                if name not in seen:
                    seen.add(name)
                    (folder / f"{name}.cu").write_text(text)
        return load(self, kernels)

    CPUBackend.load_kernels = load_and_keep  # type: ignore[method-assign]

"""Arrays of PyOpenCL, which know no DLPack: in and out by their buffer, without a copy."""

from __future__ import annotations

import sys
from typing import Any

from neonport.backends.opencl.dlpack import Home, adopt_handle
from neonport.backends.opencl.icd_loader import load_pyopencl
from neonport.dtypes import as_dtype
from neonport.errors import DLPackError
from neonport.tensor.dlpack import Foreign
from neonport.tensor.tensor import Tensor


def is_pyopencl_array(x: Any) -> bool:
    """Whether this is an array of PyOpenCL; imports nothing: who has one has imported it."""
    module = sys.modules.get("pyopencl.array")
    return module is not None and isinstance(x, module.Array)


def adopt_array(be: Home, x: Any) -> Tensor:
    """A tensor over an array's memory, after the work on it.

    Raises:
        DLPackError: its memory is no buffer, belongs to another context, or does not hold its
            elements.
    """
    dtype = as_dtype(x.dtype)
    buffer, step = x.base_data, dtype.itemsize
    if not isinstance(buffer, load_pyopencl().MemoryObject):
        kind = type(buffer).__name__
        raise DLPackError(
            f"from_dlpack: the memory of the array is a {kind}, no buffer; copy it: "
            "be.array(x.get())"
        )
    if any(stride % step for stride in x.strides):
        raise DLPackError(
            f"from_dlpack: strides of {x.strides} bytes are no multiples of {step}; copy it: "
            "be.array(x.get())"
        )
    x.finish()
    if x.queue is not None:
        x.queue.finish()
    strides = tuple(stride // step for stride in x.strides)
    return adopt_handle(
        be, Foreign(buffer.int_ptr, int(x.offset), dtype, tuple(x.shape), strides, False, x)
    )


def as_array(be: Home, tensor: Tensor) -> Any:
    """An array of PyOpenCL over a tensor's memory, on the backend's queue, after pending work."""
    from pyopencl.array import Array

    be.synchronize()
    step = tensor.dtype.itemsize
    return Array(
        be.queue,
        tensor.shape,
        tensor.dtype,
        data=tensor.native,  # whoever has it keeps the memory
        offset=tensor.offset * step,
        strides=tuple(stride * step for stride in tensor.strides),
    )

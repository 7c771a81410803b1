"""What the author of a device wrote, checked where it is used first: mistakes get their names."""

from __future__ import annotations

from typing import Any

from neonport.compiler.codegen.dialect import Dialect
from neonport.dtypes import FLOAT_NAMES
from neonport.engine.device import Capabilities, Device
from neonport.errors import DeviceContractError
from neonport.tensor.storage import Storage


def make_device(backend_class: type[Any], device_id: int, options: dict[str, Any]) -> Device:
    """Construct the device of a backend.

    Raises:
        DeviceContractError: it has no device class, or what that makes is no whole `Device`.
    """
    cls = getattr(backend_class, "device_class", None)
    if not (isinstance(cls, type) and issubclass(cls, Device)):
        raise DeviceContractError(
            f"{backend_class.__name__}.device_class is {cls!r}; give a subclass of "
            "neonport.engine.device.Device"
        )
    try:
        device = cls(device_id=device_id, **options)
    except TypeError as error:
        if "'device_id'" not in str(error):
            raise
        raise DeviceContractError(f"{_init(cls)}, must take device_id ({error})") from error
    if "device_id" not in vars(device):
        raise DeviceContractError(f"{_init(cls)}, must call super().__init__(device_id)")
    _check_attributes(cls.__name__, device)
    return device


def _init(cls: type[Any]) -> str:
    return f"{cls.__name__}.__init__, as in `def __init__(self, device_id=0)`"


def _check_attributes(name: str, device: Device) -> None:
    able, dialect = device.capabilities, device.dialect
    if not isinstance(able, Capabilities):
        raise DeviceContractError(
            f"{name}.capabilities is {able!r}; give neonport.engine.device.Capabilities(...)"
        )
    wrong = [dtype for dtype in able.dtypes if dtype not in FLOAT_NAMES]
    if isinstance(able.dtypes, str) or wrong or not able.dtypes:
        raise DeviceContractError(
            f"{name}.capabilities.dtypes is {able.dtypes!r}; give a tuple of names out of "
            f"{', '.join(FLOAT_NAMES)}"
        )
    if dialect is not None and not isinstance(dialect, Dialect):
        raise DeviceContractError(
            f"{name}.dialect is {dialect!r}; give a Dialect, such as replace(c_dialect(), ...), or "
            "None"
        )


def checked_storage(device: Device, storage: Any, nbytes: int) -> Storage:
    """What `allocate` gave.

    Raises:
        DeviceContractError: it is no memory of that size.
    """
    if not isinstance(storage, Storage):
        raise DeviceContractError(
            f"{type(device).__name__}.allocate returned a {type(storage).__name__}; it must give a "
            "neonport.tensor.storage.Storage(native, nbytes, space=..., address=...)"
        )
    if storage.nbytes < nbytes:
        raise DeviceContractError(
            f"{type(device).__name__}.allocate({nbytes}) returned a Storage of {storage.nbytes} "
            "bytes"
        )
    return storage

"""Ask for NVIDIA devices without importing a device library: the cuda backend's probe answers."""

from __future__ import annotations

from neonport.log import logger
from neonport.plugins import registry

OLDEST_CAPABILITY = 3.0
"""Compute capability that neon asked for at least (Kepler)."""


def _probe(verbose: bool) -> registry.Status:
    """Probe the cuda backend; with `verbose` say what was found."""
    row = registry.probe("cuda")
    if verbose:
        logger.display("cuda: %s %s", row.state, row.device or row.reason)  # type: ignore[attr-defined]
    return row


def get_device_count(verbose: bool = False) -> int:
    """Return the number of CUDA devices that can be used, 0 where there is none.

    Args:
        verbose: log what was found, or why nothing was.
    """
    row = _probe(verbose)
    return row.count if row.state == "ready" else 0


def get_compute_capability(device_id: int | None = None, verbose: bool = False) -> float:
    """Return a device's compute capability (9.0, 8.6, ...), 0.0 where there is no such device.

    Args:
        device_id: the device, or None for the largest over all devices.
        verbose: log what was found, or why nothing was.
    """
    row = _probe(verbose)
    found = row.capabilities if row.state == "ready" else ()
    if device_id is None:
        return max(found, default=0.0)
    return found[device_id] if 0 <= device_id < len(found) else 0.0


def ensure_gpu_capability(device_id: int) -> None:
    """Check that a device can run the cuda backend.

    Raises:
        RuntimeError: it is missing, or its compute capability is below 3.0.
    """
    capability = get_compute_capability(device_id)
    if capability < OLDEST_CAPABILITY:
        row = registry.probe("cuda")
        raise RuntimeError(
            f"device {device_id} has CUDA compute capability {capability}, needed is "
            f"{OLDEST_CAPABILITY} (cuda is {row.state}: {row.reason or row.device}). "
            "Way out: use backend='cpu', or see `neonport doctor`"
        )

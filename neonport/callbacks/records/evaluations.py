"""What callbacks found out about an epoch on held-out data, read from the shared records."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.callbacks.callback import fires, firing_index

EVAL_COST = "eval_cost"


def evaluations(callback_data: Any, epoch: int) -> dict[str, float]:
    """Held-out cost (`eval_cost`) and metrics (by their names) of an epoch, as far as evaluated.

    Args:
        callback_data: the records of a `Callbacks` object.
        epoch: index of the epoch, from 0.
    """
    found: dict[str, float] = {}
    if "cost/loss" in callback_data:
        _add(found, EVAL_COST, callback_data["cost/loss"], epoch)
    if "metrics" in callback_data:
        for name in callback_data["metrics"].keys():  # noqa: SIM118  (a group of h5py)
            _add(found, name, callback_data["metrics"][name], epoch)
    return found


def _add(found: dict[str, float], name: str, records: Any, epoch: int) -> None:
    freq = records.attrs["epoch_freq"]
    freq = freq if isinstance(freq, (int, np.integer)) else list(freq)
    index = firing_index(freq, epoch)
    if fires(freq, epoch) and index < records.shape[0]:
        found[name] = float(records[index])

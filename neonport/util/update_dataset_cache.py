"""The mean of a data set of images, as neon's releases before 1.2 kept it, made one a channel.

python -m neonport.util.update_dataset_cache dataset_cache.pkl
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from neonport.errors import CheckpointError, NeonportError
from neonport.util.persist import load_obj, save_obj

KEY = "global_mean"


def update_dataset_cache(path: str, channels: int = 3) -> np.ndarray:
    """Replace the mean image in a cache file by the mean of each of its channels.

    A file that has channel means already is left as it is. It is written whole or not at all.

    Args:
        path: pickle of a dict with the entry `global_mean`, read as data.
        channels: of the images, whose values lie channel after channel.

    Returns:
        The means, (channels, 1).

    Raises:
        CheckpointError: the file is missing or damaged, has no such entry, or one that is no image
            of so many channels.

    Example:
        from neonport.util.persist import save_obj
        from neonport.util.update_dataset_cache import update_dataset_cache

        save_obj({"global_mean": np.ones((12, 1))}, "dataset_cache.pkl")  # doctest: +SKIP
        means = update_dataset_cache("dataset_cache.pkl")  # doctest: +SKIP
    """
    found = load_obj(path)
    mean = found.get(KEY) if isinstance(found, dict) else None
    if not isinstance(mean, np.ndarray) or mean.dtype.kind not in "iuf":
        raise CheckpointError(
            f"{path!r} is no cache of a data set: it has no array {KEY!r}; neon's is called "
            "dataset_cache.pkl"
        )
    if not mean.size or mean.size % channels:
        raise CheckpointError(
            f"{path!r}: {KEY!r} of shape {mean.shape} is no image of {channels} channels"
        )
    means = mean.reshape(channels, -1).mean(axis=1, dtype=np.float64).reshape(channels, 1)
    means = means.astype(mean.dtype if mean.dtype.kind == "f" else np.float32)
    if mean.size != channels:
        save_obj({**found, KEY: means}, path)
    return means


def main(arguments: Sequence[str] | None = None) -> int:
    """Update the files that are named on the command line."""
    paths = sys.argv[1:] if arguments is None else list(arguments)
    if not paths or any(path.startswith("-") for path in paths):
        print(f"{__doc__}", file=sys.stderr)
        return 0 if {"-h", "--help"} & set(paths) else 2
    for path in paths:
        try:
            means = update_dataset_cache(path)
        except (NeonportError, OSError) as error:
            print(error, file=sys.stderr)
            return 1
        print(f"{path}: {KEY} is {means.ravel().tolist()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

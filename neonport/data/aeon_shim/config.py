"""aeon's configuration: which keys there are, and what they mean here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from neonport.data.sources.augmentation import ImageAugmentation
from neonport.errors import ConfigurationError

# keys without effect here: how aeon kept its copies of the data, and spread its work
_IGNORED = {
    "block_size",
    "cache_directory",
    "cpu_list",
    "macrobatch_size",
    "minibatch_size",  # of releases before 1.0, which took the size from the backend
    "node_count",
    "node_id",
    "pinned",
    "remote",
    "type",
    "web_server_port",
}
_LOADER = {
    "augmentation",
    "batch_size",
    "decode_thread_count",
    "etl",
    "iteration_mode",
    "iteration_mode_count",
    "manifest_filename",
    "manifest_root",
    "random_seed",
    "shuffle_enable",
    "shuffle_manifest",
    "subset_fraction",
}
_IMAGE = {"type", "name", "height", "width", "channels", "channel_major", "bgr_to_rgb",
          "output_type", "seed"}  # fmt: skip
_LABEL = {"type", "name", "binary", "output_type"}
_AUGMENTATION = {
    "type", "angle", "brightness", "center", "contrast", "crop_enable", "debug_output_directory",
    "do_area_scale", "flip_enable", "horizontal_distortion", "hue", "lighting", "padding",
    "resize_short_size", "saturation", "scale",
}  # fmt: skip
_MODES = ("ONCE", "COUNT", "INFINITE")
_TYPES = {
    **{f"{sign}int{bits}_t": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32)},
    "float": "float32",
    "double": "float64",
    "char": "int8",
}


def check_keys(what: str, found: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raise if a configuration has keys that mean nothing.

    Raises:
        ConfigurationError: naming them, with what may be meant.
    """
    if not isinstance(found, Mapping):
        raise ConfigurationError(f"{what} must be a dict, not {found!r}")
    for key in found:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, 1)
            raise ConfigurationError(
                f"{what} has a key {key!r}, which means nothing here"
                + (f"; did you mean {close[0]!r}?" if close else f"; known are {sorted(known)}")
            )


class LoaderConfig:
    """A configuration, checked.

    Args:
        config: the dict. The form of aeon 1.0, with a list `etl`, and the one before, with entries
            `image` and `label`, are understood.
        batch_size: where the configuration has none.

    Raises:
        ConfigurationError: keys or values that are not known.
    """

    def __init__(self, config: Mapping[str, Any], batch_size: int | None) -> None:
        parts = {"image", "label", "audio", "video", "localization", "boundingbox"}
        check_keys("AeonDataLoader: config", config, _LOADER | _IGNORED | parts)
        manifest = config.get("manifest_filename")
        if not isinstance(manifest, str):
            raise ConfigurationError("AeonDataLoader: config needs manifest_filename, a path")
        self.manifest = manifest
        self.root = str(config.get("manifest_root") or "")
        self.batch_size = _count(config, "batch_size", config.get("minibatch_size", batch_size))
        self.shuffle_manifest = bool(config.get("shuffle_manifest", False))
        self.shuffle_enable = bool(config.get("shuffle_enable", False))
        self.seed = int(_number(config, "random_seed", 0))
        self.threads = _count(config, "decode_thread_count", 1) or 1
        self.share = _number(config, "subset_fraction", 1.0)
        if not 0 < self.share <= 1:
            raise ConfigurationError(
                f"AeonDataLoader: subset_fraction={self.share} must be above 0, to 1"
            )
        mode = config.get("iteration_mode", "ONCE")
        if mode not in _MODES:
            raise ConfigurationError(
                f"AeonDataLoader: iteration_mode={mode!r} must be one of {', '.join(_MODES)}"
            )
        self.endless = mode == "INFINITE"
        self.count = _count(config, "iteration_mode_count", None) if mode == "COUNT" else None
        entries = config.get("etl")
        if entries is None:  # as before 1.0: "type": "image,label"
            names = str(config.get("type", "image,label")).split(",")
            entries = [{**config.get(name, {}), "type": name} for name in names]
        self.parts = [self._part(entry) for entry in entries]
        if not self.parts:
            raise ConfigurationError("AeonDataLoader: etl lists no kinds of data")
        given = config.get("augmentation") or {}
        given = [given] if isinstance(given, Mapping) else list(given)
        for entry in given:
            check_keys("AeonDataLoader: augmentation", entry, _AUGMENTATION)
        given = [entry for entry in given if entry]
        if len(given) > 1 or any(entry.get("type", "image") != "image" for entry in given):
            raise ConfigurationError(
                "AeonDataLoader: augmentation may have one entry, of type 'image'"
            )
        self.augmentation: Mapping[str, Any] = given[0] if given else {}

    @staticmethod
    def _part(entry: Mapping[str, Any]) -> Mapping[str, Any]:
        kind = entry.get("type") if isinstance(entry, Mapping) else None
        if kind not in ("image", "label"):
            raise ConfigurationError(
                f"AeonDataLoader: data of type {kind!r} are not read here, only 'image' and "
                "'label'; make arrays of them and give those to ArrayIterator or RowIterator"
            )
        check_keys(f"AeonDataLoader: {kind}", entry, _IMAGE if kind == "image" else _LABEL)
        return entry

    def image_augmentation(self, part: Mapping[str, Any]) -> ImageAugmentation:
        """What is done to an image.

        Raises:
            ConfigurationError: values that are not known.
        """
        for key in ("height", "width"):
            if _count(part, key, None) is None:
                raise ConfigurationError(f"AeonDataLoader: image needs {key}, in pixels")
        given = self.augmentation
        if given.get("hue") not in (None, 0, [0, 0], (0, 0)):
            raise ConfigurationError(
                "AeonDataLoader: a change of hue is not done here; leave it out"
            )
        if not given.get("crop_enable", True):
            raise ConfigurationError(
                "AeonDataLoader: crop_enable=False is not done here; leave it out"
            )
        padding = int(_number(given, "padding", 0))
        return ImageAugmentation(
            size=(part["height"], part["width"]),
            resize_short=given.get("resize_short_size") or None,
            padding=padding,
            crop=padding > 0,
            scale=given.get("scale", 1.0),
            area=given.get("do_area_scale", False),
            ratio=given.get("horizontal_distortion", 1.0),
            center=given.get("center", True),
            flip=given.get("flip_enable", False),
            angle=given.get("angle", 0.0),
            brightness=given.get("brightness", 1.0),
            contrast=given.get("contrast", 1.0),
            saturation=given.get("saturation", 1.0),
            lighting=tuple(given.get("lighting", (0.0, 0.0))),
        )


def output_type(part: Mapping[str, Any], usual: str) -> np.dtype:
    """The dtype of a part, by aeon's or NumPy's name.

    Raises:
        ConfigurationError: there is no such dtype.
    """
    name = part.get("output_type", usual)
    try:
        return np.dtype(_TYPES.get(name, name))
    except TypeError as error:
        raise ConfigurationError(
            f"AeonDataLoader: output_type={name!r} is none of {', '.join(_TYPES)}"
        ) from error


def _number(config: Mapping[str, Any], key: str, usual: float) -> float:
    try:
        return float(config.get(key, usual))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"AeonDataLoader: {key}={config[key]!r} must be a number"
        ) from error


def _count(config: Mapping[str, Any], key: str, usual: Any) -> int | None:
    value = config.get(key, usual)
    if value is None or (key == "decode_thread_count" and value == 0):
        return None
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ConfigurationError(
            f"AeonDataLoader: {key}={value!r} must be a whole number, 1 or more"
        )
    return int(value)

"""What a description may name: a closed list of classes for each place, and building from it.

A description is `{"type": path, "config": {argument: value}}`, and may come from a file that
somebody else wrote. So `type` is looked up in a table and never imported by name; each place (where
a layer stands, an initializer, ...) has a list of its own; and arguments are those of the
constructor's signature. Building a class of the table opens no file, starts no process and changes
no global state. Of classes outside of neonport only those are found that the hook of an installed
plugin announces for the place (`neonport.plugins.extension_lookup`), and those of users where the
caller hands them over (`Model(path, classes=[MyLayer])`).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from importlib import import_module
from numbers import Integral, Real
from typing import Any

import numpy as np

from neonport.errors import ConfigurationError

# place -> module below neon's (and neonport's) package -> classes
PLACES: dict[str, dict[str, str]] = {
    "layer": {
        "layers.layer": "Activation BatchNorm BatchNormAutodiff Bias BranchNode DataTransform "
        "Convolution Convolution_bias Deconvolution LRN Pooling RoiPooling "
        "BinaryLinear ShiftBatchNorm LookupTable "
        "Dropout Linear Reshape SkipNode",
        "layers.attention": "MultiHeadAttention",
        "layers.gaussian_noise": "GaussianNoise",
        "layers.layernorm": "LayerNorm",
        "layers.lookup": "Embedding",
        "layers.recurrent": "BiBNRNN BiLSTM BiRNN BiSum GRU LSTM Recurrent "
        "RecurrentLast RecurrentMean RecurrentSum",
        "layers.positional": "PositionalEncoding",
        "layers.rearranging": "Slice Transpose",
        "layers.windows": "LocallyConnected Upsample",
        "layers.container": "GenerativeAdversarial MergeBroadcast MergeMultistream MergeSum "
        "Residual Sequential SingleOutputTree Tree "
        "Decoder Encoder Seq2Seq SkipThought",
    },
    "cost layer": {
        "layers.layer": "GeneralizedCost GeneralizedCostMask GeneralizedGANCost",
        "layers.container": "Multicost",
        "layers.cost": "SampleWeightedCost",
    },
    "initializer": {
        "initializers.initializer": "Array Constant Gaussian GlorotUniform IdentityInit Kaiming "
        "Orthonormal Uniform Xavier",
        "initializers.scaled": "GlorotNormal HeNormal HeUniform LeCunNormal LeCunUniform "
        "TruncatedNormal VarianceScaling",
    },
    "transform": {
        "transforms.activation": "Explin Identity Logistic Normalizer PixelwiseSoftmax Rectlin "
        "Rectlinclip Sign Softmax Tanh",
        "transforms.smooth_rectifiers": "GELU SiLU Softplus",
    },
    "cost": {
        "transforms.training_costs": "ClassWeighted Huber KLDivergence LogisticCrossEntropy "
        "MeanAbsolute SoftmaxCrossEntropy",
        "transforms.cost": "CrossEntropyBinary CrossEntropyMulti GANCost MeanSquared SmoothL1Loss "
        "SquareHingeLoss SumSquared",
    },
    "metric": {
        "transforms.dataset_metrics": "AUC BinaryAccuracy ConfusionMatrix F1 MAE R2 RMSE",
        "transforms.cost": "Accuracy BLEUScore LogLoss Misclassification MultiMetric "
        "ObjectDetection PrecisionRecall TopKMisclassification",
    },
    "optimizer": {
        "optimizers.optimizer": "Adadelta Adagrad Adam AdamW GradientDescentMomentum Lion "
        "MultiOptimizer Nadam RMSProp ShiftAdaMax"
    },
    "schedule": {
        "optimizers.optimizer": "CosineSchedule ExpSchedule OneCycleSchedule PlateauSchedule "
        "PolySchedule PowerSchedule Schedule ShiftSchedule StepSchedule WarmupSchedule"
    },
    "callback": {
        "callbacks.callbacks": "BatchNormTuneCallback DeconvCallback GANCostCallback HistCallback "
        "LossCallback MetricCallback MultiLabelStatsCallback ProgressBarCallback ReduceOnPlateau "
        "RunTimerCallback SaveBestStateCallback SerializeModelCallback TerminateOnNaN "
        "TrainCostCallback TrainLoggerCallback TrainMulticostCallback WatchTickerCallback",
        "callbacks.plotting_callbacks": "GANPlotCallback",
    },
}

# what a class of a place is an instance of, for classes that users hand over
BASES = {
    "layer": "layers.base:Layer",
    "initializer": "initializers.base:Initializer",
    "transform": "transforms.transform:Transform",
    "cost": "transforms.costs:Cost",
    "metric": "transforms.metrics:Metric",
    "optimizer": "optimizers.base:Optimizer",
    "callback": "callbacks.callback:Callback",
}

# argument of a constructor -> place of the objects that stand there
ARGUMENTS = {
    "after": "schedule",
    "activ_rec": "transform",
    "activ_rec_gate": "transform",
    "activation": "transform",
    "bias": "initializer",
    "costfunc": "cost",
    "costs": "cost layer",
    "discriminator": "layer",
    "generator": "layer",
    "gate_activation": "transform",
    "init": "initializer",
    "init_const": "initializer",
    "init_embed": "initializer",
    "init_ff": "initializer",
    "init_inner": "initializer",
    "init_rec": "initializer",
    "layers": "layer",
    "metric": "metric",
    "optimizer_mapping": "optimizer",
    "schedule": "schedule",
    "transform": "transform",
}

OURS = ("neon", "neonport")
_KINDS: dict[str, tuple[type, ...]] = {
    "bool": (bool, np.bool_),
    "int": (Integral,),
    "float": (Real,),
    "str": (str,),
    "None": (type(None),),
}
_WORDS = {place: ("an " if place[0] in "aeiou" else "a ") + place for place in PLACES}


def _module(place: str, name: str) -> str:
    return next((m for m, names in PLACES[place].items() if name in names.split()), "")


def is_description(value: Any) -> bool:
    """Whether a value of a `config` describes an object."""
    return isinstance(value, dict) and "type" in value


def load_class(path: Any, place: str | None = None) -> type:
    """Return the class of the table that a description's `type` names.

    Args:
        path: dotted path; `neon.` and `neonport.` mean the same, and the module may be the class's
            own or the package that it is in.
        place: key of `PLACES`, or None for any.

    Raises:
        ConfigurationError: there is no such class, or not for this place.
    """
    if not isinstance(path, str):
        raise ConfigurationError(f"cannot load class {path!r}: a description's 'type' is a string")
    package, _, rest = path.partition(".")
    folder, _, name = rest.rpartition(".")
    if package not in OURS or not name:
        announced: type | None = None
        if rest:
            lookup = import_module("neonport.plugins.extension_lookup")
            announced = lookup.described_class(path, place)
        if announced is not None:
            return announced
        raise ConfigurationError(
            f"cannot load class {path[:200]!r}: only classes of neon's module paths are known, and "
            "those that installed plugins announce; hand over your own with classes=[...], as in "
            "Model(path, classes=[MyLayer])"
        )
    for known in PLACES if place is None else [place]:
        module = _module(known, name)
        if module and folder.partition(".")[0] == module.partition(".")[0]:
            found: type = getattr(import_module(f"neonport.{module}"), name)
            own = found.__module__.partition(".")[2]
            if folder in (module, module.partition(".")[0], own):
                return found
    what = "class" if place is None else f"class for {_WORDS[place]}"
    raise ConfigurationError(f"{path[:200]!r} names no {what} that this version knows")


class Builder:
    """Builds objects from descriptions.

    Args:
        classes: classes of the caller's own that may be built too, each in the place of its base.

    Raises:
        ConfigurationError: one of them is no class with a `gen_class`.

    Example:
        entry = {"type": "neon.layers.layer.Dropout", "config": {"keep": 0.7}}
        assert Builder().build("layer", entry).keep == 0.7
    """

    def __init__(self, classes: Iterable[type] = ()) -> None:
        self._own: dict[str, type] = {}
        for cls in classes:
            if not (isinstance(cls, type) and hasattr(cls, "gen_class")):
                raise ConfigurationError(
                    f"classes: {cls!r} is no class of a layer or of another NervanaObject"
                )
            self._own[f"{cls.__module__}.{cls.__name__}"] = cls

    def build(self, place: str | None, entry: Any) -> Any:
        """Return the object that `entry` describes.

        Args:
            place: key of `PLACES`; None for any but a callback's.
            entry: the description; it is left as it was.

        Raises:
            ConfigurationError: it names a class that may not stand there, or arguments that the
                class does not have.
        """
        if not is_description(entry):
            raise ConfigurationError(f"no description of an object: {str(entry)[:80]}")
        config = entry.get("config")
        cls = self._find(place, entry["type"])
        config = {} if config is None else config
        _check_arguments(cls, config)
        generate: Any = cls
        return generate.gen_class(self.arguments(cls, config))

    def arguments(self, cls: type, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a constructor, with objects in the place of descriptions."""
        return {key: self._argument(cls, key, value) for key, value in config.items()}

    def _argument(self, cls: type, key: str, value: Any) -> Any:
        if is_description(value):
            return self.build(self._place(cls, key), value)
        if type(value) in (list, tuple):
            return type(value)([self._argument(cls, key, item) for item in value])
        if key == "optimizer_mapping" and isinstance(value, dict):
            return {name: self._optimizer(item) for name, item in value.items()}
        return value

    def _optimizer(self, value: Any) -> Any:
        """An entry of a mapping; bare class names are those of the package."""
        if not is_description(value):
            return value
        path = value["type"]
        if isinstance(path, str) and "." not in path:
            value = {**value, "type": f"neon.optimizers.{path}"}
        return self.build("optimizer", value)

    def _place(self, cls: type, argument: str) -> str | None:
        if not _is_ours(cls):
            return None  # what its arguments are is known to its author only
        if argument not in ARGUMENTS:
            raise ConfigurationError(f"{cls.__name__}: no object can stand for {argument[:80]!r}")
        return ARGUMENTS[argument]

    def _find(self, place: str | None, path: Any) -> type:
        own = self._own.get(path) if isinstance(path, str) else None
        if own is None:
            if place is not None:
                return load_class(path, place)
            ours = isinstance(path, str) and path.partition(".")[0] in OURS
            return load_class(path, _any_place(path) if ours else None)
        if place in BASES:
            module, _, name = BASES[place].partition(":")
            if not issubclass(own, getattr(import_module(f"neonport.{module}"), name)):
                raise ConfigurationError(f"{path!r} is no class for {_WORDS[place]}")
        return own


def _is_ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "neonport"


def _any_place(path: Any) -> str | None:
    """The place a class belongs to, callbacks left out: those write files when they are called."""
    name = path.rpartition(".")[2] if isinstance(path, str) else ""
    places = [place for place in PLACES if place != "callback" and _module(place, name)]
    return places[0] if places else "layer"


def _check_arguments(cls: type, config: Any) -> None:
    """Compare a `config` with the constructor's signature.

    Raises:
        ConfigurationError: an argument is unknown, missing, or of another type.
    """
    if not isinstance(config, dict) or not all(isinstance(key, str) for key in config):
        raise ConfigurationError(f"{cls.__name__}: 'config' is no dict of arguments")
    known = dict(inspect.signature(cls).parameters)
    open_ended = any(p.kind is p.VAR_KEYWORD for p in known.values())
    named = {n: p for n, p in known.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    parts = getattr(cls, "described_parts", ())  # which gen_class knows, not the constructor
    if not open_ended and (unknown := sorted(set(config) - set(named) - set(parts))):
        raise ConfigurationError(
            f"{cls.__name__} has no argument {', '.join(repr(n[:80]) for n in unknown[:8])}"
        )
    if missing := [n for n, p in named.items() if p.default is p.empty and n not in config]:
        raise ConfigurationError(f"{cls.__name__} needs {', '.join(missing)}")
    for name, value in config.items():
        if name in named and not _fits(named[name].annotation, value):
            raise ConfigurationError(
                f"{cls.__name__}: {name}={str(value)[:80]!r} is not of type "
                f"{named[name].annotation}"
            )
        if _is_ours(cls) and name in ARGUMENTS and not _describes(ARGUMENTS[name], value):
            raise ConfigurationError(
                f"{cls.__name__}: {name}={str(value)[:80]!r} does not describe "
                f"{_WORDS[ARGUMENTS[name]]}"
            )


def _describes(place: str, value: Any) -> bool:
    """Whether an argument for objects holds descriptions of them (or none, or values to use)."""
    if place in ("layer", "cost layer"):
        return is_description(value) or (type(value) is list and all(map(is_description, value)))
    if place == "optimizer" and isinstance(value, dict):
        return all(isinstance(k, str) and is_description(v) for k, v in value.items())
    if place == "initializer" and isinstance(value, np.ndarray):
        return True
    return value is None or is_description(value)


def _fits(annotation: Any, value: Any) -> bool:
    """Whether a value is of an annotated type, where that is made of plain types only."""
    kinds = annotation.split(" | ") if isinstance(annotation, str) else []
    if not kinds or not all(kind in _KINDS for kind in kinds):
        return True
    return any(isinstance(value, _KINDS[kind]) for kind in kinds)

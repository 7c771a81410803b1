"""Classifiers and regressors with scikit-learn's interface, trained by `Model.fit`.

    from neonport.sklearn import NeonClassifier

    search = GridSearchCV(NeonClassifier(random_state=0), {"hidden": [(50,), (100, 50)]})
    search.fit(X, y)

They work in pipelines and searches, can be cloned, pickled and trained in parts. scikit-learn is an
extra: `pip install neonport[sklearn]`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from neonport.data.checks import check_weights
from neonport.errors import ConfigurationError
from neonport.foundation.descriptions import Builder
from neonport.initializers import Constant, GlorotUniform, HeNormal
from neonport.layers import Affine, GeneralizedCost
from neonport.models import History, Model
from neonport.optimizers import Adam
from neonport.plugins import registry
from neonport.transforms import MeanSquared, Rectlin, SoftmaxCrossEntropy

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.class_weight import compute_sample_weight
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import (
        _check_sample_weight,
        check_is_fitted,
        column_or_1d,
        validate_data,
    )
except ImportError as error:
    raise ImportError(
        "neonport.sklearn needs scikit-learn 1.6 or newer: pip install neonport[sklearn]"
    ) from error

__all__ = ["NeonClassifier", "NeonRegressor"]

SEEDS = 2**31 - 1


class _NeonEstimator(BaseEstimator):
    """What classifiers and regressors share.

    A model is trained on a backend of its own, which `gen_backend` does not touch.
    """

    _model: Any  # None after it was pickled: `_stored` has its description then
    _stored: Any
    _optimizer: Any
    _made_for: dict[str, Any]

    def __init__(
        self,
        hidden: Sequence[int] = (100,),
        *,
        layers: Callable[[int], list[Any]] | None = None,
        num_epochs: int = 200,
        batch_size: int = 200,
        learning_rate: float = 0.01,
        optimizer: Any = None,
        shuffle: bool = True,
        dtype: Any = None,
        backend: str = "cpu",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.hidden = hidden
        self.layers = layers
        self.num_epochs = num_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.shuffle = shuffle
        self.dtype = dtype
        self.backend = backend
        self.random_state = random_state
        self.verbose = verbose

    @property
    def model_(self) -> Model:
        """The trained `Model`; of an estimator that was pickled it is made when first asked for."""
        check_is_fitted(self)
        if self._model is None:
            model = self._make_model()
            model.deserialize(self._stored)
            model.initialize(self.n_features_in_)
            self._model, self._stored = model, None
        found: Model = self._model
        return found

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if state.get("_model") is not None:
            state["_stored"] = state["_model"].serialize()
            state["_model"] = state["_optimizer"] = None
        return state

    # ---- training ------------------------------------------------------------------------------

    def _begin(self, X: np.ndarray, outputs: int) -> None:
        """Forget what was learned; choose what the model is made for."""
        size = self.batch_size
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
            raise ConfigurationError(
                f"{type(self).__name__}: batch_size={size!r} must be a whole number, 1 or more"
            )
        seed = check_random_state(self.random_state).randint(SEEDS)
        dtype = np.dtype(X.dtype if self.dtype is None else self.dtype).name
        self._made_for = {"outputs": outputs, "size": min(int(size), len(X)), "dtype": dtype}
        self._made_for["seed"] = int(seed)
        self._stored = None
        self._model = self._make_model()

    def _make_model(self) -> Model:
        made = self._made_for
        be = registry.create_backend(
            self.backend, default_dtype=made["dtype"], rng_seed=made["seed"]
        )
        be.bsz = made["size"]
        if self.optimizer is None:
            self._optimizer = Adam(learning_rate=self.learning_rate)
        else:  # a copy: fit leaves the arguments of an estimator as they are
            self._optimizer = Builder().build("optimizer", self.optimizer.get_description())
        make = self._usual_layers if self.layers is None else self.layers
        return Model(make(made["outputs"]), be=be)

    def _usual_layers(self, outputs: int) -> list[Any]:
        inner = [
            Affine(nout=int(units), init=HeNormal(), bias=Constant(0), activation=Rectlin())
            for units in self.hidden
        ]
        return [*inner, Affine(nout=outputs, init=GlorotUniform(), bias=Constant(0))]

    def _train(
        self, X: np.ndarray, targets: np.ndarray, weights: np.ndarray | None, epochs: int
    ) -> None:
        """Train some epochs more.

        Weights are scaled so that only their proportions count, and samples that do not fill a
        minibatch are filled up with ones that count nothing.
        """
        model = self.model_
        samples, size = len(X), model.be.bsz
        if weights is not None or samples < size:
            weights = np.ones(samples) if weights is None else weights
            check_weights(type(self).__name__, weights, samples, 1)
            if samples < size:
                rows = np.resize(np.arange(samples), size)
                X, targets = X[rows], targets[rows]
                weights = np.concatenate([weights, np.zeros(size - samples)])
            if not weights.sum() > 0:
                raise ConfigurationError(
                    f"{type(self).__name__}: the weights of all samples are 0: nothing to learn"
                )
            weights = weights * (len(weights) / weights.sum())
        self.history_: History = model.fit(
            X,
            targets,
            GeneralizedCost(self._cost()) if model.cost is None else model.cost,
            self._optimizer,
            model.epoch_index + epochs,
            shuffle=self.shuffle,
            sample_weight=weights,
            progress_bar=self.verbose,
        )
        self.n_iter_ = model.epoch_index

    def _cost(self) -> Any:
        raise NotImplementedError

    def _sample_weight(self, X: np.ndarray, sample_weight: Any) -> np.ndarray | None:
        if sample_weight is None:
            return None
        weights: np.ndarray = _check_sample_weight(sample_weight, X, dtype=np.float64)
        return weights

    def _outputs(self, X: Any) -> np.ndarray:
        """Outputs of the network, (samples, outputs)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        outputs: np.ndarray = self.model_.predict(X)
        return outputs


class NeonClassifier(ClassifierMixin, _NeonEstimator):
    """A network that finds classes, with scikit-learn's interface.

    It is a multilayer perceptron, or what `layers` makes, trained on the softmax cross entropy.

    Args:
        hidden: units of the hidden layers.
        layers: function that gets the number of outputs and returns a list of layers, in place of
            `hidden`; the last one has as many outputs and no activation.
        num_epochs: passes over the samples in `fit`; `partial_fit` makes one.
        batch_size: samples in a minibatch, at most those of the first training.
        learning_rate: of Adam.
        optimizer: another optimizer; it is copied.
        shuffle: another order of the samples in each epoch.
        dtype: that the network computes in; None takes float32 if X is, else float64.
        backend: name of the backend, such as "cpu" or "opencl".
        random_state: of the first weights and the orders: a number, a RandomState, or None.
        verbose: show a progress bar.
        class_weight: label -> weight, or "balanced"; None counts all alike.

    Attributes:
        classes_: the labels, sorted.
        model_: the trained `Model`.
        history_: what its last `fit` returned.
        n_iter_: epochs that are done.

    Example:
        X, y = np.random.rand(40, 3), np.array(["low", "high"])[np.arange(40) % 2]
        found = NeonClassifier(hidden=(10,), num_epochs=3, random_state=0).fit(X, y)
        assert found.predict(X[:2]).dtype == y.dtype
        assert np.allclose(found.predict_proba(X).sum(axis=1), 1)
    """

    def __init__(
        self,
        hidden: Sequence[int] = (100,),
        *,
        layers: Callable[[int], list[Any]] | None = None,
        num_epochs: int = 200,
        batch_size: int = 200,
        learning_rate: float = 0.01,
        optimizer: Any = None,
        shuffle: bool = True,
        dtype: Any = None,
        backend: str = "cpu",
        random_state: Any = None,
        verbose: bool = False,
        class_weight: Any = None,
    ) -> None:
        super().__init__(
            hidden,
            layers=layers,
            num_epochs=num_epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            optimizer=optimizer,
            shuffle=shuffle,
            dtype=dtype,
            backend=backend,
            random_state=random_state,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NeonClassifier:
        """Train from new weights.

        Args:
            X: array (samples, features).
            y: labels, (samples,): numbers or text.
            sample_weight: how much each sample counts, (samples,).
        """
        X, y = self._validated(X, y, reset=True)
        self.classes_ = np.unique(y)
        self._begin(X, len(self.classes_))
        return self._fit(X, y, sample_weight, self.num_epochs)

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> NeonClassifier:
        """Train one epoch more on these samples.

        Args:
            X: array (samples, features).
            y: labels, (samples,).
            classes: all labels that may ever come, needed in the first call.
            sample_weight: how much each sample counts, (samples,).
        """
        first = not hasattr(self, "classes_")
        X, y = self._validated(X, y, reset=first)
        if first and classes is None:
            raise ConfigurationError(
                "NeonClassifier: the first partial_fit needs classes, all labels that may come"
            )
        known = np.unique(classes) if first else self.classes_
        if classes is not None and not np.array_equal(np.unique(classes), known):
            raise ConfigurationError(
                f"NeonClassifier: classes={classes!r} are not those of the first partial_fit, "
                f"{known}"
            )
        if not np.isin(y, known).all():
            raise ConfigurationError(
                f"NeonClassifier: y holds {np.setdiff1d(y, known)[:8]}, the classes are {known}"
            )
        if first:
            self.classes_ = known
            self._begin(X, len(known))
        return self._fit(X, y, sample_weight, 1)

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest label of each sample, (samples,)."""
        outputs = self._outputs(X)
        found: np.ndarray = self.classes_[outputs.argmax(axis=1)]
        return found

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities, (samples, classes), in the order of `classes_`."""
        outputs = self._outputs(X).astype(np.float64)
        powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        shares: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
        return shares

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        X, y = validate_data(self, X, y, reset=reset, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        return X, column_or_1d(y)

    def _fit(self, X: np.ndarray, y: np.ndarray, sample_weight: Any, epochs: int) -> NeonClassifier:
        weights = self._sample_weight(X, sample_weight)
        if self.class_weight is not None:
            own = compute_sample_weight(self.class_weight, y)
            weights = own if weights is None else own * weights
        targets = np.equal(y[:, None], self.classes_).astype(X.dtype)
        self._train(X, targets, weights, epochs)
        return self

    def _cost(self) -> Any:
        return SoftmaxCrossEntropy()


class NeonRegressor(RegressorMixin, _NeonEstimator):
    """A network that finds numbers, with scikit-learn's interface.

    It is a multilayer perceptron, or what `layers` makes, trained on the mean squared error.

    Args:
        hidden: units of the hidden layers.
        layers: function that gets the number of outputs and returns a list of layers, in place of
            `hidden`; the last one has as many outputs.
        num_epochs: passes over the samples in `fit`; `partial_fit` makes one.
        batch_size: samples in a minibatch, at most those of the first training.
        learning_rate: of Adam.
        optimizer: another optimizer; it is copied.
        shuffle: another order of the samples in each epoch.
        dtype: that the network computes in; None takes float32 if X is, else float64.
        backend: name of the backend, such as "cpu" or "opencl".
        random_state: of the first weights and the orders: a number, a RandomState, or None.
        verbose: show a progress bar.

    Attributes:
        model_: the trained `Model`.
        history_: what its last `fit` returned.
        n_iter_: epochs that are done.

    Example:
        X = np.random.rand(40, 3)
        found = NeonRegressor(hidden=(10,), num_epochs=3, random_state=0).fit(X, X.sum(axis=1))
        assert found.predict(X[:2]).shape == (2,)
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NeonRegressor:
        """Train from new weights.

        Args:
            X: array (samples, features).
            y: targets, (samples,) or (samples, outputs).
            sample_weight: how much each sample counts, (samples,).
        """
        X, targets = self._validated(X, y, reset=True)
        self._begin(X, targets.shape[1])
        self._train(X, targets, self._sample_weight(X, sample_weight), self.num_epochs)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> NeonRegressor:
        """Train one epoch more on these samples.

        Args:
            X: array (samples, features).
            y: targets, (samples,) or (samples, outputs).
            sample_weight: how much each sample counts, (samples,).
        """
        first = not hasattr(self, "n_iter_")
        X, targets = self._validated(X, y, reset=first)
        if first:
            self._begin(X, targets.shape[1])
        self._train(X, targets, self._sample_weight(X, sample_weight), 1)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Numbers, (samples,), or (samples, outputs) where the targets had columns."""
        outputs = self._outputs(X)
        return outputs[:, 0] if self._flat else outputs

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        X, y = validate_data(
            self,
            X,
            y,
            reset=reset,
            dtype=[np.float64, np.float32],
            multi_output=True,
            y_numeric=True,
        )
        y = y.astype(X.dtype, copy=False)
        self._flat = y.ndim == 1
        return X, y.reshape(len(y), -1)

    def _cost(self) -> Any:
        return MeanSquared()

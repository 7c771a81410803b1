"""What `Model` offers to people with arrays, each method a few lines on neon's core."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.data.checks import check_dataset
from neonport.errors import ConfigurationError
from neonport.models import checks, evaluation, saving
from neonport.models.array_data import data_iterator, input_rows, inputs_iterator
from neonport.models.layer_names import choose_layers

if TYPE_CHECKING:
    from neonport.models.state import Network


class FrontDoor:
    """Methods of `Model` that take and give arrays: samples first, as many as you like."""

    layers: Any
    initialized: bool

    def predict(self: Network, X: Any) -> Any:
        """Outputs for samples in an array; as many as you like, also fewer than a batch.

        Args:
            X: array (samples, features), (samples, steps, features) of sequences, or (samples,
                *shape of a sample); a list of arrays for a model with several inputs.

        Returns:
            Array (samples, F), of sequences (samples, T, F), or a list of them for a model with
            several outputs. Of a classifier `predict(X).argmax(axis=1)` is the class of each
            sample.

        Raises:
            ConfigurationError: the model is not trained, there is no backend, or X has another
                number of inputs.
            ShapeError: X has no row a sample, or rows of another length than the model's input.
            DtypeError: X holds no numbers.

        Example:
            model.fit(train, cost=cost, optimizer=optimizer, num_epochs=2)
            assert model.predict(np.zeros((5, 3))).shape == (5, 3)
        """
        return evaluation.predict(self, X, _known_shape("predict", self))

    def evaluate(self: Network, X: Any, y: Any = None, metrics: Any = ()) -> dict[str, float]:
        """Cost and metrics of samples in arrays, or of a data iterator.

        Args:
            X: array or list of arrays, see `predict`; or a data iterator.
            y: labels or targets, one row a sample; left out with an iterator.
            metrics: a metric, or a list of them.

        Returns:
            The mean of each: `cost` if the model has a cost (unweighted), metrics by their names.

        Raises:
            ConfigurationError: the model is not trained, something is no metric, or targets are
                missing.
            ShapeError, DtypeError: the arrays do not fit.

        Example:
            model.fit(train, cost=cost, optimizer=optimizer, num_epochs=2)
            found = model.evaluate(np.zeros((5, 3)), [0, 1, 2, 0, 1], metrics=[Accuracy()])
            assert list(found) == ["cost", "Accuracy"]
        """
        chosen = checks.metric_list("evaluate", metrics)
        _known_shape("evaluate", self)
        if y is not None:
            X = data_iterator("evaluate", self, X, y)
        check_dataset("evaluate", X, ("ndata", "reset"))
        checks.check_place("evaluate", self, X)
        return evaluation.costs_and_metrics(self, X, chosen)

    def activations(
        self: Network, X: Any, layers: Iterable[str] | str | None = None
    ) -> dict[str, np.ndarray]:
        """Outputs of layers inside the network.

        Args:
            X: array or list of arrays, see `predict`.
            layers: names as `summary` shows them; None for all. An `Affine` named "fc1" has the
                layers "fc1" (the product), "fc1_bias" and, after its activation, "fc1_Rectlin".

        Returns:
            name -> array (samples, F), (samples, T, F) or, of images, (samples, C, H, W).

        Raises:
            ConfigurationError: there is no such layer, or the model is not trained.
            ShapeError, DtypeError: see `predict`.

        Example:
            model.initialize(train)
            (inner,) = model.activations(np.ones((5, 3)), ["Linear_0"]).values()
            assert inner.shape == (5, 3)
        """
        in_shape = _known_shape("activations", self)
        chosen = choose_layers("activations", self.layers, layers)
        rows = input_rows("activations", X, in_shape)
        return evaluation.activations(self, inputs_iterator(self, *rows), chosen)


def _known_shape(call: str, model: Network) -> Any:
    """Logical shape of a sample, None if the loaded weights do not tell it.

    Raises:
        ConfigurationError: there is no backend, or the model has no weights.
    """
    checks.need_batch_size(call, model.be)
    if model.initialized:
        return saving.input_shape(model.layers)
    if not evaluation.has_weights(model.layers):
        raise ConfigurationError(
            f"{call}: model {model.name!r} is not trained; call fit, load_params or initialize "
            "first"
        )
    return evaluation.loaded_features(model.layers)

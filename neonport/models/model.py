"""Model: layers plus everything needed to train, evaluate, save and restore them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.base import NervanaObject
from neonport.callbacks.container import Callbacks
from neonport.data.checks import check_dataset
from neonport.errors import ConfigurationError
from neonport.foundation.absent import absent_names
from neonport.io import checkpoint
from neonport.models import benchmark as timing
from neonport.models import checks, evaluation, mixed_precision, restoring, saving
from neonport.models import output_checks as shortcut
from neonport.models.history import History
from neonport.models.state import TrainingState
from neonport.models.trainer import Trainer

if TYPE_CHECKING:
    from neonport.backends.backend import Backend
    from neonport.tensor.backend_protocol import TensorBackend

Path = str | bytes | os.PathLike


class Model(NervanaObject):
    """A network, trained by `fit` and used by `fprop`, `eval` and `get_outputs`.

    Args:
        layers: list of layers, a container, the path of a checkpoint, or a model description.
        dataset: ignored, as in neon.
        weights_only: of a checkpoint take the weights, not the optimizer's and generator's states.
        name: name of the model.
        optimizer: optimizer to remember before `fit` brings one.
        be: backend of this model alone; default the process-wide one.
        classes: of your own, that a checkpoint may name: without them only neon's are built.

    Example:
        model = Model(
            [
                Affine(nout=5, init=GlorotUniform(), activation=Rectlin()),
                Affine(nout=3, init=GlorotUniform(), activation=Softmax()),
            ]
        )
        model.fit(
            train,
            cost=GeneralizedCost(costfunc=CrossEntropyMulti()),
            optimizer=GradientDescentMomentum(learning_rate=0.1, momentum_coef=0.9),
            num_epochs=2,
            callbacks=Callbacks(model, progress_bar=False),
        )
        print(model.eval(train, metric=Accuracy()))
        model.save_params("model.safetensors")

    Attributes:
        state: how far the training is.
    """

    be: Backend
    neon_module = "neon.models.model"

    def __init__(
        self,
        layers: Any,
        dataset: Any = None,
        weights_only: bool = False,
        name: str = "model",
        optimizer: Any = None,
        be: Backend | None = None,
        classes: Iterable[type] = (),
    ) -> None:
        super().__init__(name)
        if dataset is not None:
            warnings.warn(
                "Model(dataset=...) is ignored: fit and initialize take the dataset",
                DeprecationWarning,
                stacklevel=2,
            )
        if be is not None:
            checks.check_backend(self.classnm, be)
            self.be = be
        self.optimizer = optimizer
        self.cost: Any = None
        self.finished = False
        self.initialized = False
        self.nbatches = 0
        self.ndata = 0
        self.state = TrainingState()
        self.layers: Any = None
        self._adopt_layers(layers, not weights_only, classes)

    def _adopt_layers(self, layers: Any, load_states: bool, classes: Iterable[type]) -> None:
        from neonport.layers.container import LayerContainer, Sequential

        if isinstance(layers, dict):
            self.deserialize(layers, load_states=load_states, classes=classes)
        elif isinstance(layers, (str, bytes, os.PathLike)):
            self.load_params(layers, load_states, classes)
        elif isinstance(layers, LayerContainer):
            self.layers = layers
        else:
            self.layers = Sequential(layers)
        if "be" in vars(self):
            self.layers.set_backend(self.be)
        if hasattr(self.layers, "layer_dict"):
            self.layer_dict = self.layers.layer_dict
        self.layers.propagate_parallelism("Data")

    @property
    def layers_to_optimize(self) -> list[Any]:
        """All layers with trainable parameters."""
        return self.layers.layers_to_optimize

    @property
    def epoch_index(self) -> int:
        """Epochs trained so far, also those a checkpoint brought."""
        return self.state.epoch

    @epoch_index.setter
    def epoch_index(self, epoch: int) -> None:
        self.state.epoch = epoch

    @property
    def minibatch_index(self) -> int:
        """Minibatches of the current epoch that are done."""
        return self.state.minibatch

    @property
    def total_cost(self) -> np.ndarray:
        """Mean training cost of the last epoch, array (1, 1); inside an epoch the sum so far."""
        return self.state.total_cost

    @total_cost.setter
    def total_cost(self, cost: np.ndarray) -> None:
        self.state.total_cost = cost

    @property
    def completed_epochs(self) -> int:
        """Epochs trained to their end; what a checkpoint stores, also inside `on_epoch_end`."""
        return self.state.completed_epochs

    def set_backend(self, be: TensorBackend) -> None:
        """Give the model its own backend, before `initialize` makes its buffers.

        Raises:
            ConfigurationError: it has buffers or weights on another one.
        """
        if be is not self.be and (self.initialized or evaluation.has_weights(self.layers)):
            raise ConfigurationError(
                f"set_backend: the weights of model {self.name!r} are on {self.be!r}; save them "
                "by save_params(path) and load them there: Model(path, be=other)"
            )
        super().set_backend(be)

    def initialize(self, dataset: Any, cost: Any = None, precision: str | None = None) -> None:
        """Configure the layers and allocate their buffers; a second call only takes a new cost.

        From now on the model stays on its backend, whatever `gen_backend` makes later.

        Args:
            dataset: data iterator, or the logical input shape (int, tuple, list of shapes).
            cost: cost layer to connect to the output.
            precision: of the buffers, see `fit`; None takes that of a loaded checkpoint, or the
                backend's datatype.
        """
        precision = self._precision_of(precision)
        if not self.initialized:
            checks.refuse_array("initialize", dataset)
            if self.be is not None:
                super().set_backend(self.be)
            self.layers.configure(dataset)
        # a cost that another model took in the meantime has that one's buffers
        taken = getattr(cost, "prev_layer", None) not in (None, self.layers)
        if cost is not None and (cost is not self.cost or taken):
            if taken:
                cost.prev_layer = None  # set_backend follows it
            if hasattr(cost, "set_backend"):
                cost.set_backend(self.be)
            shortcut.warn_mismatch(self.layers, cost)
            cost.initialize(self.layers)
            self.cost = cost
        if not self.initialized:
            with self.be.activations(precision or self.be.default_dtype):
                self.layers.allocate()
                self.layers.allocate_deltas()
            self.state.precision = precision
            self.state.loss_scale = None
            if precision == "float16":
                self.state.loss_scale = mixed_precision.LossScale(self.be)
            self.initialized = True

    def _precision_of(self, precision: str | None) -> str | None:
        """The precision of the buffers, checked: the one given, or that of a checkpoint."""
        mixed_precision.check_precision(precision, self.be)
        kept = self.state.precision
        if self.initialized and precision not in (None, kept or "float32"):
            raise ConfigurationError(
                f"precision={precision!r}: the buffers of model {self.name!r} are made already, in "
                f"{kept or self.be.default_dtype}; name the precision where the model is used "
                "first: fit(..., precision=...), or initialize(..., precision=...)"
            )
        fits = self.be is not None and self.be.default_dtype.name == "float32"
        return kept if precision is None and fits else precision

    def fit(
        self,
        dataset: Any,
        cost: Any,
        optimizer: Any,
        num_epochs: int,
        callbacks: Any = None,
        record: bool = False,
        precision: str | None = None,
    ) -> History:
        """Train until `num_epochs` epochs are done in total, those of a checkpoint included.

        Args:
            dataset: data iterator; it is not reset between epochs.
            cost: cost layer.
            optimizer: updates the parameters after each minibatch.
            num_epochs: total number of epochs.
            callbacks: `Callbacks` of this run; default only the progress bar.
            record: record the launches of a step in each epoch and replay them for its other
                minibatches: faster, to the same bits, unless Python code of your own changes what
                a step does from one minibatch to the next (see `be.record`).
            precision: "bfloat16" or "float16" for outputs and errors of 16 bits on float32 weights,
                with a loss scale where float16 needs it; None for that of a loaded checkpoint, or
                float32.

        Returns:
            The cost of each epoch that was trained, and what callbacks evaluated, by name.

        Example:
            history = model.fit(train, cost=cost, optimizer=optimizer, num_epochs=2)
            assert len(history["cost"]) == 2
            model.fit(train, cost=cost, optimizer=optimizer, num_epochs=3)  # one epoch more
        """
        checks.check_fit(self, dataset, cost, optimizer, num_epochs, callbacks)
        self.nbatches, self.ndata = dataset.nbatches, dataset.ndata
        state = self.state
        if state.pending is None and dataset is not state.dataset:
            state.minibatch = 0  # an interrupted epoch continues only on its own data
        self.initialize(dataset, cost, precision)
        self.optimizer, state.dataset = optimizer, dataset
        if hasattr(optimizer, "set_backend"):
            optimizer.set_backend(self.be)
        callbacks = Callbacks(self) if callbacks is None else callbacks
        return Trainer(self, dataset, callbacks, record).fit(num_epochs)

    def fprop(self, x: Any, inference: bool = False) -> Any:
        """Forward pass; returns the output tensor (a list of them for a tree)."""
        return self.layers.fprop(x, inference)

    def bprop(self, delta: Any) -> Any:
        """Backward pass from the error at the output."""
        return self.layers.bprop(delta)

    def eval(self, dataset: Any, metric: Any, strict: bool = False) -> np.ndarray:
        """Mean of a metric over a dataset.

        Args:
            dataset: data iterator; it is reset first.
            metric: instance of a metric.
            strict: of a partial last batch of sequences take exactly the columns of its samples,
                not the first ones as neon does.

        Returns:
            float32 array, one entry for each of `metric.metric_names`.

        Example:
            model.initialize(train)
            (accuracy,) = model.eval(train, metric=Accuracy())
        """
        checks.check_eval(self, dataset, metric)
        return evaluation.evaluate(self, dataset, metric, strict)

    def get_outputs(self, dataset: Any) -> Any:
        """Outputs for a whole dataset: array (ndata, F), or (ndata, T, F) with T > 1 steps.

        A model with several outputs gives a list of such arrays. Any number of samples will do.

        Example:
            model.initialize(train)
            assert model.get_outputs(train).shape == (40, 3)
        """
        checks.need_batch_size("get_outputs", self.be)
        check_dataset("get_outputs", dataset, ("ndata", "reset"))
        checks.check_place("get_outputs", self, dataset)
        return evaluation.outputs(self, dataset)

    def predict(self, X: Any) -> Any:
        """Outputs for samples in an array; as many as you like, also fewer than a batch.

        Args:
            X: array (samples, features), or (samples, *shape of a sample); a list of arrays for a
                model with several inputs.

        Returns:
            Array (samples, F), or a list of them for a model with several outputs. Of a classifier
            `predict(X).argmax(axis=1)` is the class of each sample.

        Raises:
            ConfigurationError: the model is not trained, or there is no backend.
            ShapeError: X has no row a sample, or rows of another length than the model's input.
            DtypeError: X holds no numbers.

        Example:
            model.fit(train, cost=cost, optimizer=optimizer, num_epochs=2)
            assert model.predict(np.zeros((5, 3))).shape == (5, 3)
        """
        checks.need_batch_size("predict", self.be)
        if not (self.initialized or evaluation.has_weights(self.layers)):
            raise ConfigurationError(
                f"predict: model {self.name!r} is not trained; call fit, load_params or initialize "
                "first"
            )
        if self.initialized:
            in_shape = saving.input_shape(self.layers)
        else:
            in_shape = evaluation.loaded_features(self.layers)
        return evaluation.predict(self, X, in_shape)

    def benchmark(
        self,
        dataset: Any,
        inference: bool = False,
        cost: Any = None,
        optimizer: Any = None,
        niterations: int = 20,
        nskip: int = 2,
    ) -> dict[str, dict[str, float]]:
        """Time minibatches and print a table.

        Args:
            dataset: data iterator; starts again when it ends.
            inference: time only the forward pass.
            cost: cost layer, needed unless inference.
            optimizer: optimizer, needed unless inference.
            niterations: minibatches to time.
            nskip: minibatches before that, to warm up.

        Returns:
            function name -> statistic (mean, median, min, max) -> milliseconds.
        """
        checks.check_benchmark(self, dataset, cost, optimizer, niterations, nskip)
        return timing.benchmark(self, dataset, inference, cost, optimizer, niterations, nskip)

    def set_batch_size(self, N: int) -> None:
        """Tell the layers that only the first `N` samples of a batch are in use."""
        self.layers.set_batch_size(checks.check_size("set_batch_size", "N", N, self.be.bsz))

    def set_seq_len(self, S: int) -> None:
        """Tell the layers that only the first `S` time steps are in use."""
        self.layers.set_seq_len(checks.check_size("set_seq_len", "S", S, None))

    def set_shortcut(self) -> None:
        """Switch the output's Logistic to the shortcut that CrossEntropyBinary assumes."""
        if self.cost is None:
            raise ConfigurationError("set_shortcut needs a cost: call initialize or fit first")
        shortcut.apply(self.layers, self.cost)

    def get_description(  # type: ignore[override]
        self, get_weights: bool = False, keep_states: bool = False
    ) -> dict[str, Any]:
        """Describe backend, layers, cost and optimizer as plain data."""
        self._desc = saving.describe(self, get_weights, keep_states)
        return self._desc

    def serialize(self, fn: Path | None = None, keep_states: bool = True) -> dict[str, Any]:
        """Return everything needed to continue training as plain data; write it to `fn` if given.

        Args:
            fn: file to write, or None.
            keep_states: include the optimizer's states.
        """
        description = saving.snapshot(self, keep_states)
        if fn is not None:
            digest, path = checkpoint.save(description, fn), os.path.realpath(os.fsdecode(fn))
            if self.state.saved and path in self.state.saved:
                self.state.saved[path] = digest
        return description

    def save_params(self, param_path: Path, keep_states: bool = True) -> None:
        """Write a checkpoint, atomically.

        Example:
            model.fit(train, cost=cost, optimizer=optimizer, num_epochs=2)
            model.save_params("model.safetensors")
            again = Model("model.safetensors")
            assert (again.get_outputs(train) == model.get_outputs(train)).all()
        """
        checks.check_path("save_params", param_path)
        self.serialize(param_path, keep_states)

    def load_params(
        self, param_path: Path, load_states: bool = True, classes: Iterable[type] = ()
    ) -> None:
        """Read a checkpoint into this model.

        Args:
            param_path: file that `save_params` wrote.
            load_states: see `deserialize`.
            classes: see `deserialize`.

        Raises:
            CheckpointError: the file cannot be read or does not fit the layers; the model is as it
                was.
        """
        file = os.fsdecode(param_path)
        restoring.restore(self, checkpoint.load(file), load_states, classes, file)

    def load_weights(self, weight_path: Path) -> None:
        """Old name of `load_params`."""
        warnings.warn("load_weights is now load_params", DeprecationWarning, stacklevel=2)
        self.load_params(weight_path)

    def deserialize(
        self,
        model_dict: dict[str, Any],
        data: Any = None,
        load_states: bool = True,
        classes: Iterable[type] = (),
    ) -> None:
        """Take over a description with weights, as `serialize` returns it.

        Args:
            model_dict: the description; it is left as it was.
            data: unused, as in neon.
            load_states: also take the optimizer's states, the generator's and the data position.
            classes: of your own, that the description may name where it builds the layers.

        Raises:
            CheckpointError: it is no description of a model, or does not fit the layers; the model
                is as it was.
        """
        restoring.restore(self, model_dict, load_states, classes)

    def __str__(self) -> str:
        return "Network Layers:\n" + self.layers.nested_str()


if not TYPE_CHECKING:
    __getattr__ = absent_names(__name__)

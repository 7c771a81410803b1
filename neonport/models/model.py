"""Model: layers plus everything needed to train, evaluate, save and restore them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from neonport.backends.placement import backend_of
from neonport.base import NervanaObject
from neonport.data.checks import check_dataset
from neonport.errors import ConfigurationError
from neonport.foundation.absent import absent_names
from neonport.io import checkpoint
from neonport.layers.cost import minibatch_cost
from neonport.models import benchmark as timing
from neonport.models import checks, evaluation, mixed_precision, placing
from neonport.models import output_checks as shortcut
from neonport.models.checkpoints import restoring, saving
from neonport.models.front_door import FrontDoor
from neonport.models.state import StepPart, TrainingState
from neonport.models.training import fitting
from neonport.models.training.history import History

if TYPE_CHECKING:
    from neonport.backends.backend import Backend
    from neonport.tensor.backend_protocol import TensorBackend

Path = str | bytes | os.PathLike


class Model(FrontDoor, NervanaObject):
    """A network, trained by `fit`, used by `predict` and `evaluate`, or by neon's `eval` and kin.

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
            self.layers.adopt_backend(self.be)
        if hasattr(self.layers, "layer_dict"):
            self.layer_dict = self.layers.layer_dict
        self.layers.propagate_parallelism("Data")

    @property
    def data_shape(self) -> Any:
        """Logical shape of the samples that it is trained on, a list for several inputs."""
        return self.layers.in_shape

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

    def set_backend(self, be: TensorBackend | str) -> None:
        """Give the model a backend, or its name, before `initialize`; layers that have one keep it.

        Raises:
            ConfigurationError: it has buffers or weights on another one, or `be` is no backend.
        """
        place = backend_of(f"model {self.name!r}: set_backend", be)
        if place is not self.be and (self.initialized or evaluation.has_weights(self.layers)):
            raise ConfigurationError(
                f"set_backend: the weights of model {self.name!r} are on {self.be!r}; save them "
                "by save_params(path) and load them there: Model(path, be=other)"
            )
        super().adopt_backend(place)

    def configure(self, dataset: Any) -> None:
        """Tell the layers the shape of a sample, unless they have their buffers already.

        Args:
            dataset: data iterator, or the logical input shape (int, tuple, list of shapes).
        """
        if not self.initialized:
            checks.refuse_array("initialize", dataset)
            placing.settle(self)
            self.layers.configure(dataset)

    def initialize(self, dataset: Any, cost: Any = None, precision: str | None = None) -> None:
        """Configure the layers and allocate their buffers; a second call only takes a new cost.

        From now on the model stays on its backend, whatever `gen_backend` makes later.

        Args:
            dataset: data iterator, or the logical input shape (int, tuple, list of shapes).
            cost: cost layer to connect to the output.
            precision: of the buffers, see `fit`; None takes that of a loaded checkpoint, or the
                backend's datatype.
        """
        precision = mixed_precision.chosen(self, precision)
        self.configure(dataset)
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
            mixed_precision.make_buffers(self, precision)
            self.initialized = True

    @overload
    def fit(
        self,
        dataset: Any,
        cost: Any,
        optimizer: Any,
        num_epochs: int,
        callbacks: Any = None,
        record: bool = False,
        precision: str | None = None,
        *,
        validation_data: Any = None,
        metrics: Any = (),
        progress_bar: bool = True,
        check: str | None = None,
    ) -> History: ...

    @overload
    def fit(
        self,
        dataset: Any,
        y: Any,
        cost: Any,
        optimizer: Any,
        num_epochs: int,
        callbacks: Any = None,
        record: bool = False,
        precision: str | None = None,
        *,
        validation_data: Any = None,
        metrics: Any = (),
        progress_bar: bool = True,
        check: str | None = None,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Any = None,
    ) -> History: ...

    def fit(self, dataset: Any, *args: Any, **kwargs: Any) -> History:
        """Train until `num_epochs` epochs are done in total, those of a checkpoint included.

        Data come as an iterator, `fit(train, cost, ...)`, or as arrays, `fit(X, y, cost, ...)`.

        Args:
            dataset: data iterator, which is not reset between epochs; or an array of samples, or
                a list of arrays, see `predict`.
            y: of arrays: one label a sample, where the model has several outputs; else targets of
                the shape of the outputs, (samples, F), of sequences (samples, T, F). A list for
                several outputs, None for the inputs themselves.
            cost: cost layer.
            optimizer: updates the parameters after each minibatch.
            num_epochs: total number of epochs.
            callbacks: `Callbacks` of this run; default only the progress bar.
            record: record the launches of a step in each epoch and replay them for its other
                minibatches: faster, to the same bits, unless Python code of your own changes what
                a step does from one minibatch to the next (see `be.record`).
            precision: "bfloat16" or "float16" for outputs and errors of 16 bits on float32 weights;
                None for that of a loaded checkpoint, or the backend's datatype.
            validation_data: held-out data to evaluate after each epoch: (X, y), or an iterator.
            metrics: a metric or a list of them, evaluated on `validation_data`.
            progress_bar: show a bar; with `callbacks` they decide.
            check: a second backend and a share of statements to run there too: "cpu:0.01".
            shuffle: of arrays: another order of the samples in each epoch, the same orders for the
                same `rng_seed` of the backend.
            class_weight: of arrays: how much samples of a class count: a dict or list by label.
            sample_weight: of arrays: how much each sample counts, (samples,).

        Returns:
            The cost of each epoch that was trained, and what callbacks evaluated, by name.

        Raises:
            ConfigurationError, ShapeError, DtypeError: an argument makes no sense, or arrays do not
                fit each other or the model; the message says what to give.

        Example:
            history = model.fit(train, cost=cost, optimizer=optimizer, num_epochs=2)
            assert len(history["cost"]) == 2
            model.fit(train, cost=cost, optimizer=optimizer, num_epochs=3)  # one epoch more
            images, labels = np.random.rand(20, 3), np.arange(20) % 3
            model.fit(images, labels, cost=cost, optimizer=optimizer, num_epochs=4)
        """
        if fitting.are_arrays(dataset, args, kwargs):
            return fitting.fit_arrays(self, dataset, *args, **kwargs)
        return fitting.fit(self, dataset, *args, **kwargs)

    def fprop(self, x: Any, inference: bool = False) -> Any:
        """Forward pass; returns the output tensor (a list of them for a tree)."""
        return self.layers.fprop(x, inference)

    def bprop(self, delta: Any) -> Any:
        """Backward pass from the error at the output."""
        return self.layers.bprop(delta)

    def step_kind(self) -> Hashable:
        """What the next training step is; a model with one kind of step says the same each time."""
        return None

    def step_parts(
        self, x: Any, t: Any, epoch: int, add_cost: Callable[[Any], None]
    ) -> list[StepPart]:
        """A training step: forward pass and cost, then backward pass and update.

        Args:
            x, t: inputs and targets of the minibatch.
            epoch: index of the epoch.
            add_cost: counts a cost as one of this epoch.
        """
        outputs: list[Any] = []

        def forward() -> None:
            outputs[:] = [self.fprop(x)]

        def count() -> None:
            add_cost(minibatch_cost(self.cost, outputs[0], t))

        def update() -> None:
            self.bprop(mixed_precision.scaled(self, self.cost.get_errors(outputs[0], t)))
            mixed_precision.optimize(self, self.layers_to_optimize, epoch)

        return [StepPart(forward, count), StepPart(update)]

    def end_epoch(self, x: Any) -> None:
        """An epoch is trained; `x` is its last minibatch. Subclasses may look at it."""

    def get_state(self) -> dict[str, Any]:
        """What training changes in the model besides its layers: nothing here."""
        return {}

    def check_state(self, state: dict[str, Any]) -> None:
        """Raise a CheckpointError unless `set_state` can take this; nothing is changed."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from what `get_state` returned: nothing to do here."""

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

    def benchmark(
        self,
        dataset: Any,
        inference: bool = False,
        cost: Any = None,
        optimizer: Any = None,
        niterations: int = 20,
        nskip: int = 2,
        time_layers: bool = False,
    ) -> dict[str, dict[str, float]]:
        """Time minibatches and print a table.

        Args:
            dataset: data iterator; starts again when it ends.
            inference: time only the forward pass.
            cost: cost layer, needed unless inference.
            optimizer: optimizer, needed unless inference.
            niterations: minibatches to time.
            nskip: minibatches before that, to warm up.
            time_layers: also time each layer: "fprop <layer>", "bprop <layer>".

        Returns:
            function name -> statistic (mean, median, min, max) -> milliseconds.
        """
        checks.check_benchmark(self, dataset, cost, optimizer, niterations, nskip)
        return timing.benchmark(
            self, dataset, inference, cost, optimizer, niterations, nskip, bool(time_layers)
        )

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
    __getattr__ = absent_names(__name__, {"GAN": "neonport.models.gan"})

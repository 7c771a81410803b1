"""Model: layers plus everything needed to train, evaluate, save and restore them."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.backends.backend import Block
from neonport.base import NervanaObject
from neonport.callbacks.container import Callbacks
from neonport.errors import ConfigurationError
from neonport.io import checkpoint
from neonport.models import benchmark as timing
from neonport.models import evaluation, restoring, saving
from neonport.models import output_checks as shortcut
from neonport.models.recorded_step import RecordedStep

if TYPE_CHECKING:
    from neonport.backends.backend import Backend

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
        epoch_index: epochs trained so far, also those a checkpoint brought.
        total_cost: mean training cost of the last epoch, array (1, 1).
    """

    neon_module = "neon.models.model"

    def __init__(
        self,
        layers: Any,
        dataset: Any = None,
        weights_only: bool = False,
        name: str = "model",
        optimizer: Any = None,
        be: Backend | None = None,
    ) -> None:
        super().__init__(name)
        if dataset is not None:
            warnings.warn(
                "Model(dataset=...) is ignored: fit and initialize take the dataset",
                DeprecationWarning,
                stacklevel=2,
            )
        if be is not None:
            self.be = be
        self.optimizer = optimizer
        self.cost: Any = None
        self.epoch_index = 0
        self.minibatch_index = 0  # minibatches of the current epoch that are done
        self.finished = False
        self.initialized = False
        self.nbatches = 0
        self.ndata = 0
        self.total_cost: np.ndarray = np.zeros((1, 1))
        self._epoch_done = False  # between the last minibatch and the step of epoch_index
        self._dataset: Any = None
        self._data_state: Any = None
        self._pending: restoring.Pending | None = None
        self._recorded: RecordedStep | None = None
        self.layers: Any = None
        self._adopt_layers(layers, load_states=not weights_only)

    def _adopt_layers(self, layers: Any, load_states: bool) -> None:
        from neonport.layers.container import LayerContainer, Sequential

        if isinstance(layers, dict):
            self.deserialize(layers, load_states=load_states)
        elif isinstance(layers, (str, bytes, os.PathLike)):
            self.load_params(layers, load_states=load_states)
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
    def completed_epochs(self) -> int:
        """Epochs trained to their end; what a checkpoint stores, also inside `on_epoch_end`."""
        return self.epoch_index + self._epoch_done

    def initialize(self, dataset: Any, cost: Any = None) -> None:
        """Configure the layers and allocate their buffers; a second call only takes a new cost.

        Args:
            dataset: data iterator, or the logical input shape (int, tuple, list of shapes).
            cost: cost layer to connect to the output.
        """
        if not self.initialized:
            self.layers.configure(dataset)
        if cost is not None and cost is not self.cost:
            if "be" in vars(self):
                cost.set_backend(self.be)
            shortcut.warn_mismatch(self.layers, cost)
            cost.initialize(self.layers)
            self.cost = cost
        if not self.initialized:
            self.layers.allocate()
            self.layers.allocate_deltas()
            self.initialized = True

    def fit(
        self,
        dataset: Any,
        cost: Any,
        optimizer: Any,
        num_epochs: int,
        callbacks: Any = None,
        record: bool = False,
    ) -> None:
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

        Example:
            model.fit(train, cost=cost, optimizer=optimizer, num_epochs=2)
            model.fit(train, cost=cost, optimizer=optimizer, num_epochs=3)  # one epoch more
        """
        self.nbatches, self.ndata = dataset.nbatches, dataset.ndata
        if self._pending is None and dataset is not self._dataset:
            self.minibatch_index = 0  # an interrupted epoch continues only on its own data
        self.optimizer, self._dataset = optimizer, dataset
        if "be" in vars(self):
            optimizer.set_backend(self.be)
        self.initialize(dataset, cost)
        callbacks = Callbacks(self) if callbacks is None else callbacks
        self._recorded = RecordedStep(self) if record else None
        try:
            callbacks.on_train_begin(num_epochs)
            if self._pending is not None:
                self._pending.apply(self, dataset, optimizer)
                self._pending = None
            while self.epoch_index < num_epochs and not self.finished:
                self.nbatches = dataset.nbatches
                callbacks.on_epoch_begin(self.epoch_index)
                self._epoch_fit(dataset, callbacks)
                self._epoch_done = True
                try:
                    callbacks.on_epoch_end(self.epoch_index)
                finally:  # the epoch is trained, whatever a callback says
                    self.epoch_index += 1
                    self._epoch_done = False
            callbacks.on_train_end()
        except BaseException:
            callbacks.on_train_abort()
            raise
        finally:
            self._recorded = None

    def _epoch_fit(self, dataset: Any, callbacks: Any) -> None:
        """Train one epoch, or what a checkpoint left of it."""
        step = self._recorded or self._train_step
        epoch, skip = self.epoch_index, self.minibatch_index
        if skip and self._data_state is not None:
            dataset.set_state(self._data_state)
        else:
            self._data_state = saving.data_state(dataset)
        if not skip:
            self.total_cost = np.zeros((1, 1))
        for minibatch, (x, t) in enumerate(dataset):
            if minibatch < skip:
                continue
            callbacks.on_minibatch_begin(epoch, minibatch)
            self.be.begin(Block.minibatch, minibatch)
            step(x, t, epoch)
            self.be.end(Block.minibatch, minibatch)
            self.minibatch_index = minibatch + 1
            callbacks.on_minibatch_end(epoch, minibatch)
        if self.minibatch_index:
            self.total_cost = self.total_cost / self.minibatch_index
        self.minibatch_index = 0

    def _train_step(self, x: Any, t: Any, epoch: int) -> None:
        y = self.fprop(x)
        self._add_cost(y, t)
        self._update(y, t, epoch)

    def _add_cost(self, y: Any, t: Any) -> None:
        self.total_cost = self.total_cost + np.asarray(self.cost.get_cost(y, t))

    def _update(self, y: Any, t: Any, epoch: int) -> None:
        self.bprop(self.cost.get_errors(y, t))
        self.optimizer.optimize(self.layers_to_optimize, epoch=epoch)

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
        return evaluation.evaluate(self, dataset, metric, strict)

    def get_outputs(self, dataset: Any) -> np.ndarray:
        """Outputs for a whole dataset: array (ndata, F), or (ndata, T, F) with T > 1 steps.

        Example:
            model.initialize(train)
            assert model.get_outputs(train).shape == (40, 3)
        """
        return evaluation.outputs(self, dataset)

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
        return timing.benchmark(self, dataset, inference, cost, optimizer, niterations, nskip)

    def set_batch_size(self, N: int) -> None:
        """Tell the layers that only the first `N` samples of a batch are in use."""
        self.layers.set_batch_size(N)

    def set_seq_len(self, S: int) -> None:
        """Tell the layers that only the first `S` time steps are in use."""
        self.layers.set_seq_len(S)

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
            checkpoint.save(description, fn)
        return description

    def save_params(self, param_path: Path, keep_states: bool = True) -> None:
        """Write a checkpoint, atomically.

        Example:
            model.fit(train, cost=cost, optimizer=optimizer, num_epochs=2)
            model.save_params("model.safetensors")
            again = Model("model.safetensors")
            assert (again.get_outputs(train) == model.get_outputs(train)).all()
        """
        self.serialize(param_path, keep_states)

    def load_params(self, param_path: Path, load_states: bool = True) -> None:
        """Read a checkpoint into this model.

        Raises:
            CheckpointError: the file cannot be read or does not fit the layers.
        """
        self.deserialize(checkpoint.load(param_path), load_states=load_states)

    def load_weights(self, weight_path: Path) -> None:
        """Old name of `load_params`."""
        warnings.warn("load_weights is now load_params", DeprecationWarning, stacklevel=2)
        self.load_params(weight_path)

    def deserialize(
        self, model_dict: dict[str, Any], data: Any = None, load_states: bool = True
    ) -> None:
        """Take over a description with weights, as `serialize` returns it.

        Args:
            model_dict: the description; it is left as it was.
            data: unused, as in neon.
            load_states: also take the optimizer's states, the generator's and the data position.
        """
        restoring.restore(self, model_dict, load_states)

    def __str__(self) -> str:
        return "Network Layers:\n" + self.layers.nested_str()

"""What `Model` offers to people with arrays, each method a few lines on neon's core."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.data.checks import check_dataset
from neonport.errors import ConfigurationError
from neonport.foundation.turns import in_turn
from neonport.io import checkpoint
from neonport.models import checks, evaluation
from neonport.models.array_data import data_iterator, input_rows, inputs_iterator
from neonport.models.beam_search import outputs_beam
from neonport.models.checkpoints import copying
from neonport.models.summary.table import ModelSummary, summarize
from neonport.models.weights.arrays import get_weights, set_weights
from neonport.models.weights.names import choose_layers
from neonport.models.weights.torch_state import load_torch_state

if TYPE_CHECKING:
    from neonport.models.state import Network


class FrontDoor:
    """Methods of `Model` that take and give arrays: samples first, as many as you like."""

    layers: Any
    initialized: bool

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A model of its own, as far trained as this one, on the same backend."""
        return copying.copied(self, memo)

    def __copy__(self) -> Any:
        """The same as a deep copy, for two models cannot share layers."""
        return copying.copied(self, {})

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle what a checkpoint holds; unpickled it is on the process-wide backend there.

        Where there is none yet, one like the model's is made.
        """
        if not self.initialized:
            return super().__reduce_ex__(protocol)
        return copying.rebuilt, (
            type(self),
            copying.arguments(self),
            copying.backend_arguments(self),
        )

    def predict(self: Network, X: Any) -> Any:
        """Outputs for samples in an array; as many as you like, also fewer than a batch.

        Each sample stands for itself: recurrent layers start at zero, and go on afterwards where
        they were before. Several threads may call it, also while the model is trained: they take
        turns.

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

    @in_turn
    def get_outputs_beam(
        self: Network, dataset: Any, num_beams: int = 0, steps: int | None = None
    ) -> Any:
        """Ids of the likeliest words for a whole dataset, by beam search; see `BeamSearch`.

        Args:
            dataset: data iterator; it is reset first.
            num_beams: candidates to keep at each step; 0 returns `get_outputs(dataset)`.
            steps: words to write, default as many as the decoder was made for.

        Returns:
            int32 array (ndata, steps, 1).

        Raises:
            ConfigurationError: the model is no Seq2Seq.

        Example:
            gates = {"activation": Tanh(), "gate_activation": Logistic(), "reset_cells": True}
            init, shapes = Gaussian(), [(3, 2), (3, 2)]  # 3 letters, 2 steps: read and written
            decoder = [GRU(5, init, **gates), Affine(3, init, activation=Softmax())]
            model = Model(Seq2Seq([GRU(5, init, **gates), decoder]))
            texts = np.random.rand(8, 3 * 2)
            data = ArrayIterator([texts, texts], texts, lshape=shapes, make_onehot=False)
            assert model.get_outputs_beam(data, num_beams=2).shape == (8, 2, 1)
        """
        checks.need_batch_size("get_outputs_beam", self.be)
        check_dataset("get_outputs_beam", dataset, ("ndata", "reset"))
        checks.check_place("get_outputs_beam", self, dataset)
        if not num_beams:
            return evaluation.outputs(self, dataset)
        return outputs_beam(self, dataset, num_beams, steps)

    def summary(self: Network, shape: Any = None) -> ModelSummary:
        """Layers, shapes, parameters, memory, operations and launches of a training step.

        Nothing is computed: a copy of the layers is planned as the compiler would. What a step
        costs is what `be.explain` tells of its statements, so a multiply-add is two operations.
        Launches are kernels and calls, those of the forward pass + those of the backward pass; a
        vendor's library may make more of a call.

        Args:
            shape: of a sample (int, tuple, list of shapes), or a data iterator; not needed once the
                model has been trained or initialized.

        Returns:
            `print` shows it, notebooks draw it, `data` holds the numbers.

        Raises:
            ConfigurationError: no backend, or the layers do not fit this shape.

        Example:
            print(model.summary(3))
            assert model.summary(train).data[0]["forward_operations"] == 2 * 3 * 3 * be.bsz
        """
        checks.need_batch_size("summary", self.be)
        checks.refuse_array("summary", shape)
        if self.initialized:
            shape = self.layers.in_shape
        elif shape is None:
            shape = evaluation.loaded_features(self.layers)
        return summarize(self, getattr(shape, "shape", shape))

    # ---- weights by name -----------------------------------------------------------------------

    @in_turn
    def get_weights(self: Network) -> dict[str, np.ndarray]:
        """Parameters of all layers, and the statistics of normalisations, as arrays by name.

        Names are `<layer>.<parameter>`, with the layers as `summary` shows them: "fc1.W", or for
        the first Linear without a name "Linear_0.W". They are the same in every process. The
        optimizer's states are not among them: `save_params` keeps those.

        Returns:
            name -> host array, a copy.

        Raises:
            ConfigurationError: there are no weights yet.

        Example:
            model.initialize(train)
            weights = model.get_weights()
            assert weights["Linear_0.W"].shape == (3, 3)
            model.set_weights(weights)
        """
        if not (self.initialized or evaluation.has_weights(self.layers)):
            raise ConfigurationError(
                f"get_weights: model {self.name!r} has no weights yet; call fit, load_params or "
                "initialize first"
            )
        return get_weights(self.layers)

    @in_turn
    def set_weights(self: Network, weights: Mapping[str, Any] | str | os.PathLike[str]) -> None:
        """Give all layers their weights, or none if something does not fit.

        Args:
            weights: name -> array, as `get_weights` returns it; or the path of a safetensors file
                with these names, as `save_weights` writes it.

        Raises:
            CheckpointError: names are missing or unknown, shapes differ, or the file cannot be
                read; the model is as it was.
            DtypeError: something is no array of numbers.
            ConfigurationError: it is neither dict nor path, or there is no backend.

        Example:
            model.initialize(train)
            model.set_weights({"Linear_0.W": np.eye(3)})
            assert (model.fprop(x).get().argmax(axis=0) == x.get().argmax(axis=0)).all()
        """
        checks.need_batch_size("set_weights", self.be)
        if isinstance(weights, (str, bytes, os.PathLike)):
            checks.check_path("set_weights", weights)
            weights = checkpoint.load_arrays(weights)
        set_weights("set_weights", self.layers, weights)

    def save_weights(self: Network, path: str | os.PathLike[str]) -> None:
        """Write the weights by name as a plain safetensors file, atomically.

        Other programs read it; `set_weights(path)` does here. To go on training, or to have the
        layers in the file too, use `save_params`.

        Example:
            model.initialize(train)
            model.save_weights("weights.safetensors")
            model.set_weights("weights.safetensors")
        """
        checks.check_path("save_weights", path)
        checkpoint.save_arrays(self.get_weights(), path)

    def export_onnx(self: Network, path: str | os.PathLike[str]) -> None:
        """Write the layers with their weights as an ONNX graph, for inference elsewhere.

        Inputs and outputs are those of `predict`, float32 and for any number of samples: (samples,
        features), (samples, steps, features), images (samples, C, H, W), also as outputs; ids of a
        lookup table are int64. Every run of the graph starts recurrent layers at zero.

        Args:
            path: of the file, such as "model.onnx". It is written whole or not at all.

        Raises:
            ConfigurationError: a layer has no counterpart in ONNX, which is named; the model has no
                shapes yet; or onnx is not installed (`pip install 'neonport[onnx]'`).
            OSError: the file cannot be written.

        Example:
            model.initialize(train)
            model.export_onnx("model.onnx")  # doctest: +SKIP
        """
        from neonport.models.onnx.export import export_onnx  # the rows of all layers, rarely needed

        checks.check_path("export_onnx", path)
        export_onnx(self, path)

    def from_torch_state_dict(
        self: Network, state: Mapping[str, Any], names: Mapping[str, str] | None = None
    ) -> None:
        """Take the weights of a PyTorch module that was built as this model is.

        Modules and layers are paired in their order: `nn.Linear` with `Linear` (and `Bias`), the
        batch norms with `BatchNorm`, and so on by the table in `neonport.layers.torch_layout`.
        Layouts are converted. Numbers that are no parameters stay the model's, such as the `eps`
        of a batch norm, 1e-5 in PyTorch and 1e-3 here.

        Args:
            state: `module.state_dict()`, of tensors or arrays.
            names: layer -> module ("fc1" -> "encoder.0"), where the orders differ; for each layer
                but those that take the rest of the module before, as a Bias does.

        Raises:
            CheckpointError: modules and layers do not correspond, or shapes differ; the model is as
                it was.
            ConfigurationError: a layer that nothing of PyTorch corresponds to, or a wrong name.
            DtypeError: an entry is no tensor of numbers.

        Example:
            model.initialize(train)
            model.from_torch_state_dict({"0.weight": np.eye(3)})
            assert (model.get_weights()["Linear_0.W"] == np.eye(3)).all()
        """
        checks.need_batch_size("from_torch_state_dict", self.be)
        load_torch_state(self.layers, state, names)


def _known_shape(call: str, model: Network) -> Any:
    """Logical shape of a sample, None if the loaded weights do not tell it.

    Raises:
        ConfigurationError: there is no backend, or the model has no weights.
    """
    checks.need_batch_size(call, model.be)
    if model.initialized:
        return model.layers.in_shape
    if not evaluation.has_weights(model.layers):
        raise ConfigurationError(
            f"{call}: model {model.name!r} is not trained; call fit, load_params or initialize "
            "first"
        )
    return evaluation.loaded_features(model.layers)

"""A saved experiment: the model with its callbacks and data."""

from __future__ import annotations

from typing import Any

from neonport.callbacks import Callbacks
from neonport.models import Model
from neonport.util.modeldesc import ModelDescription


def deserialize(
    fn: Any, datasets: Any = None, inference: bool = False
) -> tuple[Model, Any, Callbacks | None]:
    """Model, data and callbacks of a description of `persist.serialize`.

    Args:
        fn: path of a checkpoint, or the description.
        datasets: the data, which are returned; a description holds only where files are, and is not
            followed.
        inference: the weights only, without the optimizer's states.

    Returns:
        The callbacks are None if the description has none.

    Raises:
        CheckpointError: it cannot be read, or it describes no model.

    Example:
        from neonport.util.load_experiment import deserialize

        model.initialize(train)
        again, data, callbacks = deserialize(model.serialize(), datasets=train)
        assert data is train and callbacks is None
    """
    description = ModelDescription(fn)
    model = Model(dict(description), weights_only=inference)
    found = description.get("callbacks")
    callbacks = None if found is None else Callbacks.load_callbacks(found, model, data=[datasets])
    return model, datasets, callbacks

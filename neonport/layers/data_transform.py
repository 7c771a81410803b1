"""DataTransform: a transform of the data, in place, as the first layer."""

from __future__ import annotations

from typing import Any

from neonport.errors import ConfigurationError
from neonport.layers.base import Layer
from neonport.layers.checks import check_inputs, check_transform, label


class DataTransform(Layer):
    """inputs = transform(inputs), in the buffer of the data iterator; nothing flows back.

    Args:
        transform: a Transform such as Normalizer().
        name: given name, or None.

    Example:
        model = Model([DataTransform(Normalizer(divisor=255)), Affine(nout=2, init=Gaussian())])
        model.initialize(train)
    """

    neon_module = "neon.layers.layer"

    def __init__(self, transform: Any, name: str | None = None) -> None:
        super().__init__(name)
        self.transform = check_transform(self, transform, needs_bprop=False, argument="transform")
        self.owns_output = False

    def __str__(self) -> str:
        return f"{self.classnm} Layer '{self.name}': {type(self.transform).__name__}"

    def configure(self, in_obj: Any) -> DataTransform:
        """The shape stays.

        Raises:
            ConfigurationError: a layer stands below.
        """
        super().configure(in_obj)
        if self.prev_layer is not None:
            raise ConfigurationError(
                f"{label(self)}: no gradient passes a DataTransform, so it can only be the first "
                f"layer, not one above {label(self.prev_layer)}; use Activation there"
            )
        self.out_shape = self.in_shape
        return self

    def fprop(self, inputs: Any, inference: bool = False) -> Any:
        """Transform `inputs` in place and return them."""
        check_inputs(self, inputs)
        self.inputs = self.outputs = inputs
        self.be.fprop_transform(None, self.transform, inputs, inputs)
        return inputs

    def bprop(self, *args: Any) -> None:
        """Nothing flows back."""
        return None

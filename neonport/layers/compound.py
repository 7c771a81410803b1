"""Compound layers: plain lists of layers, which containers flatten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from neonport.layers.activation import Activation
from neonport.layers.base import Layer
from neonport.layers.batchnorm import BatchNorm
from neonport.layers.bias import Bias
from neonport.layers.binary import BinaryLinear, ShiftBatchNorm
from neonport.layers.checks import BiasConflictError, check_init, check_transform, label
from neonport.layers.linear import Linear
from neonport.layers.windows.convolution import Convolution, Convolution_bias
from neonport.layers.windows.deconvolution import Deconvolution

if TYPE_CHECKING:
    from neonport.tensor.backend_protocol import TensorBackend


class CompoundLayer(list[Layer]):
    """A main layer followed by what is wanted of bias, batch normalisation and activation.

    Args:
        bias: initializer of a bias; None for no bias.
        batch_norm: add a BatchNorm; it has a shift of its own, so not together with `bias`.
        activation: a Transform, or its name: "relu", "tanh"; None for none.
        name: name of the main layer; the others get it as a prefix.
    """

    normalization: ClassVar[type[BatchNorm]] = BatchNorm
    normalization_suffix: ClassVar[str] = "bnorm"

    def __init__(
        self,
        bias: Any = None,
        batch_norm: bool = False,
        activation: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        if batch_norm and bias is not None:
            raise BiasConflictError(
                f"{label(self)}: bias and batch_norm are both given, but the "
                "shift of the normalisation makes a bias superfluous; leave out bias, or "
                "batch_norm=True"
            )
        bias = check_init(self, bias, "bias")
        if activation is not None:
            activation = check_transform(self, activation, needs_bprop=True, keeps_inputs=True)
        self.bias = bias
        self.batch_norm = batch_norm
        self.activation = activation
        self.base_name = name

    def set_backend(self, be: TensorBackend | str) -> None:
        """Put all of its layers on a backend; see `Layer.set_backend`."""
        for layer in self:
            layer.set_backend(be)

    def init_base_name(self) -> None:
        """Take the name of the main layer, the last one so far, if none was given."""
        if self.base_name is None:
            self.base_name = self[-1].name

    def add_postfilter_layers(self, bias: bool = True) -> None:
        """Append the layers that follow the main one, a Bias among them if `bias` is set."""
        self.init_base_name()
        if bias and self.bias is not None:
            self.append(Bias(init=self.bias, name=f"{self.base_name}_bias"))
        if self.batch_norm:
            self.append(self.normalization(name=f"{self.base_name}_{self.normalization_suffix}"))
        if self.activation is not None:
            name = f"{self.base_name}_{type(self.activation).__name__}"
            self.append(Activation(transform=self.activation, name=name))


class Affine(CompoundLayer):
    """Linear, then bias or BatchNorm, then activation.

    Args:
        nout: number of outputs.
        init: initializer of the weights (nout, nin), or its name: "he_normal", "glorot_uniform".
        bias: initializer of a bias; None for no bias.
        batch_norm: add a BatchNorm instead.
        activation: a Transform, or its name: "relu", "tanh"; None for none.
        name: name of the Linear, prefix of the others.
        parallelism: label kept for neon.

    Example:
        model = Model([Affine(nout=2, init=Gaussian(), bias=Constant(0), activation=Tanh())])
        model.initialize(train)
        assert model.fprop(x).shape == (2, 4)
    """

    def __init__(
        self,
        nout: int,
        init: Any,
        bias: Any = None,
        batch_norm: bool = False,
        activation: Any = None,
        name: str | None = None,
        parallelism: str = "Disabled",
    ) -> None:
        super().__init__(bias, batch_norm, activation, name)
        self.append(Linear(nout, init, bsum=batch_norm, name=name, parallelism=parallelism))
        self.add_postfilter_layers()


class BinaryAffine(CompoundLayer):
    """BinaryLinear, then bias or ShiftBatchNorm, then activation (Courbariaux et al., 2016).

    Args:
        nout: number of outputs.
        init: initializer of the weights (nout, nin), or its name.
        bias: initializer of a bias; None for no bias.
        batch_norm: add a ShiftBatchNorm instead.
        activation: a Transform, usually Sign(); None for none.
        name: name of the BinaryLinear, prefix of the others.

    Example:
        model = Model([BinaryAffine(nout=2, init=Uniform(-1, 1), batch_norm=True)])
        model.initialize(train)
        assert model.fprop(x).shape == (2, 4)
    """

    normalization = ShiftBatchNorm
    normalization_suffix = "sbnorm"

    def __init__(
        self,
        nout: int,
        init: Any,
        bias: Any = None,
        batch_norm: bool = False,
        activation: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(bias, batch_norm, activation, name)
        self.append(BinaryLinear(nout, init, bsum=batch_norm, name=name))
        self.add_postfilter_layers()


class Conv(CompoundLayer):
    """Convolution with a bias or BatchNorm, then activation.

    A bias belongs to the convolution (`Convolution_bias`); there is no layer of its own for it.

    Args:
        fshape: height and width of a filter and the number of maps (R, S, K), or (T, R, S, K).
        init: initializer of the weights (C*T*R*S, K), or its name: "he_normal", "glorot_uniform".
        strides, padding, dilation: as of `Convolution`.
        bias: initializer of a bias for each map; None for no bias.
        batch_norm: add a BatchNorm instead.
        activation: a Transform, or its name: "relu", "tanh"; None for none.
        name: name of the convolution, prefix of the others.

    Example:
        layers = Conv((3, 3, 8), init="he_normal", padding=1, batch_norm=True, activation=Rectlin())
        assert [type(layer).__name__ for layer in layers] == [
            "Convolution", "BatchNorm", "Activation"
        ]
    """

    def __init__(
        self,
        fshape: Any,
        init: Any,
        strides: Any = None,
        padding: Any = None,
        dilation: Any = None,
        bias: Any = None,
        batch_norm: bool = False,
        activation: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(bias, batch_norm, activation, name)
        slides = {"strides": strides, "padding": padding, "dilation": dilation}
        if self.bias is not None:
            self.append(Convolution_bias(fshape, init=init, bias=self.bias, name=name, **slides))
        else:
            self.append(Convolution(fshape, init=init, bsum=batch_norm, name=name, **slides))
        self.add_postfilter_layers(bias=False)


class Deconv(CompoundLayer):
    """Deconvolution, then bias or BatchNorm, then activation.

    Args:
        fshape: height and width of a filter and the number of maps that come out (R, S, C), or
            (T, R, S, C).
        init: initializer of the weights (C*T*R*S, K), or its name: "he_normal", "glorot_uniform".
        strides, padding, dilation: as of `Deconvolution`.
        bias: initializer of a bias for each map; None for no bias.
        batch_norm: add a BatchNorm instead.
        activation: a Transform, or its name: "relu", "tanh"; None for none.
        name: name of the deconvolution, prefix of the others.

    Example:
        layers = Deconv((4, 4, 1), init="he_normal", strides=2, padding=1, bias=Constant(0))
        assert [type(layer).__name__ for layer in layers] == ["Deconvolution", "Bias"]
    """

    def __init__(
        self,
        fshape: Any,
        init: Any,
        strides: Any = None,
        padding: Any = None,
        dilation: Any = None,
        bias: Any = None,
        batch_norm: bool = False,
        activation: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(bias, batch_norm, activation, name)
        self.append(
            Deconvolution(fshape, strides, padding, dilation, init=init, bsum=batch_norm, name=name)
        )
        self.add_postfilter_layers()

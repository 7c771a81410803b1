"""GenerativeAdversarial: a generator and a discriminator, one behind the other."""

from __future__ import annotations

from typing import Any, ClassVar

from neonport.errors import ConfigurationError
from neonport.foundation.descriptions import Builder
from neonport.layers.checks import label
from neonport.layers.sequential import Sequential
from neonport.tensor.tensor import Tensor


class GenerativeAdversarial(Sequential):
    """A chain of two networks, of which a GAN also runs each alone.

    Args:
        generator: Sequential (or list of layers) from noise to samples.
        discriminator: Sequential (or list of layers) from samples to what GANCost takes.
        name: given name, or None.

    Attributes:
        generator, discriminator: the two; `layers` are the layers of both.

    Raises:
        ConfigurationError: one of them is no chain of layers.

    Example:
        generator = [Affine(nout=3, init=Gaussian(), activation=Tanh())]
        discriminator = [Affine(nout=1, init=Gaussian(), activation=Logistic())]
        pair = GenerativeAdversarial(generator, discriminator)
        model = GAN(pair, noise_dim=2)
        model.initialize(train, GeneralizedGANCost(costfunc=GANCost()))
        assert model.generate(10).shape == (10, 3)
    """

    neon_module = "neon.layers.container"
    mixes: ClassVar[bool] = False
    described_parts: ClassVar[tuple[str, ...]] = ("layers",)

    def __init__(self, generator: Any, discriminator: Any, name: str | None = None) -> None:
        halves = [
            half if isinstance(half, Sequential) else Sequential(half)
            for half in (generator, discriminator)
        ]
        super().__init__([*halves[0].layers, *halves[1].layers], name)
        self.generator, self.discriminator = halves

    def configure(self, in_obj: Any) -> GenerativeAdversarial:
        """Configure both as one chain.

        Args:
            in_obj: logical shape of the noise.
        """
        super().configure(in_obj)
        self.generator.configure(in_obj)
        last = self.generator.layers[-1]
        self.discriminator.configure(last)
        last.set_next(self.discriminator.layers[0])
        return self

    def allocate(
        self, shared_outputs: Tensor | None = None, accumulate_updates: bool = True
    ) -> None:
        """Make the buffers of both, generator first.

        Args:
            shared_outputs: memory for the outputs of the discriminator.
            accumulate_updates: whether the discriminator can add up the gradients of two passes.
        """
        self.generator.allocate()
        self.discriminator.allocate(shared_outputs, accumulate_updates)
        self.accumulate_updates = accumulate_updates

    def get_description(  # type: ignore[override]
        self, get_weights: bool = False, keep_states: bool = False, **kwargs: Any
    ) -> dict[str, Any]:
        """Describe both; weights stand in `layers`, the layers of both in one list, as in neon."""
        desc = super().get_description(get_weights, keep_states, **kwargs)
        for half in ("generator", "discriminator"):
            desc["config"][half] = getattr(self, half).get_description()
        return desc

    @classmethod
    def gen_class(cls, pdict: dict[str, Any]) -> Any:
        """Build both from a description's `config`, which may also be one that neon wrote."""
        config = Builder().arguments(cls, {k: v for k, v in pdict.items() if k != "layers"})
        layers = pdict.get("layers")
        container = cls(**config)
        if layers is not None and len(layers) != len(container.layers):
            raise ConfigurationError(
                f"{label(container)}: the description lists {len(layers)} layers, generator and "
                f"discriminator have {len(container.layers)}"
            )
        return container

"""GAN: a generator and a discriminator trained against each other."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from neonport.backends.home import home
from neonport.base import finite_number, shown
from neonport.errors import CheckpointError, ConfigurationError
from neonport.foundation.turns import in_turn
from neonport.layers.checks import check_positive_int, label
from neonport.layers.gaussian_noise import standard_normal
from neonport.layers.shapes import is_int, normalize_shape
from neonport.log import logger
from neonport.models import evaluation
from neonport.models.mixed_precision import optimize, scaled
from neonport.models.model import Model
from neonport.models.state import StepPart
from neonport.optimizers.base import get_param_list

if TYPE_CHECKING:
    from neonport.backends.backend import Backend
    from neonport.tensor.tensor import Tensor

NOISE = ("normal", "uniform")
COUNTERS = ("current_batch", "gen_iter", "last_gen_batch")
WARM_UP, SPECIAL, LONG = 25, 500, 100  # of the schedule of Wasserstein GANs, see `get_k`


class GAN(Model):
    """A generative adversarial network (Goodfellow et al., 2014), trained by `fit`.

    Each minibatch trains the discriminator to tell data from what the generator makes of noise;
    every k-th one also trains the generator to be taken for data, from the second minibatch on.
    Labels of the data are not used. The cost of an epoch is the mean of the discriminator's cost
    after the generator's steps; nan if there was none.

    Args:
        layers: a GenerativeAdversarial, or the path of a checkpoint or a description of one.
        noise_dim: logical shape of the noise.
        noise_type: "normal" (mean 0, variance 1) or "uniform" (from -1 to 1).
        weights_only, name, optimizer: as of Model; one optimizer updates both networks.
        k: steps of the discriminator for each one of the generator.
        wgan_param_clamp: all parameters of the discriminator are clipped to +- this number before
            each step (Arjovsky et al., 2017); None leaves them alone.
        wgan_train_sched: train the discriminator longer at first and now and then, see `get_k`.
        be, classes: as of Model.

    Attributes:
        generator, discriminator: the two chains.
        current_batch, gen_iter, last_gen_batch: minibatches trained, steps of the generator, and
            the minibatch of the last one.
        z0: noise that stays the same for the whole training, to look at.
        data_batch, noise_batch: after an epoch its last data, and what the generator makes of z0.

    Raises:
        ConfigurationError: no GenerativeAdversarial, or an argument out of range.

    Example:
        pair = GenerativeAdversarial(
            [Affine(nout=3, init=Gaussian(), activation=Tanh())],
            [Affine(nout=1, init=Gaussian(), activation=Logistic())],
        )
        model = GAN(pair, noise_dim=2)
        cost = GeneralizedGANCost(costfunc=GANCost(func="modified"))
        model.fit(train, cost=cost, optimizer=Adam(learning_rate=0.01), num_epochs=2)
        assert model.generate(7).shape == (7, 3)
    """

    def __init__(
        self,
        layers: Any,
        noise_dim: Any,
        noise_type: str = "normal",
        weights_only: bool = False,
        name: str = "model",
        optimizer: Any = None,
        k: int = 1,
        wgan_param_clamp: float | None = None,
        wgan_train_sched: bool = False,
        be: Backend | None = None,
        classes: Iterable[type] = (),
    ) -> None:
        self.name = name
        self.noise_dim = normalize_shape(noise_dim, f"{label(self)}: noise_dim")
        if noise_type not in NOISE:
            raise ConfigurationError(
                f"{label(self)}: noise_type={noise_type!r} must be 'normal' or 'uniform'"
            )
        self.noise_type = noise_type
        self.k = check_positive_int(self, "k", k)
        self.wgan_param_clamp = wgan_param_clamp
        if wgan_param_clamp is not None:
            bound = finite_number(label(self), "wgan_param_clamp", wgan_param_clamp)
            if bound <= 0:
                raise ConfigurationError(f"{label(self)}: wgan_param_clamp={bound} must be above 0")
            self.wgan_param_clamp = bound
        self.wgan_train_sched = bool(wgan_train_sched)
        self.current_batch = self.gen_iter = self.last_gen_batch = 0
        self.z0: Any = None
        self._stored_z0: np.ndarray | None = None
        self.data_batch: Any = None
        self.noise_batch: Any = None
        self._cost_dis: Any = None
        super().__init__(layers, None, weights_only, name, optimizer, be, classes)
        if not (hasattr(self.layers, "generator") and hasattr(self.layers, "discriminator")):
            raise ConfigurationError(
                f"{label(self)}: layers is {shown(self.layers)}; give a "
                "GenerativeAdversarial(generator, discriminator)"
            )

    @property
    def generator(self) -> Any:
        """The chain that makes samples of noise."""
        return self.layers.generator

    @property
    def data_shape(self) -> Any:
        """Logical shape of the samples that it is trained on; its inputs are noise."""
        return self.generator.out_shape

    @property
    def discriminator(self) -> Any:
        """The chain that tells data from samples."""
        return self.layers.discriminator

    @property
    def cost_dis(self) -> np.ndarray:
        """The discriminator's cost in the last minibatch, array (1,); waits for the device."""
        return np.zeros(1) if self._cost_dis is None else np.asarray(self._cost_dis).reshape(1)

    @property
    def deferred_cost_dis(self) -> Any:
        """The same without waiting: it is read when `float` or NumPy asks for its value."""
        return self.cost_dis if self._cost_dis is None else self._cost_dis

    def configure(self, dataset: Any) -> None:
        """Tell the layers the shape of the noise, unless they have their buffers already.

        Args:
            dataset: data iterator or the shape of a sample, which the generator must make.

        Raises:
            ConfigurationError: it makes samples of another size.
        """
        if self.initialized:
            return
        super().configure(self.noise_dim)
        shape = getattr(dataset, "shape", dataset)
        shape = normalize_shape(shape, f"{label(self)}: data")
        made, wanted = (prod((s,) if is_int(s) else s) for s in (self.generator.out_shape, shape))
        if made != wanted:
            raise ConfigurationError(
                f"{label(self)}: the data have samples of shape {shape}, the generator makes "
                f"{self.generator.out_shape}: {made} numbers instead of {wanted}"
            )

    def initialize(self, dataset: Any, cost: Any = None, precision: str | None = None) -> None:
        """Configure and allocate both networks, and draw the noise to look at.

        Args:
            dataset: data iterator, or the logical shape of a sample.
            cost: a GeneralizedGANCost.
            precision: as of Model; one loss scale serves both networks.

        Raises:
            ConfigurationError: another cost, or a layer of the discriminator that cannot add up
                the gradients of two passes.
        """
        if cost is not None and not hasattr(cost, "get_errors_generator"):
            raise ConfigurationError(
                f"{label(self)}: cost is {shown(cost)}; give "
                "GeneralizedGANCost(costfunc=GANCost(...))"
            )
        fresh = not self.initialized
        super().initialize(dataset, cost, precision)
        if not fresh:
            return
        for layer in self.discriminator.layers_to_optimize:
            if not layer.accumulate_updates:
                self.initialized = False
                raise ConfigurationError(
                    f"{label(self)}: {label(layer)} cannot add up the gradients of data and noise "
                    "(its allocate takes no accumulate_updates); use another layer in the "
                    "discriminator"
                )
        self.zbuf, self.z0 = self.be.iobuf(self.noise_dim), self.be.iobuf(self.noise_dim)
        shape = self.discriminator.out_shape
        self._y_noise, self._y_data = self.be.iobuf(shape), self.be.iobuf(shape)
        self.fill_noise(self.z0)
        self._take_z0()

    # ---- passes ------------------------------------------------------------------------------

    def fill_noise(self, z: Tensor) -> None:
        """Draw noise into a tensor."""
        if self.noise_type == "normal":
            z[:] = standard_normal(self.be, z.shape)
        else:
            z[:] = 2.0 * self.be.rand() - 1.0

    def fprop_gen(self, z: Any, inference: bool = False) -> Any:
        """Samples that the generator makes of noise."""
        return self.generator.fprop(z, inference)

    def fprop_dis(self, x: Any, inference: bool = False) -> Any:
        """What the discriminator makes of data or samples."""
        return self.discriminator.fprop(x, inference)

    def bprop_dis(self, delta: Any) -> Any:
        """Backward pass of the discriminator; returns the gradient of its input."""
        return self.discriminator.bprop(delta)

    def bprop_gen(self, delta: Any) -> Any:
        """Backward pass of the generator from the gradient of its samples."""
        return self.generator.bprop(delta)

    @in_turn
    def generate(self, count: int) -> np.ndarray:
        """Samples of new noise; this draws from the backend's generator of random numbers.

        Args:
            count: how many.

        Returns:
            Array (count, features), or (count, *sizes) where the generator makes maps.

        Raises:
            ConfigurationError: the model has not been initialized, or `count` is below 1.

        Example:
            generator = [Affine(nout=3, init=Gaussian())]
            pair = GenerativeAdversarial(generator, [Affine(nout=1, init=Gaussian())])
            model = GAN(pair, noise_dim=2)
            model.initialize(3)
            assert model.generate(5).shape == (5, 3)
        """
        check_positive_int(self, "count", count)
        if not self.initialized:
            raise ConfigurationError(f"{label(self)}: call fit or initialize before generate")
        batches = []
        for _ in range(-(-count // self.be.bsz)):
            self.fill_noise(self.zbuf)
            made = self.fprop_gen(self.zbuf, inference=True)
            batches.append(evaluation.samples_first(made, self.be.bsz))
        found = evaluation.joined(batches, count)
        shape = self.generator.out_shape
        return found if is_int(shape) or len(shape) <= 2 else found.reshape(count, *shape)

    # ---- training ----------------------------------------------------------------------------

    def get_k(self, giter: int) -> int:
        """Steps of the discriminator before the next one of the generator.

        Args:
            giter: steps of the generator so far.

        Returns:
            k; with `wgan_train_sched` 100 for the first 25 steps and at every 500th.
        """
        if self.wgan_train_sched and (giter < WARM_UP or giter % SPECIAL == 0):
            return LONG
        return self.k

    def step_kind(self) -> Hashable:
        """Whether the generator is trained in the next minibatch."""
        return self.current_batch == self.last_gen_batch + self.get_k(self.gen_iter)

    def step_parts(
        self, x: Any, t: Any, epoch: int, add_cost: Callable[[Any], None]
    ) -> list[StepPart]:
        """A step of the discriminator, and one of the generator if it is its turn."""

        def discriminator() -> None:
            self._train_discriminator(x, epoch)

        def generator() -> None:
            self._train_generator(epoch)

        def measure() -> None:
            self._cost_dis = self.cost.measure(self._y_data, self._y_noise, cost_type="dis")

        def count() -> None:
            measure()
            add_cost(self._cost_dis)
            self.last_gen_batch = self.current_batch
            self.gen_iter += 1
            self.current_batch += 1

        def go_on() -> None:
            measure()
            self.current_batch += 1

        if self.step_kind():
            return [StepPart(discriminator, measure), StepPart(generator, count)]
        return [StepPart(discriminator, go_on)]

    def _train_discriminator(self, x: Any, epoch: int) -> None:
        """Add up the gradients of samples and of data, and update."""
        layers = self.discriminator.layers_to_optimize
        if self.wgan_param_clamp is not None:
            self.clip_param_in_layers(layers, self.wgan_param_clamp)
        self.fill_noise(self.zbuf)
        y = self.fprop_dis(self.fprop_gen(self.zbuf))
        self._y_noise[:] = y
        self.bprop_dis(scaled(self, self.cost.get_errors_noise(y)))
        self.discriminator.set_acc_on(True)
        try:
            y = self.fprop_dis(x)
            self._y_data[:] = y
            self.bprop_dis(scaled(self, self.cost.get_errors_data(y)))
        finally:
            self.discriminator.set_acc_on(False)
        optimize(self, layers, epoch)

    def _train_generator(self, epoch: int) -> None:
        self.fill_noise(self.zbuf)
        y = self.fprop_dis(self.fprop_gen(self.zbuf))
        self._y_noise[:] = y
        self.bprop_gen(self.bprop_dis(scaled(self, self.cost.get_errors_generator(y))))
        optimize(self, self.generator.layers_to_optimize, epoch)

    @staticmethod
    def clip_param_in_layers(layer_list: Iterable[Any], abs_bound: float) -> None:
        """Clip all parameters of the layers to +- `abs_bound`."""
        for (param, _), _ in get_param_list(layer_list):
            param[:] = home(param).clip(param, -abs_bound, abs_bound)

    def end_epoch(self, x: Any) -> None:
        """Keep the last data and what the generator makes of z0."""
        if not self.state.costs and self.state.minibatch:
            logger.warning(
                "fit: the generator was not trained in epoch %d: its next step comes after %d "
                "steps of the discriminator",
                self.state.epoch,
                self.get_k(self.gen_iter),
            )
        self.data_batch = x
        self.noise_batch = self.fprop_gen(self.z0, inference=True)

    # ---- state -------------------------------------------------------------------------------

    def get_state(self) -> dict[str, Any]:
        """The counters and the noise to look at."""
        state: dict[str, Any] = {name: getattr(self, name) for name in COUNTERS}
        if self.z0 is not None:
            state["z0"] = self.z0.get()
        elif self._stored_z0 is not None:
            state["z0"] = self._stored_z0
        return state

    def check_state(self, state: dict[str, Any]) -> None:
        """Raise unless `set_state` can take this; nothing is changed.

        Raises:
            CheckpointError: the counters are none, or the noise has another shape.
        """
        if not state:
            return
        for name in COUNTERS:
            value = state.get(name)
            whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            if value is None or not whole or value < 0:
                raise CheckpointError(f"resume/model/{name} is {str(value)[:80]!r}, no count")
        z0 = state.get("z0")
        if z0 is None:
            return
        numbers = isinstance(z0, np.ndarray) and z0.dtype.kind == "f" and z0.ndim == 2
        size = prod((self.noise_dim,) if is_int(self.noise_dim) else self.noise_dim)
        if not numbers or not z0.size or z0.size % size:
            raise CheckpointError(
                f"resume/model/z0 has shape {np.shape(z0)}: no noise of shape {self.noise_dim}"
            )

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from what `get_state` returned."""
        for name in COUNTERS:
            setattr(self, name, int(state.get(name, 0)))
        self._stored_z0 = state.get("z0")
        self._take_z0()

    def _take_z0(self) -> None:
        if self.z0 is None or self._stored_z0 is None:
            return
        if self._stored_z0.shape == self.z0.shape:  # not with another batch size
            self.z0.set(self._stored_z0)
        self._stored_z0 = None

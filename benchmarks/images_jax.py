"""JAX's training step of a network for pictures, under one `jax.jit`; layout (N, H, W, C)."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.images import EPSILON, MOMENTUM, RATE, Conv, Images, Pool


def weights_of(images: Images, data: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """Filters (R, S, C, K), products (inputs, outputs), and gamma and beta of each batch norm."""
    found: list[dict[str, np.ndarray]] = []
    for number, (part, _, _) in enumerate(images.shapes()):
        if isinstance(part, Pool):
            found.append({})
            continue
        weight = data[f"w{number}"]
        own = {"w": weight.transpose(1, 2, 0, 3) if isinstance(part, Conv) else weight.T}
        if isinstance(part, Conv) or not part.last:
            maps = own["w"].shape[-1]
            own |= {"gamma": np.ones(maps, np.float32), "beta": np.zeros(maps, np.float32)}
        found.append(own)
    return found


def jax_images(images: Images, data: dict[str, np.ndarray]) -> Any:
    """Build the step; what is compared is the loss of the last one."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    jax.config.update("jax_platforms", "cpu")
    layout = ("NHWC", "HWIO", "NHWC")

    def forward(weights: Any, x: Any) -> Any:
        for (part, _, _), own in zip(images.shapes(), weights, strict=True):
            if isinstance(part, Pool):
                window = (1, part.size, part.size, 1)
                x = lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
                continue
            if isinstance(part, Conv):
                padding = [(part.padding, part.padding)] * 2
                x = lax.conv_general_dilated(x, own["w"], (1, 1), padding, dimension_numbers=layout)
            else:  # weights are for maps first
                x = x.transpose(0, 3, 1, 2).reshape(len(x), -1) if x.ndim > 2 else x
                x = x @ own["w"]
            if "gamma" in own:
                axes = tuple(range(x.ndim - 1))
                mean, var = x.mean(axes), x.var(axes)
                x = (x - mean) * (own["gamma"] * lax.rsqrt(var + EPSILON)) + own["beta"]
                x = jnp.maximum(x, 0)
        return x

    def cost(weights: Any, x: Any, t: Any) -> Any:
        return -jnp.sum(jax.nn.log_softmax(forward(weights, x), axis=1) * t) / len(x)

    def update(state: Any, x: Any, t: Any) -> Any:
        weights, speeds = state
        loss, slopes = jax.value_and_grad(cost)(weights, x, t)
        speeds = jax.tree.map(lambda v, g: MOMENTUM * v - RATE * g, speeds, slopes)
        return (jax.tree.map(jnp.add, weights, speeds), speeds), loss

    weights = jax.tree.map(jax.device_put, weights_of(images, data))
    x = jax.device_put(data["x"].transpose(3, 1, 2, 0).copy())
    t = jax.device_put(data["t"].T.copy())
    step_of = jax.jit(update, donate_argnums=0)
    held = [((weights, jax.tree.map(jnp.zeros_like, weights)), jnp.zeros(()))]

    def step() -> None:
        held[0] = jax.block_until_ready(step_of(held[0][0], x, t))

    return step, lambda: [np.asarray(held[0][1]).reshape(1, 1)]

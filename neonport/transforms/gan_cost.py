"""GANCost: the costs of a generative adversarial pair, with gradients for each of its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neonport.errors import ConfigurationError
from neonport.transforms.costs import Cost
from neonport.transforms.operands import backend_of, number, same_shape

if TYPE_CHECKING:
    from neonport.optree.node import OpTreeNode
    from neonport.tensor.tensor import Tensor
    from neonport.transforms.operands import Operand

FUNCS = ("original", "modified", "wasserstein")
COST_TYPES = ("dis", "dis_data", "dis_noise", "gen")


class GANCost(Cost):
    """Cost of discriminator and generator (Goodfellow et al., 2014; Arjovsky et al., 2017).

    Outputs of the discriminator are probabilities for "data", unbounded scores for `wasserstein`.

    | func | data term | noise term | generator |
    |---|---|---|---|
    | original | -log y | -log(1 - y) | log(1 - y) |
    | modified | -log y | -log(1 - y) | -log y |
    | wasserstein | y | -y | y |

    Args:
        scale: factor on the gradients.
        cost_type: `dis` or `gen`; kept for neon, calls say which one they want.
        func: row of the table.

    Raises:
        ConfigurationError: an unknown name.

    Example:
        cost = GANCost(func="modified")
        value = be.empty((1, 4))
        value[:] = cost(p, p, cost_type="dis")
        assert np.allclose(value.get(), -np.log(1 / 3) - np.log(2 / 3))
    """

    neon_module = "neon.transforms.cost"

    def __init__(self, scale: float = 1.0, cost_type: str = "dis", func: str = "modified") -> None:
        super().__init__()
        _one_of("cost_type", cost_type, ("dis", "gen"))
        _one_of("func", func, FUNCS)
        self.scale = number(self, "scale", scale)
        self.cost_type = cost_type
        self.func: str = func  # type: ignore[assignment]
        self.one_buf: Tensor | None = None

    def __call__(self, y_data: Operand, y_noise: Operand, cost_type: str = "dis") -> OpTreeNode:
        """Return the cost of each column, a mean over its rows.

        Args:
            y_data: output of the discriminator for data; unused for `dis_noise` and `gen`.
            y_noise: its output for generated samples; unused for `dis_data`.
            cost_type: `dis` (data plus noise), `dis_data`, `dis_noise` or `gen`.

        Raises:
            ConfigurationError: unknown `cost_type`.
            ShapeError: the shapes differ.
        """
        _one_of("cost_type", cost_type, COST_TYPES)
        same_shape(self, y_data, y_noise)
        be = backend_of(self, y_data, y_noise)
        if cost_type == "gen":
            value = self._generator(y_noise)
        elif cost_type == "dis":
            value = self._data(y_data) + self._noise(y_noise)
        else:
            value = self._data(y_data) if cost_type == "dis_data" else self._noise(y_noise)
        return be.mean(value, axis=0)

    def bprop(self, y: Operand, t: Operand) -> Any:
        """Refuse: there is no gradient of the pair, only of its parts."""
        raise ConfigurationError(
            "GANCost has no bprop(y, t); use bprop_data, bprop_noise or bprop_generator"
        )

    def _data(self, y: Operand) -> Any:
        return y if self.func == "wasserstein" else -backend_of(self, y).safelog(y)

    def _noise(self, y: Operand) -> Any:
        return -y if self.func == "wasserstein" else -backend_of(self, y).safelog(1.0 - y)

    def _generator(self, y: Operand) -> Any:
        # these belong to the gradients below; neon shows the two logarithms interchanged
        if self.func == "original":
            return backend_of(self, y).safelog(1.0 - y)
        return self._data(y)

    def bprop_data(self, y_data: Operand) -> OpTreeNode:
        """Gradient of the data term, for the discriminator."""
        if self.func == "wasserstein":
            return self.scale * self._ones(y_data)
        return -self.scale / y_data

    def bprop_noise(self, y_noise: Operand) -> OpTreeNode:
        """Gradient of the noise term, for the discriminator."""
        if self.func == "wasserstein":
            return -self.scale * self._ones(y_noise)
        return self.scale / (1.0 - y_noise)

    def bprop_generator(self, y_noise: Operand) -> OpTreeNode:
        """Gradient of the generator's cost."""
        if self.func == "wasserstein":
            return self.scale * self._ones(y_noise)
        if self.func == "original":
            return self.scale / (y_noise - 1.0)
        return -self.scale / y_noise

    def _ones(self, y: Operand) -> Tensor:
        """Ones of the shape of `y`, made once: the gradient is a constant but has a shape."""
        be = backend_of(self, y)
        if self.one_buf is None or self.one_buf.shape != y.shape or self.one_buf.backend is not be:
            self.one_buf = be.ones(y.shape)
        return self.one_buf


def _one_of(argument: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigurationError(
            f"GANCost: {argument}={value!r} is not one of {', '.join(choices)}"
        )

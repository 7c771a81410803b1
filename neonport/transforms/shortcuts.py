"""Pairs of output activations and costs that belong together, as one leaves out a derivative."""

from __future__ import annotations

from typing import Any

from neonport.transforms.costs import (
    CrossEntropyBinary,
    CrossEntropyMulti,
    MeanSquared,
    SmoothL1Loss,
    SquareHingeLoss,
    SumSquared,
)
from neonport.transforms.elementwise import Logistic
from neonport.transforms.softmax import PixelwiseSoftmax, Softmax
from neonport.transforms.training_costs import (
    ClassWeighted,
    Huber,
    KLDivergence,
    LogisticCrossEntropy,
    MeanAbsolute,
    SoftmaxCrossEntropy,
)

# costs whose bprop is the whole gradient with respect to y; a user's own cost is not judged
_COMPLETE = (SumSquared, MeanSquared, SmoothL1Loss, SquareHingeLoss, MeanAbsolute, Huber)
_OF_SOFTMAX = (CrossEntropyMulti, KLDivergence)
_OF_LOGITS = (SoftmaxCrossEntropy, LogisticCrossEntropy)


def shortcut_warning(activation: Any, cost: Any) -> str | None:
    """Return what is wrong with the gradient of an output activation below a cost, if anything.

    Cross entropies give the gradient at the *input* of "their" activation, which therefore must
    have the derivative 1; elsewhere it must not. Models log the text and go on, as old scripts may
    have been tuned with the wrong gradient.

    Args:
        activation: transform of the last layer, or None.
        cost: the cost function.

    Example:
        assert shortcut_warning(Softmax(), CrossEntropyMulti()) is None
        assert "shortcut=True" in shortcut_warning(Logistic(), CrossEntropyBinary())
    """
    if isinstance(cost, ClassWeighted):
        return shortcut_warning(activation, cost.costfunc)
    softmax = isinstance(activation, (Softmax, PixelwiseSoftmax))
    if isinstance(cost, _OF_LOGITS) and (softmax or isinstance(activation, Logistic)):
        return (
            f"{type(cost).__name__} takes logits and applies {type(activation).__name__} or its "
            "like itself: leave the activation of the last layer out"
        )
    if isinstance(activation, Logistic):
        if isinstance(cost, CrossEntropyBinary) and not activation.shortcut:
            return (
                "Logistic() below CrossEntropyBinary multiplies the gradient by y(1-y) once too "
                "often, so that wrong outputs learn slowly: use Logistic(shortcut=True)"
            )
        if isinstance(cost, _COMPLETE) and activation.shortcut:
            return (
                f"Logistic(shortcut=True) below {type(cost).__name__} leaves out its derivative: "
                "use Logistic()"
            )
    if softmax and isinstance(cost, (*_COMPLETE, CrossEntropyBinary)):
        return (
            f"{type(activation).__name__} below {type(cost).__name__} leaves out its derivative: "
            "it belongs below CrossEntropyMulti"
        )
    if isinstance(cost, _OF_SOFTMAX) and isinstance(activation, Logistic):
        return (
            f"Logistic below {type(cost).__name__}: the cost gives the gradient of a Softmax output"
        )
    return None


def shortcut_pairs(activation: Any, cost: Any) -> bool:
    """Whether activation and cost give the right gradient together, as far as is known.

    Example:
        assert shortcut_pairs(Softmax(), CrossEntropyMulti())
        assert not shortcut_pairs(Softmax(), MeanSquared())
    """
    return shortcut_warning(activation, cost) is None

"""Functions of other libraries on our arrays, each beside the same on NumPy's; run as a script.

    SCIPY_ARRAY_API=1 python -m tests.array_api.foreign_calls BACKEND

SciPy reads the variable when it is imported, so the calls have a process of their own. Prints JSON:
for each call None, or what went wrong.
"""

from __future__ import annotations

import json
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import neonport.array_api as xp
from neonport.backends import gen_backend

Call = Callable[[Any, Any, Any], Any]  # of two columns, or samples and labels, and the namespace

rng = np.random.default_rng(0)
SAMPLES = rng.standard_normal((60, 4))
LABELS = np.repeat([0, 1], 30)
SAMPLES[30:] += 2.0


def scipy_calls() -> dict[str, Call]:
    """Functions of SciPy, of samples and labels."""
    from scipy import integrate, signal, special, stats
    from scipy.cluster import vq

    return {
        "special.expit": lambda X, y, n: special.expit(X),
        "special.logsumexp": lambda X, y, n: special.logsumexp(X, axis=1),
        "special.softmax": lambda X, y, n: special.softmax(X, axis=1),
        "stats.skew": lambda X, y, n: stats.skew(X, axis=0),
        "stats.zscore": lambda X, y, n: stats.zscore(X, axis=0),
        "stats.ttest_ind": lambda X, y, n: stats.ttest_ind(X[:30, :], X[30:, :]).pvalue,
        "stats.pearsonr": lambda X, y, n: stats.pearsonr(X[:, 0], X[:, 1]).statistic,
        "cluster.vq.whiten": lambda X, y, n: vq.whiten(X),
        "cluster.vq.kmeans": lambda X, y, n: vq.kmeans(X, X[28:32, :], iter=1)[0],
        "signal.detrend": lambda X, y, n: signal.detrend(X, axis=0),
        "integrate.trapezoid": lambda X, y, n: integrate.trapezoid(X, axis=0),
    }


def sklearn_calls() -> dict[str, Call]:
    """Estimators and metrics of scikit-learn with its array API dispatch."""
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import Ridge
    from sklearn.metrics import accuracy_score, r2_score
    from sklearn.metrics.pairwise import cosine_similarity
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    def split(X: Any, y: Any, n: Any) -> Any:
        return train_test_split(X, y, random_state=0)[1]

    return {
        "StandardScaler": lambda X, y, n: StandardScaler().fit_transform(X),
        "MinMaxScaler": lambda X, y, n: MinMaxScaler().fit_transform(X),
        "PCA": lambda X, y, n: PCA(2, svd_solver="full").fit_transform(X),
        "LinearDiscriminantAnalysis": lambda X, y, n: (
            LinearDiscriminantAnalysis().fit(X, y).predict(X)
        ),
        "Ridge": lambda X, y, n: Ridge(solver="svd").fit(X, X[:, 0]).predict(X),
        "accuracy_score": lambda X, y, n: accuracy_score(y, y),
        "r2_score": lambda X, y, n: r2_score(X[:, 0], X[:, 1]),
        "cosine_similarity": lambda X, y, n: cosine_similarity(X),
        "train_test_split": split,
    }


def compat_calls() -> dict[str, Call]:
    """What array-api-compat asks of an array."""
    import array_api_compat as compat

    def moved(X: Any, y: Any, n: Any) -> Any:
        return compat.to_device(X, compat.device(X))

    return {
        "array_namespace": lambda X, y, n: compat.array_namespace(X, y).sum(X, axis=0),
        "to_device": moved,
        "size": lambda X, y, n: compat.size(X),
    }


def exchange_calls() -> dict[str, Call]:
    """Other libraries' arrays from ours, and back."""
    import jax
    import torch

    def through_torch(X: Any, y: Any, n: Any) -> Any:
        values = torch.from_dlpack(np.from_dlpack(X[0, :], device="cpu", copy=True))
        assert values.shape == (4,)
        return n.asarray(values * 2)

    def through_jax(X: Any, y: Any, n: Any) -> Any:
        values = jax.numpy.asarray(np.asarray(X[:, 0]), dtype="float32")
        return n.asarray(values + 1)

    return {"torch": through_torch, "jax": through_jax}


def outcomes(backend: str) -> Iterator[tuple[str, str | None]]:
    """The name of each call, and what went wrong."""
    from sklearn import config_context

    gen_backend(backend)  # the default device: libraries make arrays there
    X, y = (xp.asarray(v, copy=True) for v in (SAMPLES, LABELS))
    for calls in (scipy_calls(), sklearn_calls(), compat_calls(), exchange_calls()):
        for name, call in calls.items():
            try:
                with config_context(array_api_dispatch=True):
                    ours = call(X, y, xp)
                theirs = call(SAMPLES, LABELS, np)
                if isinstance(theirs, np.ndarray):
                    assert isinstance(ours, xp.Array), type(ours)
                    assert ours.device == X.device
                    assert ours.dtype == theirs.dtype
                np.testing.assert_allclose(np.asarray(ours), theirs, rtol=1e-6, atol=1e-9)
            except Exception:
                yield name, traceback.format_exc()
            else:
                yield name, None


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(dict(outcomes(sys.argv[1]))))

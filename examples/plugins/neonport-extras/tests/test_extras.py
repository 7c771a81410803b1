"""Everything the package brings is found where users look, works, and is listed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from neonport import gen_backend
from neonport.callbacks import Callbacks
from neonport.initializers import GlorotUniform
from neonport.layers import Affine, GeneralizedCost
from neonport.models import Model
from neonport.plugins.registry import backend_choices, create_backend
from neonport.testing import check_grads, conformance
from neonport.transforms import Accuracy, CrossEntropyMulti, Softmax

BACKENDS = [name for name in backend_choices() if name in ("torch", "jax")]


@pytest.fixture
def be():
    return gen_backend("cpu", batch_size=32, rng_seed=0)


def mish(x):
    return x * np.tanh(np.log1p(np.exp(x)))


def test_ops(be):
    values = np.array([[-3.0, -0.5, 0.25, 4.0]])
    x, y = be.array(values), be.empty((1, 4))
    y[:] = be.mish(x) + 1
    assert np.allclose(y.get(), mish(values) + 1, atol=1e-6)
    assert be.hardsig(x, out=y) is y
    assert np.allclose(y.get(), np.clip(values / 5 + 0.5, 0, 1))
    assert "1 kernel" in str(be.explain(be.mish(x) * 2))


@pytest.mark.parametrize("name", ["mish", "hardsig"])
def test_derivatives(be, name):
    a = be.array([[-1.5, -0.7, 0.4, 1.5]], dtype=np.float64)
    check_grads(getattr(be, name)(a) * a, [a], be, order=2)


@pytest.mark.parametrize("name", ["mish", "hardsig"])
def test_conformance(be, name):
    assert getattr(be, name)
    results = list(conformance.run(be, only=[name]))
    assert len(results) > 20
    assert not [r for r in results if not r.passed]


@pytest.mark.parametrize("backend", BACKENDS)
def test_other_backends(backend):
    other = create_backend(backend)
    x, y = other.array([[-3.0, -0.5, 0.25, 4.0]]), other.empty((1, 4))
    y[:] = other.mish(x) * other.hardsig(x)
    values = x.get()
    assert np.allclose(y.get(), mish(values) * np.clip(values / 5 + 0.5, 0, 1), atol=1e-6)


def test_training_and_checkpoint(be, tmp_path):
    from neonport.callbacks import WeightNormCallback
    from neonport.data.datasets import TwoSpirals
    from neonport.layers import Mish
    from neonport.optimizers import AdaBelief

    spirals = TwoSpirals()
    hidden = [part for _ in range(3) for part in (Affine(32, GlorotUniform()), Mish())]
    model = Model([*hidden, Affine(2, GlorotUniform(), activation=Softmax())])
    norms = WeightNormCallback()
    callbacks = Callbacks(model, progress_bar=False)
    callbacks.add_callback(norms)
    cost = GeneralizedCost(CrossEntropyMulti())
    model.fit(
        spirals.train_iter, cost, AdaBelief(learning_rate=0.01), num_epochs=40, callbacks=callbacks
    )
    right = model.eval(spirals.valid_iter, Accuracy())
    assert right > 0.9
    assert len(norms.norms) == 40
    assert norms.norms[-1] > norms.norms[0]

    path = str(tmp_path / "spirals.safetensors")
    model.save_params(path)
    again = Model(path)
    assert isinstance(again.layers.layers[1], Mish)
    assert again.eval(spirals.valid_iter, Accuracy()) == right


def test_doctor():
    command = [sys.executable, "-m", "neonport", "doctor", "--json"]
    slowly = os.environ | {"NEONPORT_PLUGIN_TIMEOUT": "300"}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=slowly)
    rows = [r for r in json.loads(run.stdout)["extensions"] if "extras" in r["distribution"]]
    assert [(row["kind"], row["name"], row["state"]) for row in rows] == [
        ("callback", "WeightNormCallback", "ready"),
        ("dataset", "TwoSpirals", "ready"),
        ("layer", "Mish", "ready"),
        ("op", "hardsig", "ready"),
        ("op", "mish", "ready"),
        ("optimizer", "AdaBelief", "ready"),
    ]


def test_nothing_is_imported_before_a_name_is_asked_for():
    code = (
        "import sys; from neonport import gen_backend; import neonport.layers, neonport.optimizers;"
        "be = gen_backend('cpu'); be.exp(be.ones((2, 2))); "
        "loaded = lambda: sorted(m for m in sys.modules if m.startswith('neonport_extras'));"
        "print(loaded()); neonport.layers.Mish; print(loaded())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = run.stdout.splitlines()
    assert before == "[]"
    assert "neonport_extras.layers" in after
    assert "neonport_extras.optimizers" not in after

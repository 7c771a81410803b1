"""Training on a device: the cpu's losses, random numbers and accuracy; two models side by side."""

from __future__ import annotations

import json

import numpy as np
import pytest

from neonport.backends import cleanup_backend, gen_backend
from neonport.backends.opencl.device import OpenCLBackend
from neonport.plugins.registry import create_backend

STEPS = 100
BATCH = 32


def make_model(be=None):
    from neonport.initializers import Constant, Gaussian
    from neonport.layers import Affine, Dropout
    from neonport.models import Model
    from neonport.transforms import Rectlin, Softmax

    init = Gaussian(scale=0.2)
    layers = [
        Affine(32, init, batch_norm=True, activation=Rectlin()),
        Dropout(keep=0.8),
        Affine(5, init, bias=Constant(0.0), activation=Softmax()),
    ]
    return Model(layers, be=be)


class Run:
    """A model, its data and its optimizer on one backend; `step` trains on the next batch."""

    def __init__(self, be):
        from neonport.layers import GeneralizedCost
        from neonport.optimizers import Adam
        from neonport.transforms import CrossEntropyMulti

        rng = np.random.RandomState(3)
        self.be = be
        self.x = be.empty((20, BATCH))
        self.t = be.empty((5, BATCH))
        self.labels = rng.randint(0, 5, (STEPS, BATCH))
        centres = rng.normal(size=(5, 20))
        self.values = centres[self.labels] + rng.normal(size=(STEPS, BATCH, 20))
        self.model = make_model(be)
        self.cost = GeneralizedCost(CrossEntropyMulti())
        self.optimizer = Adam(learning_rate=0.01)
        self.cost.set_backend(be)
        self.optimizer.set_backend(be)
        self.model.initialize((20,), self.cost)

    def step(self, i):
        self.x.set(self.values[i].T)
        self.t.set(np.eye(5)[self.labels[i]].T)
        y = self.model.fprop(self.x)
        loss = float(np.ravel(self.cost.get_cost(y, self.t))[0])
        self.model.bprop(self.cost.get_errors(y, self.t))
        self.optimizer.optimize(self.model.layers_to_optimize, epoch=0)
        return loss


def _alone(name):
    be = gen_backend(name, batch_size=BATCH, rng_seed=1)
    run = Run(be)
    losses = [run.step(i) for i in range(STEPS)]
    cleanup_backend()
    return losses


def test_the_losses_are_those_of_the_cpu(ocl):
    here, there = _alone("cpu"), _alone("opencl")
    assert here[-1] < here[0] * 0.6
    np.testing.assert_allclose(there, here, rtol=1e-3)


def test_models_on_two_backends_in_one_process(ocl):
    alone = _alone("cpu")[:20]
    backends = [create_backend("cpu", rng_seed=1), OpenCLBackend(rng_seed=1)]
    for be in backends:
        be.bsz = BATCH
    gen_backend("cpu", batch_size=BATCH, rng_seed=5)  # a default that neither of them uses
    runs = [Run(be) for be in backends]
    losses = np.array([[run.step(i) for run in runs] for i in range(20)])
    np.testing.assert_allclose(losses[:, 0], alone, rtol=1e-6)
    np.testing.assert_allclose(losses[:, 1], alone, rtol=1e-3)
    for be in backends:
        be.cleanup_backend()
    cleanup_backend()


def test_random_numbers_have_the_cpu_s_bits(ocl):
    cpu = create_backend("cpu", rng_seed=0)
    cpu.bsz = 4
    for shape in ((7, 101), (1, 1), (3, 5, 2)):
        there, here = ocl.empty(shape), cpu.empty(shape)
        for make in (lambda be: be.rand(), lambda be: be.rand() > 0.3):
            there[:], here[:] = make(ocl), make(cpu)
            assert np.array_equal(there.get(), here.get())


def test_the_demo_reaches_the_cpu_s_accuracy(ocl, tmp_path, monkeypatch, capsys):
    from neonport.cli.main import main

    monkeypatch.chdir(tmp_path)
    pytest.importorskip("sklearn", reason="needs the extra demo: pip install 'neonport[demo]'")
    accuracy = {}
    for name in ("cpu", "opencl"):
        options = ["--backend", name, "--json", "--checkpoint", f"{name}.safetensors"]
        assert main(["train", "digits", *options]) == 0
        accuracy[name] = json.loads(capsys.readouterr().out.splitlines()[-1])["accuracy"]
    assert accuracy["opencl"] >= 0.97
    assert abs(accuracy["opencl"] - accuracy["cpu"]) < 0.01

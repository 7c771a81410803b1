"""A trained model stays on its backend, whatever gen_backend makes later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neonport.backends import cleanup_backend
from neonport.data import ArrayIterator
from neonport.errors import BackendMismatchError, ClosedBackendError, ConfigurationError
from neonport.models import Model
from neonport.transforms import Accuracy

Make = Callable[..., Any]


def test_a_second_backend_leaves_a_trained_model_alone(
    make_problem: Make, fit: Make, make_backend: Make
) -> None:
    p = make_problem("adamw", dropout=True)
    fit(p, 1)
    wanted = p.model.predict(p.x)
    make_backend(batch_size=4, rng_seed=0)
    np.testing.assert_array_equal(p.model.predict(p.x), wanted)
    assert 0 <= p.model.eval(p.data, Accuracy())[0] <= 1
    fit(p, 3)  # goes on training where it is
    assert p.model.epoch_index == 3


def test_a_second_backend_leaves_a_loaded_model_alone(
    make_problem: Make, fit: Make, make_backend: Make, tmp_path: Path
) -> None:
    p = make_problem("adam")
    fit(p, 1)
    wanted = p.model.predict(p.x)
    p.model.save_params(tmp_path / "model.prm")
    loaded = Model(tmp_path / "model.prm")
    filled = make_problem("adam").model
    filled.load_params(tmp_path / "model.prm")
    make_backend(batch_size=4, rng_seed=0)
    for model in (loaded, filled):
        np.testing.assert_array_equal(model.predict(p.x), wanted)


def test_two_models_on_two_backends_share_cost_and_optimizer(make_problem: Make, fit: Make) -> None:
    first = make_problem()
    fit(first, 1)
    second = make_problem(batch_size=4)
    second.cost, second.optimizer = first.cost, first.optimizer
    for problem, epochs in ((second, 1), (first, 2), (second, 2)):
        fit(problem, epochs)
        assert problem.model.epoch_index == epochs


def test_data_of_another_backend_are_named_and_can_be_moved(
    make_problem: Make, fit: Make, make_backend: Make
) -> None:
    p = make_problem()
    fit(p, 1)
    wanted = p.model.get_outputs(p.data)
    make_backend(batch_size=4)
    new = ArrayIterator(p.x, p.y, nclass=3)
    for call in (
        lambda: p.model.get_outputs(new),
        lambda: p.model.eval(new, Accuracy()),
        lambda: p.model.fit(new, p.cost, p.optimizer, 2),
    ):
        with pytest.raises(BackendMismatchError, match=r"data.set_backend\(model.be\)"):
            call()
    new.set_backend(p.model.be)
    np.testing.assert_array_equal(p.model.get_outputs(new), wanted)


def test_weights_are_not_left_behind(make_problem: Make, fit: Make, make_backend: Make) -> None:
    p = make_problem()
    fit(p, 1)
    other = make_backend(batch_size=4)
    with pytest.raises(ConfigurationError, match=r"save_params.*Model\(path, be=other\)"):
        p.model.set_backend(other)
    p.model.set_backend(p.model.be)
    fit(p, 2)


def test_after_cleanup_the_cause_is_named(make_problem: Make, fit: Make) -> None:
    p = make_problem()
    fit(p, 1)
    cleanup_backend()
    with pytest.raises(ClosedBackendError, match="cleaned up"):
        p.model.predict(p.x)

"""BatchNormTuneCallback leaves the averages of the batches' statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neonport.callbacks import Callbacks
from neonport.callbacks.callbacks import BatchNormTuneCallback, SerializeModelCallback
from neonport.layers import BatchNorm

Make = Callable[..., Any]


class Special(BatchNorm):
    """Is not the class BatchNorm itself."""


@pytest.mark.parametrize(("held", "cls"), [(24, BatchNorm), (8, BatchNorm), (24, Special)])
def test_statistics_are_plain_averages(
    make_problem: Make, fit: Make, held: int, cls: type[BatchNorm]
) -> None:
    from neonport.models import Model

    p = make_problem(held=held)
    norm = cls(rho=0.8)
    p.model = Model([norm, *p.model.layers.layers])
    callbacks = Callbacks(p.model, progress_bar=False)
    callbacks.add_callback(BatchNormTuneCallback(p.held), insert_pos=0)
    fit(p, 1, callbacks)
    batches = p.held_x.reshape(-1, 8, 4)
    tuned = cls is BatchNorm
    n = len(batches)
    means, variances = batches.mean(axis=1), batches.var(axis=1)
    wanted = variances.mean(axis=0) * (n / (n - 1) if n > 1 else 1)
    assert np.allclose(norm.gmean.get()[:, 0], means.mean(axis=0), atol=1e-5) == tuned
    assert np.allclose(norm.gvar.get()[:, 0], wanted, rtol=1e-4) == tuned
    assert norm.rho == 0.8


def test_a_failing_pass_gives_rho_back(make_problem: Make) -> None:
    from neonport.models import Model

    p = make_problem()
    norm = BatchNorm(rho=0.8)
    model = Model([norm, *p.model.layers.layers])
    model.initialize(p.data)

    def fail(x: Any) -> Any:
        raise RuntimeError("device lost")

    model.fprop = fail  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="lost"):
        BatchNormTuneCallback(p.held).on_epoch_end({}, model, 0)
    assert norm.rho == 0.8


def test_tuning_comes_before_saving(make_problem: Make, tmp_path: Any) -> None:
    p = make_problem()
    callbacks = Callbacks(p.model, progress_bar=False, save_path=str(tmp_path / "m.prm"))
    callbacks.add_callback(BatchNormTuneCallback(p.held))
    kinds = [type(callback) for callback in callbacks.callbacks]
    assert kinds.index(BatchNormTuneCallback) < kinds.index(SerializeModelCallback)

"""The conformance suite passes on the backend under test."""

from __future__ import annotations

import pytest

from neonport.backends.cpu.device import CPUBackend, CPUDevice
from neonport.engine.device import Capabilities
from neonport.testing import conformance

SUITES = {suite.__name__.rpartition(".")[2]: suite for suite in conformance.SUITES}


@pytest.mark.parametrize("name", SUITES)
def test_suite(make_backend, capsys, monkeypatch, name):
    be = make_backend(batch_size=4, rng_seed=0)
    monkeypatch.setattr(conformance, "SUITES", (SUITES[name],))
    results = list(conformance.run(be))
    with capsys.disabled():
        print(f" {len(results)} cases ", end="", flush=True)
    failed = [f"{r.op} {r.case_id}: {r.message}" for r in results if not r.passed]
    assert not failed, f"{len(failed)} of {len(results)} cases: " + "\n".join(failed[:20])
    if not results:
        needs = {dtype for case in conformance.cases() for dtype in case.needs}
        assert needs - set(be.default_dtypes)
        pytest.skip(f"all cases need {', '.join(sorted(needs))}, which {be} does not have")


class OneTypeDevice(CPUDevice):
    """Stores no float type but float32."""

    capabilities = Capabilities(dtypes=("float32",), device_type=0, host_memory=True)


class OneTypeBackend(CPUBackend):
    """Tensors in float32."""

    device_class = OneTypeDevice


@pytest.mark.parametrize("op", ["store", "layers", "view"])
def test_a_device_of_one_float_type_gets_no_case_in_others(op):
    be = OneTypeBackend(rng_seed=0)
    be.bsz = 4
    results = list(conformance.run(be, only=[op]))
    assert results
    assert not [f"{r.op} {r.case_id}: {r.message}" for r in results if not r.passed]
    be.cleanup_backend()

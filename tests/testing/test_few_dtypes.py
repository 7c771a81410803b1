"""A device says which float types it stores; the suite asks for no others."""

from __future__ import annotations

import pytest

from neonport.backends.cpu.device import CPUBackend, CPUDevice
from neonport.dtypes import FLOAT_NAMES
from neonport.engine.device import Capabilities
from neonport.testing import conformance

ROOMS = ["memory", "store", "view", "assign", "rand", "dlpack", "cast", "dot", "sum"]


def backend(dtypes):
    """A cpu backend that can store these float types only."""

    def check(dtype):
        if dtype.name in FLOAT_NAMES and dtype.name not in dtypes:
            raise TypeError(f"this device has no {dtype}")

    class FewDevice(CPUDevice):
        capabilities = Capabilities(dtypes=dtypes, device_type=0, host_memory=True)
        compiles = False  # which types are asked for does not depend on it

        def view(self, storage, dtype, layout):
            check(dtype)
            return super().view(storage, dtype, layout)

    class FewBackend(CPUBackend):
        device_class = FewDevice

    be = FewBackend(rng_seed=0)
    be.bsz = 4
    return be


@pytest.mark.parametrize(
    ("dtypes", "only"),
    [(("float32",), None), (Capabilities().dtypes, ROOMS)],
    ids=["float32", "the default of the contract"],
)
def test_what_a_device_lacks_is_no_failure(dtypes, only):
    results = list(conformance.run(backend(dtypes), only))
    assert len(results) > 100
    assert not [f"{r.op} {r.case_id}: {r.message}" for r in results if not r.passed]

"""Protocol versions: a major mismatch is refused, a later minor is not."""

from __future__ import annotations

import pytest

from neonport.errors import BackendUnavailable
from neonport.plugins.registry import PROTOCOL


def test_another_major_is_refused_naming_both_numbers(registry_with):
    registry = registry_with("protocol")
    ours = f"{PROTOCOL[0]}.{PROTOCOL[1]}"
    assert registry.probe("futuristic").state == "incompatible"
    with pytest.raises(BackendUnavailable, match=rf"protocol 7\.3, this neonport speaks {ours}"):
        registry.create("futuristic")


def test_a_later_minor_works_and_is_noted(registry_with):
    registry = registry_with("protocol")
    row = registry.probe("newer")
    assert row.state == "ready"
    assert "newer protocol 1.999" in row.reason
    registry.create("newer")


def test_a_hook_of_the_future_is_no_error(registry_with):
    registry = registry_with("protocol")
    (plugin,) = (p for p in registry.plugins() if p.distribution == "neonport-protocol")
    assert plugin.state == "loaded"

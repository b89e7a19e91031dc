"""Of all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Beside other tests and a lab, a machine is slow now and then: that is no failure of what is tested.
settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")

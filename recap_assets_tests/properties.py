"""Settings that property tests share, beside those of conftest."""

from __future__ import annotations

from hypothesis import HealthCheck

#: For tests whose examples share a fixture. A test's own list takes the place of the profile's, so
#: that what the profile leaves out is here too.
SHARED_FIXTURE = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)

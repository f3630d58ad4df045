"""Property tests of this room are held to what they say and not to the clock."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("captions", deadline=None)
settings.load_profile("captions")

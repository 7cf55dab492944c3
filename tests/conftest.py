"""Settings of the whole suite."""

import os

from hypothesis import settings

# What CI runs must not depend on the day: the same examples every time, on a machine of any speed.
settings.register_profile("ci", derandomize=True, database=None, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

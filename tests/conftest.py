"""One hypothesis profile for everyday runs, and one random profile on request.

By default examples are derived from the test alone: the same everywhere and every time. With
RMTSPEC_HYPOTHESIS_PROFILE=random new ones are drawn; RMTSPEC_HYPOTHESIS_MULTIPLIER scales their
number.
"""

from __future__ import annotations

import os

import matplotlib
from hypothesis import HealthCheck, settings

EVERYDAY_EXAMPLES = 50

matplotlib.use("Agg")

settings.register_profile(
    "everyday",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=EVERYDAY_EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "random",
    settings.get_profile("everyday"),
    derandomize=False,
    max_examples=round(
        EVERYDAY_EXAMPLES * float(os.environ.get("RMTSPEC_HYPOTHESIS_MULTIPLIER", "1"))
    ),
    print_blob=True,
)
settings.load_profile(os.environ.get("RMTSPEC_HYPOTHESIS_PROFILE", "everyday"))

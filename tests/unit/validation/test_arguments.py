"""Arguments of networks, measures and data: what is taken, and that a wrong one is named."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from validation.harness import arguments


@pytest.mark.parametrize(
    ("check", "taken", "refused"),
    [
        (lambda v: arguments.integer("it", v, 2), [2, np.int64(7)], [1, 2.0, True, "2", None]),
        (lambda v: arguments.integer("it", v, 0, 3), [0, 3], [-1, 4]),
        (lambda v: arguments.real("it", v, 0.0, 1.0), [0, 0.5, 1.0], [-1e-9, 1.5, True, None]),
        (lambda v: arguments.real("it", v), [-1e300, np.float32(2.0)], [math.inf, math.nan]),
        (lambda v: arguments.positive("it", v), [5e-324, 3], [0.0, -1.0, math.inf, math.nan]),
        (lambda v: arguments.below_one("it", v), [0, 0.999], [1.0, -0.1, math.nan]),
        (lambda v: arguments.choice("it", v, ("a", "b")), ["a", "b"], ["c", 1, None]),
        (
            lambda v: arguments.table("it", v, 0.0),
            [[0, 1], [], 2.0],
            [[-1.0], [math.nan], math.inf],
        ),
    ],
)
def test_a_wrong_argument_is_named_with_its_value(
    check: Callable[[Any], Any], taken: list[Any], refused: list[Any]
) -> None:
    for value in taken:
        check(value)
    for value in refused:
        with pytest.raises(ValueError, match=r"^it must .* got "):
            check(value)

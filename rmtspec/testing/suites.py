"""Every check that applies to an object, and tests of pytest made of them.

An object is *law-like* if it has a `support` and any of `stieltjes`, `density` or `pdf`, `cdf`,
`quantile` or `ppf`; beside them `atoms`, `masses` and `integrate` are used if it has them.  A law
of this package is one, and so is a frozen distribution of `scipy.stats` with a bounded support.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from ..ensembles.random_feature import RandomFeatureGram
from ..ensembles.sample_covariance import SampleCovariance
from ..random_features.model import RandomFeatureModel
from .curves import check_learning_curves, check_linear_statistic
from .ensembles import check_random_feature, check_sample_covariance
from .findings import Finding, settled
from .laws import check_cdf, check_consistency, check_density, check_quantile
from .transforms import check_stieltjes

if TYPE_CHECKING:
    import pytest

Check = Callable[..., list[Finding]]

_NAMES = {
    "stieltjes": ("stieltjes",),
    "density": ("density", "pdf"),
    "cdf": ("cdf",),
    "quantile": ("quantile", "ppf"),
}


def checks_for(subject: Any, **options: Any) -> dict[str, Check]:
    """The checks that apply to an object, by name; each takes `raise_` alone.

    Parameters
    ----------
    subject : object
        A law-like object, a `SampleCovariance`, a `RandomFeatureModel` or a random-feature matrix.
    **options : as `rtol` or `convention`, for all checks that take them

    Raises
    ------
    TypeError
        If no check applies.

    Examples
    --------
    >>> import rmtspec as rs
    >>> from rmtspec.testing import invariants
    >>> matrix = rs.SampleCovariance(0.5, rs.PopulationSpectrum.isotropic())
    >>> list(invariants.checks_for(matrix.spectrum()))
    ['stieltjes', 'density', 'cdf', 'quantile', 'consistency', 'linear_statistic']
    """
    found: dict[str, Check] = {}
    law = subject
    if isinstance(subject, (SampleCovariance, RandomFeatureGram, RandomFeatureModel)):
        law = subject.spectrum()
        gram = getattr(subject, "ensemble", subject)
        if isinstance(subject, SampleCovariance):
            found["sample_covariance"] = partial(check_sample_covariance, law.stieltjes, subject)
        elif isinstance(gram, RandomFeatureGram):
            found["random_feature"] = partial(check_random_feature, law.stieltjes, gram)
    found |= _checks_of_law(law)
    if isinstance(subject, RandomFeatureModel) and not subject.conditional:
        tau = np.append(np.append(0.0, np.geomspace(1e-3, 1e4, 15) / subject.delta), np.inf)
        found["learning_curves"] = partial(
            check_learning_curves, subject.learning_curves, subject, tau
        )
    if not found:
        raise TypeError(
            "subject must be law-like (a support and a stieltjes, density, cdf or quantile) or a "
            f"model of this package, got {_checks.shown(subject)}"
        )
    return {name: _with(check, options) for name, check in found.items()}


def _with(check: Any, options: dict[str, Any]) -> Check:
    import inspect

    taken = inspect.signature(check.func).parameters
    return partial(check, **{name: value for name, value in options.items() if name in taken})


def _checks_of_law(law: Any) -> dict[str, Check]:
    named: dict[str, Any] = {
        name: next((getattr(law, n) for n in names if hasattr(law, n)), None)
        for name, names in _NAMES.items()
    }
    functions = {name: function for name, function in named.items() if function is not None}
    if not functions or not hasattr(law, "support"):
        return {}
    support = np.asarray(law.support() if callable(law.support) else law.support, dtype=float)
    atoms = np.asarray(getattr(law, "atoms", np.empty((0, 2))), dtype=float).reshape(-1, 2)
    pieces = support if support.size else atoms[:, [0, 0]]
    known: dict[str, Any] = {"atoms": atoms}
    found: dict[str, Check] = {}
    if "stieltjes" in functions:
        found["stieltjes"] = partial(check_stieltjes, functions["stieltjes"], pieces, **known)
    if "density" in functions:
        masses = {"masses": law.masses} if hasattr(law, "masses") and support.size else {}
        found["density"] = partial(check_density, functions["density"], pieces, **known, **masses)
    if "cdf" in functions:
        found["cdf"] = partial(check_cdf, functions["cdf"], pieces, **known)
    if "quantile" in functions:
        found["quantile"] = partial(check_quantile, functions["quantile"], pieces, **known)
    if len(functions) > 1:
        found["consistency"] = partial(check_consistency, pieces, **functions, **known)
    if hasattr(law, "integrate"):
        extra: dict[str, Any] = (
            {"stieltjes": functions["stieltjes"]} if "stieltjes" in functions else {}
        )
        held = np.concatenate([pieces, atoms[:, [0, 0]]])
        found["linear_statistic"] = partial(check_linear_statistic, law.integrate, held, **extra)
    return found


def check(subject: Any, *, raise_: bool = False, **options: Any) -> list[Finding]:
    """All findings of all checks that apply to an object; see `checks_for`.

    Raises
    ------
    TypeError
        If no check applies.
    InvariantError
        On request.

    Examples
    --------
    >>> import scipy.stats
    >>> from rmtspec.testing import invariants
    >>> invariants.failed(invariants.check(scipy.stats.beta(2.0, 3.0)))
    []
    """
    return settled(
        [each for one in checks_for(subject, **options).values() for each in one()], raise_
    )


def parametrize(subjects: Iterable[Any], **options: Any) -> pytest.MarkDecorator:
    """Decorator of a test over every subject and every check that applies to it.

    The test takes `subject` and `check`; calling `check()` raises `InvariantError` if an invariant
    fails.  pytest is imported when this is called.

    Parameters
    ----------
    subjects : iterable of objects, as `checks_for` takes them
    **options : for all checks that take them

    Raises
    ------
    TypeError
        If no check applies to a subject.

    Examples
    --------
    >>> import rmtspec as rs
    >>> from rmtspec.testing import invariants
    >>> laws = [rs.SampleCovariance(c, rs.PopulationSpectrum([1.0])).spectrum() for c in (0.5, 2.0)]
    >>> @invariants.parametrize(laws)
    ... def test_law(subject, check):
    ...     check()
    """
    import pytest

    cases = [
        pytest.param(subject, partial(one, raise_=True), id=f"{type(subject).__name__}{i}-{name}")
        for i, subject in enumerate(subjects)
        for name, one in checks_for(subject, **options).items()
    ]
    return pytest.mark.parametrize(("subject", "check"), cases)

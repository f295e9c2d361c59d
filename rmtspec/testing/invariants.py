"""Checks of any Stieltjes transform, density, distribution function, quantile or learning curve.

They take functions, from this package or any other, and return a list of `Finding`; a right
answer has none that fails.  Every tolerance is made of the accuracy that the function claims
(`rtol`, `atol`), of rounding, and of what the step that a check takes leaves out.

*Any law*: `check_stieltjes`, `check_density`, `check_cdf`, `check_quantile`, `check_consistency`,
`check_linear_statistic`, `check_equation`.  *Learning curves*: `check_curve`,
`check_learning_curves`.  *A known model*: `check_sample_covariance`, `check_random_feature`.
*Whatever applies*: `check`, `checks_for`, `parametrize`.
"""

from .curves import check_curve, check_equation, check_learning_curves, check_linear_statistic
from .ensembles import check_random_feature, check_sample_covariance, marchenko_pastur
from .findings import Finding, InvariantError, failed, raise_on
from .laws import check_cdf, check_consistency, check_density, check_quantile
from .moments import covariance_moments, gram_moments
from .suites import check, checks_for, parametrize
from .transforms import check_stieltjes

__all__ = [
    "Finding",
    "InvariantError",
    "check",
    "check_cdf",
    "check_consistency",
    "check_curve",
    "check_density",
    "check_equation",
    "check_learning_curves",
    "check_linear_statistic",
    "check_quantile",
    "check_random_feature",
    "check_sample_covariance",
    "check_stieltjes",
    "checks_for",
    "covariance_moments",
    "failed",
    "gram_moments",
    "marchenko_pastur",
    "parametrize",
    "raise_on",
]

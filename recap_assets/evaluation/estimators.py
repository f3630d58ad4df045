"""The metrics of the table: which scores each is a mean of, and which way is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.nearest import did_you_mean


@dataclass(frozen=True)
class Estimator:
    """`score` names the per-sample score (None: computed from features); `macro` averages within
    labels first."""

    score: str | None
    macro: bool
    higher_is_better: bool


ESTIMATORS: dict[str, Estimator] = {
    "soa_c": Estimator("soa", macro=True, higher_is_better=True),
    "soa_i": Estimator("soa", macro=False, higher_is_better=True),
    "ca": Estimator("ca", macro=False, higher_is_better=False),
    "count_accuracy": Estimator("count_accuracy", macro=False, higher_is_better=True),
    "extra_objects": Estimator("extra_objects", macro=False, higher_is_better=False),
    "pa_geo": Estimator("pa_geo", macro=True, higher_is_better=True),
    "exact_scene": Estimator("exact_scene", macro=False, higher_is_better=True),
    "fid": Estimator(None, macro=False, higher_is_better=False),
}


def check_metrics(names: Sequence[str]) -> None:
    """Refuse names that are not metrics.

    Raises:
        UserError: naming the nearest metric.
    """
    for name in names:
        if name not in ESTIMATORS:
            hint = did_you_mean(name, ESTIMATORS)
            raise UserError(
                f"evaluation.metrics: unknown metric {name!r}{hint}; use {', '.join(ESTIMATORS)}"
            )

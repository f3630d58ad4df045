from __future__ import annotations

from typing import Any

import polars as pl
import pytest
import torch

from recap_assets.captioning.stopping import Standing
from recap_assets.captioning.tune import TuneResult, tune
from recap_assets.experiment.captioner_settings import Tune
from recap_assets_tests.captioning.human_set import human, misleading
from recap_assets_tests.captioning.pictures import PREFIXES, small


def run(frame: pl.DataFrame, **changes: Any) -> TuneResult:
    told = {"steps": 200, "lr": 3e-3, "batch": 8, "dropout": 0.0, "validate_every": 10, **changes}
    return tune(small(), frame, list(PREFIXES), Tune.model_validate(told))


@pytest.fixture(scope="module")
def stopped() -> TuneResult:
    return run(misleading(), patience=3)


def test_more_cider_is_better_and_with_equal_cider_less_loss() -> None:
    standings = [Standing(1, 2.0, 1.0), Standing(2, 2.0, 1.5), Standing(3, 1.9, 0.1)]
    for i, one in enumerate(standings):
        for j, other in enumerate(standings):
            assert one.beats(other) == (i < j)
    assert Standing(1, None, 1.0).beats(Standing(2, None, 1.1))
    assert not Standing(2, None, 1.0).beats(Standing(1, None, 1.0))


def test_tuning_stops_after_so_many_scores_without_a_better_one(stopped: TuneResult) -> None:
    steps = [standing.step for standing in stopped.standings]
    assert steps == list(range(10, len(stopped.losses) + 1, 10))
    assert len(stopped.losses) < 200
    best = max(stopped.standings, key=lambda one: (one.cider or 0.0, -one.loss))
    assert [one.step for one in stopped.standings[-3:]] == [best.step + n for n in (10, 20, 30)]
    assert stopped.stopping == (
        f"Tuning ended after step {best.step + 30}; the weights are those of step {best.step}, "
        "best by mean CIDEr of the styles, then validation loss."
    )


@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_weights_are_those_of_the_best_score(method: str) -> None:
    how = {"method": method, "rank": 4, "steps": 60, "lr": 1e-2, "patience": 2}
    ended = run(misleading(), **how)
    best = max(ended.standings, key=lambda one: (one.cider or 0.0, -one.loss))
    again = run(misleading(), **(how | {"patience": None, "validate_every": None}))
    assert ended.losses == again.losses[: len(ended.losses)]
    ciders = [one["cider"] or 0.0 for one in ended.validation.values()]
    assert sum(ciders) / len(ciders) == pytest.approx(best.cider)
    if best.step < 60:
        weights = [list(r.captioner.family.model.parameters()) for r in (ended, again)]
        assert not all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


def test_a_step_that_is_to_be_kept_is_reached(stopped: TuneResult) -> None:
    last = len(stopped.losses) + 25
    result = run(misleading(), patience=3, checkpoints=[last])
    assert len(result.losses) >= last
    assert result.losses[: len(stopped.losses)] == stopped.losses


def test_without_patience_the_last_weights_are_kept() -> None:
    result = run(misleading(), steps=25, checkpoints=[25])
    assert [one.step for one in result.standings] == [10, 20, 25]
    assert result.stopping is None
    ciders = [one["cider"] or 0.0 for one in result.validation.values()]
    assert sum(ciders) / len(ciders) == pytest.approx(result.standings[-1].cider)


def test_without_validation_captions_nothing_stops_and_that_is_said() -> None:
    result = run(human().filter(pl.col("split") == "train"), steps=12, patience=1)
    assert len(result.losses) == 12 and result.standings == []
    assert result.stopping == ("No early stopping: no human captions are held out for validation.")


def test_where_cider_says_nothing_the_loss_decides() -> None:
    alone = misleading().filter((pl.col("split") == "train") | (pl.col("uid") == "u0"))
    result = run(alone, patience=2)
    assert all(one.cider is None for one in result.standings)
    best = min(result.standings, key=lambda one: one.loss)
    assert result.standings[-1].step == best.step + 20 < 200
    assert result.stopping is not None
    assert "best by validation loss, for the captions do not differ" in result.stopping

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from recap_assets.evaluation.estimators import ESTIMATORS
from recap_assets.evaluation.frechet_bootstrap import distances
from recap_assets.evaluation.scores import SCHEMA, score
from recap_assets.evaluation.soa import count, soa_c, soa_i
from recap_assets.evaluation.table import (
    DIFFERENCES,
    ROWS,
    Measured,
    Meta,
    Source,
    differences,
    metric_rows,
)
from recap_assets.experiment.errors import UserError
from recap_assets_tests.evaluation.judged import asks, at

LABELS = ("cat", "dog", "cow")
CONTROL = "alttext-both-s0"
META = {
    "base": Meta("set1", sampler="ddim", steps=20, cfg=4.0, checkpoint="c0"),
    CONTROL: Meta("set1", 0, "m1", "ddim", 20, 4.0, "c1", '{"alt": 1}'),
    "real": Meta("set1"),
}
DETECTOR, EXTRACTOR = Source("yolos:0", "d0"), Source("vit:0", "e0")


def prompts(n: int = 30) -> list:
    pairs = [(LABELS[i % 3], LABELS[(i + 1 + i % 2) % 3]) for i in range(n)]
    return [asks(f"p{i}", {a: 1 + i % 2, b: 1}, (a, "left", b)) for i, (a, b) in enumerate(pairs)]


def drawn(skill: float, seed: int) -> list:
    """Two samples a prompt by a painter who places each asked object with probability `skill`."""
    rng = np.random.default_rng(seed)
    samples = []
    for prompt in prompts():
        a, _, b = prompt.relations[0]
        wanted = [at(a, 10, 10)] * prompt.objects[a] + [at(b, 50, 10)]
        samples.append([[d for d in wanted if rng.random() < skill] for _ in range(2)])
    return samples


def measured() -> Measured:
    rng = np.random.default_rng(0)
    skills = {"base": 0.4, CONTROL: 0.6, "real": 1.0}
    frames = [score(arm, prompts(), drawn(skill, 1)) for arm, skill in skills.items()]
    features = {arm: rng.normal(size=(60, 5)) - skill for arm, skill in skills.items()}
    reference = rng.normal(size=(60, 5)) - 1.0
    return Measured(pl.concat(frames), DETECTOR, distances(features, reference), EXTRACTOR)


@pytest.fixture(scope="module")
def everything() -> Measured:
    return measured()


@pytest.fixture(scope="module")
def rows(everything: Measured) -> pl.DataFrame:
    return metric_rows(everything, META)


def test_the_columns_are_frozen(rows: pl.DataFrame) -> None:
    assert ",".join(rows.columns) == (
        "arm,metric,value,ci_low,ci_high,n,seed,prompt_set,caption_set,extractor,"
        "extractor_revision,sampler,steps,cfg,checkpoint,mix,step"
    )
    assert ",".join(DIFFERENCES) == "arm,control,metric,delta,ci_low,ci_high,n,step"
    assert dict(rows.schema) == ROWS
    assert {str(ROWS[name]) for name in ("n", "seed", "steps")} == {"Int64"}


def test_every_arm_has_every_metric_with_an_interval_around_it(rows: pl.DataFrame) -> None:
    assert rows.select("arm", "metric").rows() == [(a, m) for a in META for m in ESTIMATORS]
    assert rows.filter(pl.col("ci_low") > pl.col("value") + 1e-12).is_empty()
    assert rows.filter(pl.col("ci_high") < pl.col("value") - 1e-12).is_empty()
    assert set(rows["n"]) == {60}
    real = {row["metric"]: row["value"] for row in rows.filter(arm="real").to_dicts()}
    for metric, estimator in ESTIMATORS.items():
        if metric != "fid":
            perfect = 1.0 if estimator.higher_is_better else 0.0
            assert real[metric] == perfect


def test_meta_and_source_are_on_the_row(rows: pl.DataFrame) -> None:
    row = rows.row(by_predicate=(pl.col("arm") == CONTROL) & (pl.col("metric") == "ca"), named=True)
    about = {name: row[name] for name in rows.columns[6:]}
    assert about == {
        "seed": 0,
        "prompt_set": "set1",
        "caption_set": "m1",
        "extractor": "yolos:0",
        "extractor_revision": "d0",
        "sampler": "ddim",
        "steps": 20,
        "cfg": 4.0,
        "checkpoint": "c1",
        "mix": '{"alt": 1}',
        "step": None,
    }
    assert set(rows.filter(metric="fid")["extractor_revision"]) == {"e0"}
    assert rows.filter(arm="real")["checkpoint"].is_null().all()


def test_object_accuracy_is_that_of_the_definition(rows: pl.DataFrame) -> None:
    pairs = [
        (prompt, found)
        for prompt, samples in zip(prompts(), drawn(0.4, 1), strict=True)
        for found in samples
    ]
    base = {row["metric"]: row["value"] for row in rows.filter(arm="base").to_dicts()}
    assert base["soa_c"] == pytest.approx(soa_c(count(pairs), LABELS))
    assert base["soa_i"] == pytest.approx(soa_i(count(pairs)))
    assert 0.3 < base["soa_c"] < 0.7


def test_a_metric_that_is_not_defined_has_no_row(everything: Measured) -> None:
    bare = Measured(pl.DataFrame(schema=SCHEMA))
    assert metric_rows(bare, META).is_empty()
    assert dict(metric_rows(bare, META).schema) == ROWS
    no_reference = Measured(everything.scores)
    assert "fid" not in set(metric_rows(no_reference, META)["metric"])
    unplaced = score("base", [asks("p", {"cat": 1})], [[[at("cat", 1, 1)]]])
    found = set(metric_rows(Measured(unplaced), {"base": META["base"]})["metric"])
    assert found == set(ESTIMATORS) - {"pa_geo", "fid"}


def test_differences_are_of_the_values_and_leave_out_the_control(
    everything: Measured, rows: pl.DataFrame
) -> None:
    deltas = differences(everything, META, CONTROL)
    assert dict(deltas.schema) == DIFFERENCES
    assert deltas.select("arm", "metric").rows() == [
        (arm, metric) for arm in ("base", "real") for metric in ESTIMATORS
    ]
    values = {(row["arm"], row["metric"]): row["value"] for row in rows.to_dicts()}
    for row in deltas.to_dicts():
        expected = values[row["arm"], row["metric"]] - values[CONTROL, row["metric"]]
        assert row["delta"] == pytest.approx(expected)
        assert row["n"] == (60 if row["metric"] == "fid" else 30)
    exact = deltas.row(by_predicate=(pl.col("arm") == "real") & (pl.col("metric") == "soa_c"))
    assert exact[4] > 0, "a perfect painter is better beyond doubt"


def test_an_arm_on_other_prompts_has_no_difference() -> None:
    frames = [
        score(arm, [asks(arm, {"cat": 1})], [[[at("cat", 1, 1)]]]) for arm in ("base", CONTROL)
    ]
    assert differences(Measured(pl.concat(frames)), META, CONTROL).is_empty()


def test_sets_of_unequal_size_have_no_difference_in_fid(everything: Measured) -> None:
    fewer = {"real": replace(everything.distances["real"], pictures=30)}
    unequal = Measured(everything.scores, distances={**everything.distances, **fewer})
    assert differences(unequal, META, CONTROL, ["fid"])["arm"].to_list() == ["base"]


def test_mistakes_are_named(everything: Measured) -> None:
    with pytest.raises(UserError, match="did you mean 'soa_c'"):
        metric_rows(everything, META, ["soac"])
    with pytest.raises(UserError, match="use soa_c"):
        differences(everything, META, CONTROL, ["xyzzy"])
    with pytest.raises(UserError, match="gone"):
        differences(everything, META, "gone")


def test_a_single_arm_has_the_same_row_as_among_others(
    everything: Measured, rows: pl.DataFrame
) -> None:
    alone = metric_rows(everything, {"base": META["base"]}, ["soa_c", "ca"])
    assert alone.equals(
        rows.filter(pl.col("arm") == "base", pl.col("metric").is_in(["soa_c", "ca"]))
    )


def by_steps() -> tuple[Measured, dict[str, Meta]]:
    """A control and a mix at several steps, one of which the control lacks, and the base."""
    skills = {("alttext", 100): 0.3, ("alttext", 300): 0.5, ("mix", 100): 0.4, ("mix", 200): 0.6}
    skills[("mix", 300)] = 0.9
    meta = {"base": Meta("set1")}
    frames = [score("base", prompts(), drawn(0.2, 1))]
    for (name, step), skill in skills.items():
        arm = f"{name}-both-s0"
        row = arm if step == 300 else f"{arm}-step{step}"
        meta[row] = Meta("set1", 0, arm=arm, step=step)
        frames.append(score(row, prompts(), drawn(skill, 1)))
    return Measured(pl.concat(frames)), meta


def test_an_arm_has_a_row_a_step() -> None:
    measured, meta = by_steps()
    found = metric_rows(measured, meta, ["soa_i"])
    assert found.select("arm", "step").rows() == [
        ("base", None),
        ("alttext-both-s0", 100),
        ("alttext-both-s0", 300),
        ("mix-both-s0", 100),
        ("mix-both-s0", 200),
        ("mix-both-s0", 300),
    ]
    assert found["value"].is_sorted() is False
    mix = found.filter(arm="mix-both-s0").sort("step")["value"]
    assert mix.is_sorted()


def test_steps_are_compared_with_the_controls_equal_steps() -> None:
    measured, meta = by_steps()
    values = {
        (arm, step): value
        for arm, step, value in metric_rows(measured, meta, ["soa_i"])
        .select("arm", "step", "value")
        .iter_rows()
    }
    deltas = differences(measured, meta, CONTROL, ["soa_i"])
    found = {(arm, step): delta for arm, step, delta in deltas["arm", "step", "delta"].iter_rows()}
    assert found == {
        ("base", None): pytest.approx(values["base", None] - values[CONTROL, 300]),
        ("mix-both-s0", 100): pytest.approx(values["mix-both-s0", 100] - values[CONTROL, 100]),
        ("mix-both-s0", 300): pytest.approx(values["mix-both-s0", 300] - values[CONTROL, 300]),
    }
    assert set(deltas["control"]) == {CONTROL}


def test_every_step_is_compared_with_a_control_that_was_never_trained() -> None:
    measured, meta = by_steps()
    assert differences(measured, meta, "base", ["soa_i"]).height == 5

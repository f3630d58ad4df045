"""A shard with too many bad rows is seen in Dagster and keeps training from spending money."""

from __future__ import annotations

import dagster as dg
import pytest

from recap_assets.defs.execute import Outcome
from recap_assets.experiment.project import Project
from recap_assets_tests import small_project
from recap_assets_tests.small_project import CAPTIONS, Samples, change, edit, files, run, tar

pytestmark = pytest.mark.slow

ARMS = ["alttext-both-s0", "long-both-s0", "mix-both-s0"]


def failing(project: Project, asset: str, check: str) -> dict[str | None, str]:
    """The partitions whose last check failed, and what it says."""
    key = dg.AssetCheckKey(dg.AssetKey(asset), check)
    found: dict[str | None, str] = {}
    with small_project.opened(project) as instance:
        history = instance.event_log_storage.get_asset_check_execution_history(key, limit=20)
    for record in reversed(history):
        assert record.event is not None
        assert record.event.dagster_event is not None
        evaluation = record.event.dagster_event.asset_check_evaluation_data
        found.pop(record.partition, None)
        if not evaluation.passed:
            found[record.partition] = str(evaluation.description)
    return found


def errors(outcome: Outcome) -> dict[str | None, str]:
    for one in outcome.ran:
        assert one.error is None or "\n" not in one.error
    return {one.partition: one.error for one in outcome.failed if one.error}


def test_bad_captions_block_training_in_one_line(built: Project) -> None:
    before = files(built.root / "checkpoints")
    cut = change(built, "styles.long.max_tokens", 1)  # every long caption ends in mid-sentence
    strict = change(cut, "gates.caption_error_rate", 0.25)
    outcome = run(strict, CAPTIONS)
    assert not outcome.failed
    reason = (
        "50.0% of the captions are not ok (8 ok, 8 truncated), more than "
        "gates.caption_error_rate = 0.25; look at the view `quarantine`, change prompt or "
        "captioner, or raise the limit"
    )
    assert failing(strict, "recaptions", "caption_error_rate") == {
        shard: f"shard {shard}: {reason}" for shard in ("00000", "00001")
    }

    trained = run(strict, "t2i_checkpoint,samples")
    # The arm of the alt-text has what it had, and is not asked again.
    assert errors(trained) == dict.fromkeys(ARMS[1:], f"shard 00000: {reason}")
    assert {one.partition for one in trained.waiting} == set(ARMS[1:])
    assert files(built.root / "checkpoints") == before


def test_bad_pictures_block_training_in_one_line(built: Project) -> None:
    def spoil(samples: Samples) -> None:
        for key in sorted(samples)[:3]:
            samples[key]["png"] = b"no picture " + key.encode()

    before = files(built.root / "checkpoints")
    edit(tar(built, "00001"), spoil)
    outcome = run(built, f"{CAPTIONS},latents")
    assert not outcome.failed
    reason = (
        "shard 00001: 3 of 8 pictures cannot be used, more than gates.decode_error_rate = 0.3; "
        "see the view `quarantine`, mend the tar or raise the limit"
    )
    assert failing(built, "images", "decode_error_rate") == {"00001": reason}
    assert errors(run(built, "t2i_checkpoint")) == dict.fromkeys(ARMS, reason)
    assert files(built.root / "checkpoints") == before

    lenient = change(built, "gates.decode_error_rate", 0.5)
    assert errors(run(lenient, "t2i_checkpoint")) == {}


def test_no_good_caption_at_all_is_told_before_training(built: Project) -> None:
    cut = change(built, "styles.long.max_tokens", 1)
    told = errors(run(cut, f"{CAPTIONS},t2i_checkpoint"))
    reason = "style 'long': no picture has a good caption; look at the view `quarantine`"
    assert told == dict.fromkeys(ARMS[1:], reason)


def test_a_soft_gate_warns_and_stops_training_once_it_is_hard(built: Project) -> None:
    def spoil(samples: Samples) -> None:
        for key in sorted(samples)[:4]:
            samples[key]["txt"] = b"caf\xe9 " + key.encode()

    edit(tar(built, "00001"), spoil)
    assert not run(built, f"{CAPTIONS},latents").failed
    reason = (
        "shard 00001: 4 of 8 alt-texts were not UTF-8, more than gates.not_utf8_share = 0.05; "
        "write them as UTF-8 or raise the limit"
    )
    assert failing(built, "images", "not_utf8_share") == {"00001": reason}
    # The edited text is new to the arm of the alt-text, which may train.
    assert errors(run(built, "t2i_checkpoint")) == {}

    hard = change(built, "gates.hard", "not_utf8_share")
    edit(tar(built, "00001"), lambda samples: samples.pop(min(samples)) and None)
    assert not run(hard, f"{CAPTIONS},latents").failed
    told = errors(run(hard, "t2i_checkpoint"))
    assert told == dict.fromkeys(ARMS, reason.replace("4 of 8", "3 of 7"))

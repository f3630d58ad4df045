from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from recap_assets.captioning import examples, lora
from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.generate import caption
from recap_assets.captioning.load import load
from recap_assets.captioning.save import save
from recap_assets.captioning.score import scores
from recap_assets.captioning.train import PARTS, rate
from recap_assets.captioning.tune import Save, TuneResult, tune
from recap_assets.captioning.validate import Validation
from recap_assets.experiment.captioner_settings import Tune
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import seed
from recap_assets_tests.captioning.human_set import human
from recap_assets_tests.captioning.pictures import CAPTIONS, PREFIXES, images, small, walls


def run(base: Captioner, frame: pl.DataFrame, **changes: Any) -> TuneResult:
    beside = {name: changes.pop(name) for name in ("judge", "keep") if name in changes}
    how = Tune.model_validate({"steps": 4, "lr": 1e-3, "batch": 4, "seed": 1, **changes})
    return tune(base, frame, list(PREFIXES), how, **beside)


def test_tuning_teaches_the_captions_and_scores_say_so() -> None:
    base = small()
    before = [p.clone() for p in base.family.model.parameters()]
    result = run(base, human(), steps=200, lr=3e-3, batch=8, dropout=0.0)
    assert len(result.losses) == 200 and result.losses[-1] < 0.2
    assert result.validation == {
        style: scores(CAPTIONS[style], CAPTIONS[style]) for style in CAPTIONS
    }
    assert all(result.before[style]["token_f1"] < 0.7 for style in CAPTIONS)
    assert all(
        torch.equal(a, b) for a, b in zip(before, base.family.model.parameters(), strict=True)
    )
    assert result.captioner.digest == ""


def test_scores_are_those_of_its_captions() -> None:
    result = run(small(), human(), steps=30, lr=3e-3)
    for style, prefix in PREFIXES.items():
        limit = result.captioner.family.room(prefix) or 0
        got = caption(result.captioner, images(walls()), {style: (prefix, limit)})[style]
        expected = scores([g.text for g in got], CAPTIONS[style])
        assert result.validation[style]["exact"] == expected["exact"]
        assert result.validation[style]["n"] == 4


def test_same_seed_same_weights_whatever_the_order_of_rows() -> None:
    base, frame = small(), human()
    one = run(base, frame)
    again = run(base, frame.sample(fraction=1, shuffle=True, seed=3))
    other = run(base, frame, seed=2)
    assert one.losses == again.losses != other.losses
    weights = [list(r.captioner.family.model.parameters()) for r in (one, again)]
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


def test_styles_take_turns_and_an_epoch_shows_each_caption_once() -> None:
    frame = human().filter((pl.col("style") == "short") | (pl.col("uid") == "u0"))
    learn = examples.select(frame, list(PREFIXES), "train")
    batches = examples.batches(small(), learn, 8, 0)
    first, second = next(batches), next(batches)
    for inputs, at, prefixes, captions in (first, second):
        pictures = inputs["pixel_values"]
        assert list(at) == list(range(8))
        assert Counter(prefixes) == {PREFIXES["short"]: 4, PREFIXES["long"]: 4}
        assert sorted(captions[0::2]) == sorted(CAPTIONS["short"])
        assert set(captions[1::2]) == {CAPTIONS["long"][0]}
        for picture, text in zip(pictures[0::2], captions[0::2], strict=True):
            assert (picture == walls()[CAPTIONS["short"].index(text)]).all()
    orders = {tuple(next(batches)[3][0::2]) for _ in range(10)}
    assert len(orders) > 1


def test_validation_rows_are_not_trained_on() -> None:
    frame = human()
    held_out = (pl.col("uid") == "u3") == (pl.col("split") == "validation")
    learn = examples.select(frame.filter(held_out), list(PREFIXES), "train")
    assert {row.caption for rows in learn.styles.values() for row in rows} == {
        text for texts in CAPTIONS.values() for text in texts[:3]
    }


def test_a_judge_adds_numbers_by_style() -> None:
    told: dict[str, list[str]] = {}

    def judge(uids: Sequence[str], captions: Sequence[str]) -> dict[str, float | None]:
        told["uids"], told["captions"] = list(uids), list(captions)
        return {"recall": float(len(captions)), "chair_i": None}

    frame = human().filter((pl.col("style") == "short") | (pl.col("split") == "train"))
    result = run(small(), frame, judge=judge)
    assert told["uids"] == ["u0", "u1", "u2", "u3"]
    assert result.validation["short"]["recall"] == result.before["short"]["recall"] == 4.0
    assert result.validation["short"]["chair_i"] is None
    expected = scores(told["captions"], CAPTIONS["short"])
    assert result.validation["short"] == expected | {"recall": 4.0, "chair_i": None}


def test_prompts_may_differ_by_picture() -> None:
    """The walls are one and the same, so that only the prompt tells what to say."""
    frame = human().filter(pl.col("style") == "short")
    colour = pl.col("caption").str.split(" ").list.get(1)
    frame = frame.with_columns(prompt=pl.concat_str([colour, pl.lit(" wall")]))
    same = frame.with_columns(image=pl.lit(frame["image"][0]))
    how = Tune.model_validate({"steps": 150, "lr": 3e-3, "batch": 4, "dropout": 0.0})
    result = tune(small(), same, ["short"], how)
    assert result.validation["short"]["exact"] == 1.0


@pytest.mark.parametrize("part", PARTS)
def test_lora_teaches_a_captioner_that_knows_words(
    part: str, learnt: tuple[Captioner, list[float]]
) -> None:
    """Each wall gets the caption of the next one."""
    others = dict(
        zip(CAPTIONS["short"], CAPTIONS["short"][1:] + CAPTIONS["short"][:1], strict=True)
    )
    frame = human().filter(pl.col("style") == "short")
    frame = frame.with_columns(pl.col("caption").replace(others))
    how = {"method": "lora", "rank": 8, "train": [part], "lr": 1e-2, "dropout": 0.0}
    how |= {"steps": 60, "batch": 4}
    result = tune(learnt[0], frame, ["short"], Tune.model_validate(how))
    assert result.before["short"]["exact"] == 0.0
    assert result.validation["short"]["exact"] == 1.0


def test_lora_learns_what_a_plain_loop_learns() -> None:
    """Losses within 1e-5 of a loop over peft's model with torch's AdamW, for the same draws."""
    how = Tune.model_validate(
        {"method": "lora", "rank": 4, "alpha": 8.0, "lr": 1e-2, "steps": 10, "batch": 4}
        | {"dropout": 0.0, "seed": 1}
    )
    result = tune(small(), human(), list(PREFIXES), how)
    plain = small()
    learn = examples.select(human(), list(PREFIXES), "train")
    adapter = lora.attach(
        plain.family, PARTS, rank=4, alpha=8.0, dropout=0.0, seed=seed("captioner adapter", 1)
    )
    moving = [one for one in adapter.peft.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(moving, lr=1e-2, betas=(0.9, 0.98), weight_decay=0.01)
    expected = []
    for step, batch in zip(range(10), examples.batches(plain, learn, 4, 1), strict=False):
        loss = plain.family.loss(*batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(moving, 1.0)
        optimizer.param_groups[0]["lr"] = 1e-2 * rate(step, 10, 1)
        optimizer.step()
        expected.append(loss.item())
    assert result.losses == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_kept_steps_are_the_weights_after_them(method: str, tmp_path: Path) -> None:
    save(small(), tmp_path / "base", {})
    base = load(tmp_path / "base")

    def keep(step: int, write: Save) -> None:
        (tmp_path / str(step)).mkdir()
        write(tmp_path / str(step))

    def loaded(folder: Path) -> Captioner:
        return load(tmp_path / "base", None, folder) if method == "lora" else load(folder)

    def validated(captioner: Captioner) -> float:
        return Validation(examples.select(human(), list(PREFIXES), "validation")).loss(captioner, 4)

    result = run(
        base, human(), steps=9, method=method, checkpoints=[3, 9], validate_every=3, keep=keep
    )
    result.save(tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir() if one.name.isdigit()) == ["3", "9"]
    losses = {standing.step: standing.loss for standing in result.standings}
    assert set(losses) == {3, 6, 9}
    for step in (3, 9):
        assert validated(loaded(tmp_path / str(step))) == pytest.approx(losses[step], rel=1e-5)
    assert validated(loaded(tmp_path)) == pytest.approx(losses[9], rel=1e-5)
    assert losses[9] < losses[3]


def test_looking_on_changes_nothing() -> None:
    plain = run(small(), human(), steps=6, dropout=0.3)
    watched = run(small(), human(), steps=6, dropout=0.3, validate_every=1, checkpoints=[2, 4])
    assert watched.losses == plain.losses
    assert watched.validation == plain.validation
    assert len(watched.standings) == 6 and plain.standings == []
    weights = [list(r.captioner.family.model.parameters()) for r in (plain, watched)]
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


def test_no_validation_rows_no_scores() -> None:
    frame = human().filter((pl.col("split") == "train") | (pl.col("style") == "short"))
    assert set(run(small(), frame).validation) == {"short"}
    assert run(small(), frame.filter(pl.col("split") == "train")).validation == {}


def test_a_style_without_captions_is_named() -> None:
    with pytest.raises(UserError, match="style 'long': no human captions to train on"):
        run(small(), human().filter(pl.col("style") == "short"))


def test_a_damaged_picture_is_named() -> None:
    damaged = pl.when(pl.col("uid") == "u2").then(pl.lit(b"no picture")).otherwise("image")
    with pytest.raises(UserError, match="human caption of u2: its picture"):
        run(small(), human().with_columns(damaged.alias("image")))

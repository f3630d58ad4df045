from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl
import pytest
import torch

from recap_assets.captioning import examples
from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.generate import caption
from recap_assets.captioning.score import scores
from recap_assets.captioning.tune import TuneResult, tune
from recap_assets.experiment.captioner_settings import Tune
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captioning.pictures import CAPTIONS, PREFIXES, images, png, small, walls


def human() -> pl.DataFrame:
    """The walls with both captions; every picture is in both splits, so that learning it shows."""
    pictures = [png(picture) for picture in walls()]
    return pl.DataFrame(
        [
            {
                "uid": f"u{i}",
                "style": style,
                "prompt": PREFIXES[style],
                "caption": text,
                "split": split,
                "image": pictures[i],
            }
            for style, texts in CAPTIONS.items()
            for i, text in enumerate(texts)
            for split in ("train", "validation")
        ]
    )


def run(base: Captioner, frame: pl.DataFrame, **changes: Any) -> TuneResult:
    settings = {"steps": 4, "lr": 1e-3, "batch": 4, "seed": 1, **changes}
    return tune(base, frame, list(PREFIXES), Tune(**settings))


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

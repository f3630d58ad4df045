"""Fine-tuning a captioner on human captions, and how well it then says what people said."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from PIL import Image

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.families.family import Inputs
from recap_assets.captioning.generate import caption
from recap_assets.captioning.read import read
from recap_assets.captioning.score import Scores, scores
from recap_assets.captioning.train import PARTS, Batch, train
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import seed as seed_of
from recap_assets.images.decode import DecodeError, decode

# A tuned captioner that says more than this many tokens above the longest human caption is cut.
_SLACK = 8


@dataclass(frozen=True)
class TuneResult:
    """The tuned captioner, its training losses, and its scores by style after and before tuning."""

    captioner: Captioner
    losses: list[float]
    validation: dict[str, Scores]
    before: dict[str, Scores]


@dataclass(frozen=True)
class _Set:
    """One split: its pictures, and (number of the picture, caption) by style."""

    pictures: list[Image.Image]
    captions: dict[str, list[tuple[int, str]]]


def tune(
    base: Captioner,
    human: pl.DataFrame,
    prompts: Mapping[str, str],
    *,
    steps: int,
    lr: float,
    batch: int,
    dropout: float = 0.1,
    seed: int = 0,
    parts: Sequence[str] = PARTS,
    progress: Callable[[int, float], None] | None = None,
) -> TuneResult:
    """Train a copy of `base` on the train split and score it on the validation split.

    Args:
        human: columns uid, style, caption, split ("train" or "validation") and image (encoded
            bytes). The order of its rows does not matter.
        prompts: style -> text prefix; rows of other styles are left out.
        batch: captions per step, shared out evenly over the styles.
        parts: the weights that move (`train.PARTS`).

    The rate warms up over the first tenth of the steps. A style without validation rows has no
    scores.

    Raises:
        UserError: if a style has no captions to train on, or a picture cannot be decoded.
    """
    learn = _select(human, prompts, "train")
    for style in prompts:
        if not learn.captions[style]:
            raise UserError(
                f"style {style!r}: no human captions to train on; write some, or name another style"
            )
    held_out = _select(human, prompts, "validation")
    tuned = Captioner(copy.deepcopy(base.family), base.settings)
    losses = train(
        tuned,
        _batches(tuned, learn, prompts, batch, seed),
        lr=lr,
        steps=steps,
        warmup=steps // 10,
        dropout=dropout,
        seed=seed_of("captioner dropout", seed),
        parts=parts,
        progress=progress,
    )
    before, after = (_validate(captioner, held_out, prompts) for captioner in (base, tuned))
    return TuneResult(tuned, losses, after, before)


def _select(human: pl.DataFrame, prompts: Mapping[str, str], split: str) -> _Set:
    rows = human.filter(pl.col("split") == split, pl.col("style").is_in(list(prompts)))
    rows = rows.sort("style", "uid", "caption")
    images = dict(zip(rows["uid"], rows["image"], strict=True))
    number = {uid: i for i, uid in enumerate(images)}
    captions: dict[str, list[tuple[int, str]]] = {style: [] for style in prompts}
    for style, uid, text in rows.select("style", "uid", "caption").iter_rows():
        captions[style].append((number[uid], text))
    return _Set([_picture(uid, image) for uid, image in images.items()], captions)


def _picture(uid: str, image: bytes) -> Image.Image:
    try:
        return decode(image)
    except DecodeError as error:
        raise UserError(
            f"human caption of {uid}: its picture {error.reason}; replace it or leave it out"
        ) from error


def _batches(
    captioner: Captioner, data: _Set, prompts: Mapping[str, str], size: int, seed: int
) -> Iterator[Batch]:
    """Endless batches that take the styles in turn, each from its own shuffled epochs."""
    streams = [(prompts[s], _epochs(data.captions[s], seed_of("epochs", seed, s))) for s in prompts]
    shown: list[Inputs] = [read(captioner, [picture]) for picture in data.pictures]
    turn = 0
    while True:
        picked = []
        for _ in range(size):
            prefix, stream = streams[turn % len(streams)]
            picked.append((prefix, *next(stream)))
            turn += 1
        prefixes, numbers, texts = zip(*picked, strict=True)
        inputs = captioner.family.reader.collate([shown[number] for number in numbers])
        yield inputs, range(size), prefixes, texts


def _epochs(rows: list[tuple[int, str]], seed: int) -> Iterator[tuple[int, str]]:
    """Every row once in a random order, then again in another, without end."""
    random = np.random.default_rng(seed)
    while True:
        for i in random.permutation(len(rows)):
            yield rows[i]


def _validate(captioner: Captioner, data: _Set, prompts: Mapping[str, str]) -> dict[str, Scores]:
    filled = {style: rows for style, rows in data.captions.items() if rows}
    limits = {
        style: (prompts[style], _limit(captioner, prompts[style], rows))
        for style, rows in filled.items()
    }
    generated = caption(captioner, data.pictures, limits)
    return {
        style: scores([generated[style][i].text for i, _ in rows], [text for _, text in rows])
        for style, rows in filled.items()
    }


def _limit(captioner: Captioner, prompt: str, rows: list[tuple[int, str]]) -> int:
    family = captioner.family
    texts = [text for _, text in rows]
    tokens = family.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    longest = max(map(len, tokens)) + _SLACK
    room = family.room(prompt)
    return longest if room is None else min(longest, room)

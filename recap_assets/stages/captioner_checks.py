"""The checks of a tuned captioner: whether people wrote enough, and whether tuning paid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from recap_assets.captions.human import FEW
from recap_assets.experiment.project import Project
from recap_assets.stages import lessons
from recap_assets.stages.stage import Check

ENOUGH, PAID = "enough_human_captions", "tuning_paid"
CHECKS = (ENOUGH, PAID)
_MEASURES = ("cider", "token_f1")


def checks(project: Project, name: str, card: Mapping[str, Any]) -> tuple[Check, ...]:
    """Both checks of a captioner, by what was written down when it was tuned."""
    counts = _counts(project, name)
    few = [f"captioner {name}: {text}" for text in _few(counts)]
    worse = [f"captioner {name}: {text}" for text in _worse(counts, card)]
    learnt = {f"{style}, {split}": float(n) for (style, split), n in counts.items()}
    return (
        Check(ENOUGH, learnt, "; ".join(few) or None, hard=False),
        Check(PAID, _gains(card), "; ".join(worse) or None, hard=False),
    )


def untuned() -> tuple[Check, ...]:
    """The checks of a captioner that is used as it comes."""
    return tuple(Check(name, {}, None, hard=False) for name in CHECKS)


def _counts(project: Project, name: str) -> dict[tuple[str, str], int]:
    """How many captions each style has to learn from and to be held against."""
    rows = lessons.rows(project, name).group_by("style", "split").len()
    found = {(style, split): n for style, split, n in rows.iter_rows()}
    splits = ("train", "validation")
    return {(s, p): found.get((s, p), 0) for s in lessons.prompts(project, name) for p in splits}


def _few(counts: Mapping[tuple[str, str], int]) -> Iterator[str]:
    for (style, split), n in counts.items():
        if split == "train" and n < FEW:
            yield (
                f"{n} human captions of style {style} are few to learn from; it may learn them by "
                "heart: write more, 100 are a good start"
            )
        if split == "validation" and not n:
            yield (
                f"style {style} has no validation captions, so nobody knows how well it does; "
                "set human.validation above 0"
            )


def _worse(counts: Mapping[tuple[str, str], int], card: Mapping[str, Any]) -> Iterator[str]:
    for style, measure, before, after in _compared(card):
        if after < before:
            n = counts[style, "validation"]
            yield (
                f"{measure} of style {style} fell from {before:.3f} to {after:.3f} on {n} "
                "validation captions; lower lr or steps, set patience, or write more captions"
            )


def _gains(card: Mapping[str, Any]) -> dict[str, float]:
    return {f"{style}, {measure}": b - a for style, measure, a, b in _compared(card)}


def _compared(card: Mapping[str, Any]) -> Iterator[tuple[str, str, float, float]]:
    """Style, measure, before and after tuning; of each style the first measure that it has."""
    for style, after in card["scores"].items():
        before = card["before"][style]
        measure = next((name for name in _MEASURES if after[name] is not None), None)
        if measure is not None:
            yield style, measure, before[measure], after[measure]


def table(card: Mapping[str, Any]) -> pl.DataFrame:
    """The validation scores of each style, before and after tuning."""
    return pl.DataFrame(
        [
            {"style": style, "tuning": when, **scores}
            for when, by_style in (("before", card["before"]), ("after", card["scores"]))
            for style, scores in by_style.items()
        ]
    )

"""The two caption tables of the report page: the audit of each style, and the captioner before and
after fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recap_assets.evaluation import report_metrics

# the hyphen and the space do not break, so that narrow headings keep their arrows
_RECALL = "recall\N{NO-BREAK SPACE}\N{UPWARDS ARROW}"
_CHAIR_I, _CHAIR_S = (
    f"CHAIR\N{NON-BREAKING HYPHEN}{kind}\N{NO-BREAK SPACE}\N{DOWNWARDS ARROW}" for kind in "is"
)

# key, heading, digits; None digits: a share of 0..1 shown in percent
_AUDIT: tuple[tuple[str, str, int | None], ...] = (
    ("n", "captions", 0),
    ("words_mean", "words, mean", 1),
    ("words_p95", "words, 95th percentile", 0),
    ("vocabulary", "vocabulary", 0),
    ("distinct_share", "distinct", None),
    ("over_limit_share", "over token limit", None),
    ("recall", _RECALL, None),
    ("chair_i", _CHAIR_I, None),
    ("chair_s", _CHAIR_S, None),
    ("c2st", "C2ST", 2),
    ("c2st_length_matched", "C2ST, length matched", 2),
)
_CAPTIONER = (
    ("recall", _RECALL, 1),
    ("chair_i", _CHAIR_I, -1),
    ("chair_s", _CHAIR_S, -1),
)
_NAMES = {"base": "before", "tuned": "tuned"}


@dataclass(frozen=True)
class AuditTable:
    """Headings and, for each style, a text a heading."""

    headings: list[str]
    rows: list[tuple[str, list[str]]]


@dataclass(frozen=True)
class CaptionerTable:
    """Scores grouped by metric, a column a captioner; a cell is a text and whether it is best."""

    groups: list[str]
    captioners: list[str]
    rows: list[tuple[str, list[tuple[str, bool]]]]


def audit_table(audit: Mapping[str, Mapping[str, float | int | None]]) -> AuditTable | None:
    """The audit with the columns that hold any number, or None where none does."""
    kept = [
        column
        for column in _AUDIT
        if any(report_metrics.finite(row.get(column[0])) is not None for row in audit.values())
    ]
    if not kept:
        return None
    return AuditTable(
        [heading for _, heading, _ in kept],
        [
            (style, [_text(row.get(key), digits) for key, _, digits in kept])
            for style, row in _styles(audit)
        ],
    )


def captioner_table(
    scores: Mapping[str, Mapping[str, Mapping[str, float | None]]],
) -> CaptionerTable | None:
    """Recall and CHAIR by style, the captioners side by side, or None where there is no number."""
    names = sorted(scores, key=lambda name: (name != "base", name))
    styles = list(dict.fromkeys(style for by_style in scores.values() for style in by_style))
    found = {
        (style, key): [
            report_metrics.finite(scores[name].get(style, {}).get(key)) for name in names
        ]
        for style in styles
        for key, _, _ in _CAPTIONER
    }
    kept = [m for m in _CAPTIONER if any(v is not None for s in styles for v in found[s, m[0]])]
    if not kept:
        return None
    return CaptionerTable(
        [heading for _, heading, _ in kept],
        [_NAMES.get(name, name) for name in names],
        [
            (style, [cell for key, _, sign in kept for cell in _cells(found[style, key], sign)])
            for style in styles
        ],
    )


def _styles(
    audit: Mapping[str, Mapping[str, float | int | None]],
) -> list[tuple[str, Mapping[str, float | int | None]]]:
    return sorted(audit.items(), key=lambda item: item[0] != "alt")


def _text(value: float | int | None, digits: int | None) -> str:
    number = report_metrics.finite(value)
    if number is None:
        return report_metrics.DASH
    return f"{100 * number:.1f}%" if digits is None else f"{number:,.{digits}f}"


def _cells(values: list[float | None], sign: int) -> list[tuple[str, bool]]:
    known = [value for value in values if value is not None]
    best = max(known, key=lambda value: sign * value) if len(set(known)) > 1 else None
    return [(_text(value, None), value is not None and value == best) for value in values]

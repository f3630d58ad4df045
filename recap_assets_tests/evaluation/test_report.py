"""Tests of the report page: what it says, how honestly, and that it needs nothing but itself."""

from __future__ import annotations

import dataclasses
import io
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from recap_assets.evaluation.report import CaptionSample, GridRow, ReportData, render

_VOID = {"meta", "link", "img", "br", "col", "line", "circle", "path", "use"}
_ARMS = ("real", "base", "alttext-both-s0", "short-both-s0", "mix-both-s0", "mix-both-s1")


class _Page(HTMLParser):
    """The page as a list of (tag, attributes, text below it), failing on tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self._open: list[tuple[str, list[str]]] = []
        self.feed(html)
        self.close()
        assert not self._open, f"never closed: {[tag for tag, _ in self._open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        text: list[str] = []
        self.elements.append((tag, {name: value or "" for name, value in attrs}, text))
        if tag not in _VOID:
            self._open.append((tag, text))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}, []))

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self._open[-1][0] == tag, f"</{tag}> closes <{self._open[-1][0]}>"
            self._open.pop()

    def handle_data(self, data: str) -> None:
        for _, text in self._open:
            text.append(data)

    def texts(self, tag: str, css: str | None = None) -> list[str]:
        return [
            " ".join("".join(text).split())
            for name, attrs, text in self.elements
            if name == tag and (css is None or css in attrs.get("class", "").split())
        ]

    def attributes(self, tag: str) -> list[dict[str, str]]:
        return [attrs for name, attrs, _ in self.elements if name == tag]


def _png(seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


def _metric(
    arm: str, metric: str, value: float, half: float | None = 0.02, **more: Any
) -> dict[str, Any]:
    ends = (None, None) if half is None else (value - half, value + half)
    row = {"arm": arm, "metric": metric, "value": value, "ci_low": ends[0], "ci_high": ends[1]}
    return row | {"n": 256, "seed": 0, "prompt_set": "p256", "extractor": "base:detector"} | more


def _difference(
    arm: str, metric: str, delta: float, low: float | None, high: float | None
) -> dict[str, Any]:
    control = "alttext-both-s0"
    ends = {"ci_low": low, "ci_high": high}
    return {"arm": arm, "control": control, "metric": metric, "delta": delta, **ends, "n": 256}


def _data(**changes: Any) -> ReportData:
    values = {"real": 0.98, "base": 0.4, "alttext-both-s0": 0.431, "short-both-s0": 0.55}
    soa = values | {"mix-both-s0": 0.731, "mix-both-s1": 0.699}
    fid = dict(zip(_ARMS, (1.5, 30.0, 28.0, 19.25, 21.0, 22.0), strict=True))
    whole = ReportData(
        title="a data set",
        created="2025-01-02 03:04 UTC",
        metrics=pl.DataFrame(
            [_metric(arm, "soa_c", soa[arm]) for arm in _ARMS]
            + [_metric(arm, "fid", fid[arm], 1.0) for arm in _ARMS]
        ),
        differences=pl.DataFrame(
            [
                _difference("mix-both-s0", "soa_c", 0.3, 0.262, 0.338),
                _difference("short-both-s0", "fid", -8.75, -10.0, -7.5),
            ]
        ),
        grid=[GridRow("two red circles", {arm: _png(1) for arm in _ARMS})],
        captions=[
            CaptionSample(_png(2), {"alt": "IMG_1.jpg", "short": "a red circle", "long": ""})
        ],
        audit={"short": {"n": 2400, "words_mean": 7.06, "recall": 0.742, "c2st": None}},
        captioner={
            "base": {"short": {"recall": 0.31, "chair_i": 0.3, "chair_s": None}},
            "tuned": {"short": {"recall": 0.742, "chair_i": 0.061, "chair_s": None}},
        },
        provenance=[("captioner", "8c1f0b7e24aa")],
    )
    return dataclasses.replace(whole, **changes)


def _with_losses() -> ReportData:
    return _data(losses={"mix-both-s0": [(1, 0.9), (2, 0.4)], "recap": [(1, 3.0), (2, 1.0)]})


def _headline(data: ReportData) -> str:
    return _Page(render(data)).texts("p", "headline")[0].replace("\N{NON-BREAKING HYPHEN}", "-")


def test_page_is_well_formed_and_whole() -> None:
    page = _Page(render(_with_losses()))
    headings = page.texts("h2")
    wanted = [
        "Metrics",
        "Differences to the control",
        "Pictures",
        "Captions",
        "Caption audit",
        "Losses",
    ]
    assert headings[: len(wanted)] == wanted
    assert page.texts("h1") == ["a data set"]
    ids = [attrs["id"] for _, attrs, _ in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    anchors = {attrs["href"][1:] for attrs in page.attributes("a")}
    assert anchors
    assert anchors <= set(ids)


def test_page_asks_nothing_of_the_network() -> None:
    html = render(_with_losses())
    page = _Page(html)
    for _, attrs, _ in page.elements:
        for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            assert attrs.get(name, "#").startswith(("#", "data:"))
    assert "http:" not in html
    assert "https:" not in html
    assert "@import" not in html
    assert not page.attributes("script")
    assert set(re.findall(r"url\((.)", html)) <= {"#"}


def test_every_image_has_words_and_every_table_scopes() -> None:
    page = _Page(render(_data()))
    assert page.attributes("img")
    assert all(attrs["alt"].strip() for attrs in page.attributes("img"))
    assert all(
        attrs.get("scope") in {"col", "row", "rowgroup", "colgroup"}
        for attrs in page.attributes("th")
    )


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", '"><img src=x onerror=y>', "{{ 7*7 }}", "</style>"]
)
def test_foreign_text_is_shown_and_never_run(hostile: str) -> None:
    data = _data(
        title=hostile,
        created=hostile,
        grid=[GridRow(hostile, {hostile: _png(), "real": b"broken"})],
        losses={hostile: [(1, 1.0), (2, 0.5)]},
        captions=[CaptionSample(_png(), {hostile: hostile})],
        audit={hostile: {"n": 1}},
        captioner={hostile: {hostile: {"recall": 0.5}}},
        provenance=[(hostile, hostile)],
        metrics=pl.DataFrame(
            [
                _metric(hostile, hostile, 0.5, prompt_set=hostile, extractor=x)
                for x in (hostile, "b")
            ]
        ),
        differences=pl.DataFrame([_difference(hostile, hostile, 0.5, 0.1, 0.9)]),
    )
    page = _Page(render(data))
    assert not page.attributes("script")
    assert not [attrs for _, attrs, _ in page.elements if "onerror" in attrs]
    assert page.texts("h1") == [hostile]
    assert hostile in page.texts("dd")
    assert hostile in page.texts("dt")
    assert "49" not in page.texts("h1")
    assert len(page.attributes("style")) == 1


def test_values_stand_in_the_table_with_interval_and_unit() -> None:
    page = _Page(render(_data()))
    cells = page.texts("td", "number")
    assert "43.1 [41.1, 45.1]" in cells
    assert "28.00 [27.00, 29.00]" in cells
    heads = page.texts("th")
    assert "SOA-C %n = 256" in heads
    assert "FIDn = 256" in heads


def test_rows_come_in_the_papers_order_with_every_seed() -> None:
    keys = [text.split()[0] for text in _Page(render(_data())).texts("th") if text]
    start = keys.index("real")
    assert keys[start : start + 6] == ["real", "base", "alttext", "short", "mix", "mix"]
    assert {"mix-both-s0", "mix-both-s1"} <= set(_Page(render(_data())).texts("span", "key"))


def test_best_is_bold_by_direction_and_never_the_ceiling() -> None:
    best = _Page(render(_data(captioner={}))).texts("b", "best")
    assert sorted(best) == ["19.25", "73.1"]


def test_equal_best_values_are_both_bold_and_unknown_metrics_never() -> None:
    rows = [_metric(arm, metric, 0.5) for arm in _ARMS[2:4] for metric in ("soa_c", "strange")]
    page = _Page(render(_data(metrics=pl.DataFrame(rows), captioner={})))
    assert page.texts("b", "best") == ["50.0", "50.0"]


def test_a_base_model_that_wins_is_bold() -> None:
    rows = [_metric("base", "fid", 3.0), _metric("mix-both-s0", "fid", 9.0)]
    page = _Page(render(_data(metrics=pl.DataFrame(rows), captioner={})))
    assert page.texts("b", "best") == ["3.00"]


def test_several_measurements_of_an_arm_are_rows_of_their_own() -> None:
    rows = [
        _metric("mix-both-s0", "soa_c", value, cfg=cfg) for value, cfg in ((0.5, 2.0), (0.6, 4.0))
    ]
    texts = _Page(render(_data(metrics=pl.DataFrame(rows)))).texts("th")
    assert any("guidance 2.0" in text for text in texts)
    assert any("guidance 4.0" in text for text in texts)


def test_prompt_sets_are_tables_of_their_own_and_extractors_columns() -> None:
    rows = [
        _metric("base", "fid", 1.0, prompt_set=name, extractor=x)
        for name in "ab"
        for x in ("e1", "e2")
    ]
    page = _Page(render(_data(metrics=pl.DataFrame(rows))))
    assert [text for text in page.texts("caption") if "Prompts" in text] == [
        "Prompts: a",
        "Prompts: b",
    ]
    assert sum("e1" in text for text in page.texts("th")) == 2


def test_lead_says_what_was_bought() -> None:
    data = _data()
    assert _headline(data) == (
        "Training on the mix captions beat alt-text on object accuracy (SOA-C)."
    )
    assert _Page(render(data)).texts("ul", "details") == [
        "SOA-C: 73.1% against 43.1% for alt-text, +30.0 points, 95% interval [+26.2, +33.8]."
    ]


def test_lead_is_honest_about_zero() -> None:
    rows = [
        _difference("mix-both-s0", "soa_c", 0.02, -0.01, 0.05),
        _difference("mix-both-s0", "exact_scene", -0.001, -0.02, 0.018),
    ]
    data = _data(differences=pl.DataFrame(rows))
    assert _headline(data).startswith("This run does not show whether")
    assert "beat alt-text on" not in _headline(data)
    details = _Page(render(data)).texts("ul", "details")[0]
    assert details.count("which includes zero") == 2
    assert "\N{MINUS SIGN}0.1 points" in details


def test_lead_splits_better_worse_and_open() -> None:
    rows = [
        _difference("mix-both-s0", "soa_c", 0.1, 0.05, 0.15),
        _difference("mix-both-s0", "exact_scene", -0.1, -0.15, -0.05),
    ]
    assert _headline(_data(differences=pl.DataFrame(rows))) == (
        "Training on the mix captions beat alt-text on object accuracy (SOA-C) and did worse than "
        "alt-text on exact scenes."
    )
    rows[1] |= {"ci_high": 0.05}
    assert _headline(_data(differences=pl.DataFrame(rows))).endswith(
        "; on exact scenes this run does not settle it."
    )


def test_lower_is_better_turns_the_verdict() -> None:
    rows = [_difference("mix-both-s0", "fid", -3.03, -4.0, -2.0)]
    data = _data(differences=pl.DataFrame(rows))
    assert "beat alt-text on FID" in _headline(data)
    rows[0] |= {"delta": 3.03, "ci_low": 2.0, "ci_high": 4.0}
    assert "did worse than alt-text on FID" in _headline(_data(differences=pl.DataFrame(rows)))


def test_seeds_that_disagree_settle_nothing() -> None:
    rows = [
        _difference("mix-both-s0", "soa_c", 0.1, 0.05, 0.15),
        _difference("mix-both-s1", "soa_c", 0.02, -0.03, 0.07),
    ]
    data = _data(differences=pl.DataFrame(rows))
    assert _headline(data).startswith("This run does not show whether")
    assert _Page(render(data)).texts("ul", "details") == [
        "SOA-C: +6.0 points on average over 2 training seeds (+2.0 to +10.0); the 95% interval "
        "lies wholly on the better side in 1 of 2."
    ]


def test_lead_never_picks_the_winner_of_several_arms() -> None:
    rows = [
        _difference("zebra-both-s0", "soa_c", 0.9, 0.8, 1.0),
        _difference("long-both-s0", "soa_c", 0.0, -0.1, 0.1),
    ]
    assert "the long captions" in _headline(_data(differences=pl.DataFrame(rows)))


def test_lead_averages_no_other_weights_into_the_seeds() -> None:
    rows = [
        _difference("mix-unet-s0", "soa_c", 0.9, 0.8, 1.0),
        _difference("mix-both-s0", "soa_c", 0.1, 0.05, 0.15),
    ]
    details = _Page(render(_data(differences=pl.DataFrame(rows)))).texts("ul", "details")
    assert details[0].startswith("SOA-C: 73.1% against 43.1% for alt-text, +10.0 points")


def test_lead_never_calls_the_base_model_trained() -> None:
    rows = [_difference("base", "soa_c", 0.1, 0.05, 0.15)]
    data = _data(differences=pl.DataFrame(rows), metrics=None)
    assert _headline(data) == "No arm has been measured yet."


def test_lead_prefers_what_was_tested() -> None:
    rows = [_difference("mix-both-s0", "fid", -3.0, -4.0, -2.0)]
    data = _data(differences=pl.DataFrame(rows))
    assert "SOA-C" not in _headline(data)
    assert "no interval" in _Page(render(data)).texts("td", "says")


def test_losses_of_arms_and_captioners_are_drawn_apart() -> None:
    page = _Page(render(_with_losses()))
    assert page.texts("figcaption") == ["Text-to-image arms", "Captioner"]
    assert page.texts("ul", "legend") == ["mix-both-s0 0.400", "recap 1.000"]


def test_forest_puts_better_right_whatever_the_sign() -> None:
    rows = [
        _difference("mix-both-s0", "soa_c", 0.2, 0.1, 0.4),
        _difference("mix-both-s0", "fid", -2.0, -4.0, -1.0),
        _difference("short-both-s0", "fid", 1.0, -1.0, 3.0),
    ]
    page = _Page(render(_data(differences=pl.DataFrame(rows))))
    at = [attrs["cx"] for attrs in page.attributes("circle")]
    assert at == ["73.00%", "38.50%", "73.00%"]
    assert page.texts("td", "says") == ["better", "includes zero", "better"]


def test_forest_states_chance_and_what_could_be_detected() -> None:
    half = 0.0196
    rows = [
        _difference(f"mix-both-s{seed}", "soa_c", 0.1, 0.1 - half, 0.1 + half) for seed in range(20)
    ]
    html = render(_data(differences=pl.DataFrame(rows)))
    assert "Of 20 such intervals about 1.0 would miss zero by chance alone" in html
    assert "detectable 2.8" in html  # 2.80 standard errors of 1 point


def test_values_without_differences_are_compared_without_claims() -> None:
    rows = [
        _metric("alttext-both-s0", "fid", 31.0, None),
        _metric("mix-both-s0", "fid", 21.0, None),
        _metric("mix-unet-s0", "fid", 20.0, None),
    ]
    data = _data(metrics=pl.DataFrame(rows), differences=None)
    assert _headline(data).endswith("no interval is known for FID.")
    page = _Page(render(data))
    assert page.texts("td", "says") == ["no interval"]
    assert "95% intervals" not in render(data)


def test_nothing_at_all_still_makes_a_page() -> None:
    for empty in (
        None,
        pl.DataFrame(),
        pl.DataFrame(schema={"arm": pl.String, "metric": pl.String, "value": pl.Float64}),
    ):
        page = _Page(render(ReportData("new", metrics=empty)))
        assert page.texts("p", "headline") == ["No arm has been measured yet."]
        assert page.texts("h2") == [
            "Metrics",
            "Differences to the control",
            "What the numbers mean, and what they do not",
        ]
        assert len(page.texts("p", "missing")) == 2
        assert not page.attributes("table")


def test_values_that_are_not_numbers_are_dashes() -> None:
    rows = [_metric("base", "soa_c", float("nan"), None), _metric("mix-both-s0", "fid", 2.0, None)]
    page = _Page(
        render(_data(metrics=pl.DataFrame(rows), differences=None, audit={}, captioner={}))
    )
    assert "nan" not in " ".join(page.texts("td")).lower()
    assert page.texts("td").count("\N{EN DASH}") == 3


def test_simulated_captions_are_called_so_and_only_then() -> None:
    assert "simulated" in " ".join(_Page(render(_data(simulated=True))).texts("p", "simulated"))
    assert "simulated" not in " ".join(_Page(render(_data())).texts("body"))


def test_audit_shows_only_the_columns_it_has() -> None:
    page = _Page(render(_data(captioner={})))
    heads = page.texts("th")
    assert "words, mean" in heads
    assert "C2ST" not in heads
    assert {"2,400", "7.1", "74.2%"} <= set(page.texts("td"))


def test_tuned_captioner_stands_beside_the_base() -> None:
    data = _data(metrics=None, differences=None)
    assert _Page(render(data)).texts("b", "best") == ["74.2%", "6.1%"]


def test_grid_says_where_a_picture_is_missing() -> None:
    data = _data(
        grid=[GridRow("a", {"real": _png(), "base": _png()}), GridRow("b", {"base": b"x"})]
    )
    assert _Page(render(data)).texts("div", "nothing") == ["no picture", "not readable"]


def test_empty_caption_is_named_and_long_ones_stay_whole() -> None:
    long = "word " * 400
    data = _data(captions=[CaptionSample(_png(), {"alt": " ", "long": long})])
    page = _Page(render(data))
    assert "empty" in page.texts("dd", "empty")
    assert long.strip() in page.texts("dd")


def test_page_of_eight_prompts_and_seven_arms_stays_small() -> None:
    arms = [*_ARMS, "long-both-s0"]
    grid = [
        GridRow(f"prompt {i}", {arm: _png(10 * i + j) for j, arm in enumerate(arms)})
        for i in range(8)
    ]
    losses = {arm: [(step, 1.0) for step in range(5000)] for arm in arms}
    assert len(render(_data(grid=grid, losses=losses)).encode()) < 3_000_000

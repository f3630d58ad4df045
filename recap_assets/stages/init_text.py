"""What `recap init` found, in words: the text of a recap.yaml and a line per decision."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from recap_assets.stages.init_places import LONG, SHORT, HumanPlaces
from recap_assets.stages.init_prompts import VALIDATION, People
from recap_assets.stages.init_survey import Survey

PROMPT_SET = "prompts.jsonl"
_PLAIN = re.compile(r"[A-Za-z][\w./-]*", re.ASCII)
_MEASURE = f"evaluation: {{prompts: {PROMPT_SET}, metrics: [fid]}}"
_LINE = '{"id": "p1", "prompt": "a red car", "style": "short", "image": "prompts/car.jpg"}'


@dataclass(frozen=True)
class Findings:
    """All that the first tars told; `why_not` says why there are no `people`."""

    survey: Survey
    urls: list[str]
    alt: str | None
    address: str | None
    human: HumanPlaces
    people: People | None
    human_urls: list[str]
    why_not: str


def decisions(found: Findings) -> list[str]:
    """What was decided from what, one line each."""
    survey = found.survey
    lines = [
        f"shards: {survey.shards}, seen {len(survey.texts)} samples of {len(survey.seen)}",
        f"pictures <- members {_pictures(survey)}",
        f"caption <- {_alt(found)}",
        f"url <- {found.address or 'none found'}",
        *_human(found),
    ]
    lines += [f"{place}: passed over, {why}" for place, why in found.human.passed_over.items()]
    return lines


def settings(found: Findings) -> str:
    """The text of recap.yaml."""
    survey = found.survey
    blocks = [
        _comment(
            f"Written by `recap init` from {len(survey.texts)} samples of the first "
            f"{len(survey.seen)} of {survey.shards} shards.",
            "Change what you like; what is not said here comes from the preset `photo`.",
        )
        + ["extends: photo", "", *_comment("Everything made is kept below this folder.")]
        + ["root: store"],
        _dataset(found),
        *(_with_people(found, found.people) if found.people else _without_people(found)),
    ]
    if found.alt is None:
        blocks.append(
            _comment("There is no alt-text to train an arm on.") + ["arms:", "  alttext: null"]
        )
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _dataset(found: Findings) -> list[str]:
    return [
        "dataset:",
        *_urls(found.urls),
        *_comment(f"Alt-text: {_alt(found)}.", indent=2),
        f"  caption: {_scalar(found.alt or 'txt')}",
        *_comment("The picture's address, kept beside its captions.", indent=2),
        f"  url: {_scalar(found.address) if found.address else 'null'}",
    ]


def _with_people(found: Findings, people: People) -> list[list[str]]:
    places = ", ".join(f"{style}: {_scalar(at)}" for style, at in people.captions.items())
    human = [
        *_comment("What people wrote: the captioner is tuned on it."),
        "human:",
        *_comment(
            "Named one by one: tars added to the data set later change no captioner.", indent=2
        ),
        *_urls(found.human_urls),
        f"  captions: {{{places}}}",
        *_comment(
            "Pictures to tune on. The prompts below are others; with a higher number here they",
            "may be among them.",
            indent=2,
        ),
        f"  images: {people.images}",
        f"  validation: {VALIDATION}",
    ]
    prompted = [style for style in (SHORT, LONG) if style not in people.captions]
    captioner = [
        *_comment(
            *(f"Nobody wrote captions of style `{s}`: it is prompted only." for s in prompted)
        ),
        "captioners:",
        "  recap: {model: base:captioner, tune: {steps: 60, batch: 16}}",
    ]
    evaluation = [
        *_comment(
            f"{len(people.prompts)} pictures with human captions, held out: no arm trains on them."
        ),
        "evaluation:",
        f"  prompts: {PROMPT_SET}",
        "  metrics: [fid]",
    ]
    return [human, captioner, evaluation]


def _without_people(found: Findings) -> list[list[str]]:
    return [
        [
            *_comment(
                f"Human captions: {found.why_not}.",
                "The captioner is used as it comes. To tune it, write captions into the JSON:",
                "  human: {captions: {short: json.human}}",
                "  captioners: {recap: {tune: {steps: 60, batch: 16}}}",
            ),
            "captioners:",
            "  recap: {model: base:captioner}",
        ],
        [
            *_comment(
                "Without prompts nothing is drawn and there is no table of metrics; captions are",
                f"still made and arms trained. To measure, write {PROMPT_SET}, a line a prompt:",
                f"  {_LINE}",
                f"and say: {_MEASURE}",
            ),
            "evaluation:",
            "  metrics: []",
        ],
    ]


def _human(found: Findings) -> list[str]:
    people = found.people
    if people is None:
        return [
            f"human captions <- {found.why_not}: the captioner is used as it comes",
            "prompts: none, so nothing is drawn and no table is made; captions and arms still are. "
            f"To measure, write {PROMPT_SET} and set {_MEASURE}",
        ]
    of = len(found.survey.texts)
    return [
        *(
            f"human captions <- {place} -> style {style} "
            f"({found.survey.filled(place)} of {of} samples)"
            for style, place in people.captions.items()
        ),
        f"captioner: tuned on {people.images} pictures of {len(people.tars)} shards",
        f"prompts: {len(people.prompts)} other pictures with human captions, held out, metric fid",
    ]


def _alt(found: Findings) -> str:
    if found.alt is None:
        return "none found, so there is no arm alttext"
    filled, total = found.survey.filled(found.alt), len(found.survey.texts)
    there = sum(found.alt in text for text in found.survey.texts)
    counts = {"empty": there - filled, "without it": total - there}
    rest = "".join(f", {count} {what}" for what, count in counts.items() if count)
    kind = "" if found.alt.startswith("json.") else "member ."
    return f"{kind}{found.alt} ({filled} of {total} samples{rest})"


def _pictures(survey: Survey) -> str:
    counts = survey.pictures.most_common()
    told = ", ".join(f".{extension} ({count})" for extension, count in counts if extension)
    lacking = survey.pictures[""]
    return f"{told}; {lacking} samples have none" if lacking else told


def _urls(urls: list[str]) -> list[str]:
    if len(urls) == 1:
        return [f"  urls: {_quoted(urls[0])}"]
    return ["  urls:", *(f"    - {_quoted(url)}" for url in urls)]


def _comment(*lines: str, indent: int = 0) -> list[str]:
    return [f"{' ' * indent}# {line}" for line in lines]


def _scalar(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    """A JSON string, which YAML reads as the same text."""
    return json.dumps(text, ensure_ascii=False)

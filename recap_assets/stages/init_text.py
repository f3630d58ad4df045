"""What `recap init` found, in words: the text of a recap.yaml and a line per decision."""

from __future__ import annotations

from recap_assets.stages import init_dataset
from recap_assets.stages.init_dataset import Findings, comment, scalar, urls
from recap_assets.stages.init_places import LONG, SHORT
from recap_assets.stages.init_prompts import VALIDATION, People

PROMPT_SET = "prompts.jsonl"
_MEASURE = f"evaluation: {{prompts: {PROMPT_SET}, metrics: [fid]}}"
_LINE = '{"id": "p1", "prompt": "a red car", "style": "short", "image": "prompts/car.jpg"}'


def decisions(found: Findings) -> list[str]:
    """What was decided from what, one line each."""
    survey = found.survey
    lines = [
        f"shards: {len(survey.shards)}, seen {len(survey.texts)} samples of {len(survey.seen)}",
        *init_dataset.decisions(found),
        *_human(found),
    ]
    lines += [f"{place}: passed over, {why}" for place, why in found.human.passed_over.items()]
    return lines


def settings(found: Findings) -> str:
    """The text of recap.yaml."""
    survey = found.survey
    blocks = [
        comment(
            f"Written by `recap init` from {len(survey.texts)} samples of the first "
            f"{len(survey.seen)} of {len(survey.shards)} shards.",
            "Change what you like; what is not said here comes from the preset `photo`.",
        )
        + ["extends: photo", "", *comment("Everything made is kept below this folder.")]
        + ["root: store"],
        init_dataset.settings(found),
        *(_with_people(found, found.people) if found.people else _without_people(found)),
    ]
    if not found.has_alt:
        blocks.append(
            comment("There is no alt-text to train an arm on.") + ["arms:", "  alttext: null"]
        )
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _with_people(found: Findings, people: People) -> list[list[str]]:
    places = ", ".join(f"{style}: {scalar(at)}" for style, at in people.captions.items())
    human = [
        *comment("What people wrote: the captioner is tuned on it."),
        "human:",
        *_human_urls(found),
        f"  captions: {{{places}}}",
        *comment(
            "Pictures to tune on. The prompts below are others; with a higher number here they",
            "may be among them.",
            indent=2,
        ),
        f"  images: {people.images}",
        f"  validation: {VALIDATION}",
    ]
    prompted = [style for style in (SHORT, LONG) if style not in people.captions]
    captioner = [
        *comment(
            *(f"Nobody wrote captions of style `{s}`: it is prompted only." for s in prompted)
        ),
        "captioners:",
        "  recap: {model: base:captioner, tune: {steps: 400, batch: 16, lr: 1.0e-3}}",
    ]
    evaluation = [
        *comment(
            f"{len(people.prompts)} pictures with human captions, held out: no arm trains on them."
        ),
        "evaluation:",
        f"  prompts: {PROMPT_SET}",
        "  metrics: [fid]",
    ]
    return [human, captioner, evaluation]


def _human_urls(found: Findings) -> list[str]:
    if not found.human_urls:
        return comment(
            "Read from the whole data set: pictures added later may change the captioner.", indent=2
        )
    told = "Named one by one: files added to the data set later change no captioner."
    return [*comment(told, indent=2), *urls(found.human_urls)]


def _without_people(found: Findings) -> list[list[str]]:
    return [
        [
            *comment(
                f"Human captions: {found.why_not}.",
                "The captioner is used as it comes. To tune it, write captions into the JSON:",
                "  human: {captions: {short: json.human}}",
                "  captioners: {recap: {tune: {steps: 400, batch: 16, lr: 1.0e-3}}}",
            ),
            "captioners:",
            "  recap: {model: base:captioner}",
        ],
        [
            *comment(
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
        f"captioner: tuned on {people.images} pictures of {len(people.shards)} shards",
        f"prompts: {len(people.prompts)} other pictures with human captions, held out, metric fid",
    ]

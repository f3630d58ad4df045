"""Which text of a sample is its alt-text, which its address, and which was written by people."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from recap_assets.stages.init_survey import Survey

SHORT, LONG = "short", "long"
#: Fewer human captions than this cannot be split into tuning, validation and prompts.
LEAST = 4
_MEMBERS = ("txt", "caption")
_ALT = ("caption", "alt", "alttext", "text")
_URL = ("url", "imageurl", "imgurl")
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_PEOPLE = {"human", "humans", "people", "annotator", "annotators", "manual", "handwritten"}
_LENGTHS = {SHORT, LONG}
_PLAIN = {"caption", "captions", "text", "description", "desc"}
_MACHINE = {"blip", "llava", "gpt", "model", "generated", "synthetic", "auto", "machine", "url"} | {
    "recaptions",  # where `recap export` puts captions
}
_LONGER = 20


@dataclass(frozen=True)
class HumanPlaces:
    """Where each style's human captions lie, in how many samples together, and what was left."""

    places: dict[str, str]
    samples: int
    passed_over: dict[str, str]


def alt_text(survey: Survey) -> str | None:
    """The place of the alt-text: txt, caption, then a JSON field or column with a usual name.

    A place with less than half the texts of the fullest is passed over. None if there is no text.
    """
    known = [place for place in _MEMBERS if survey.filled(place)]
    places = known + _named(survey, _ALT)
    most = max((survey.filled(place) for place in places), default=0)
    return next((place for place in places if 2 * survey.filled(place) >= most), None)


def address(survey: Survey) -> str | None:
    """The place of the picture's URL: a field or column named like one, with texts like one."""
    for place in _named(survey, _URL):
        texts = [text[place] for text in survey.texts if text.get(place)]
        if 2 * sum("://" in text for text in texts) >= len(texts):
            return place
    return None


def human(survey: Survey, alt: str | None) -> HumanPlaces:
    """The places of human captions: fields or columns named for people or a length, of some words.

    A field named for a length gives that style. Another gives `short`, or `long` where half of its
    texts have more than 20 words. One field a style; fields that hardly occur together with the
    fullest one are left out, since a picture counts only with a caption of every style.
    """
    passed_over: dict[str, str] = {}
    places: dict[str, str] = {}
    fields = _human_fields(survey, alt, passed_over)
    most = max((survey.filled(place) for place in fields), default=0)
    for place in fields:
        style = _style(survey, place)
        if style in places:
            passed_over[place] = f"style {style} is {places[style]}"
        elif 2 * _together(survey, [*places.values(), place]) < most:
            passed_over[place] = "too few samples have it beside the others"
        else:
            places[style] = place
    count = _together(survey, list(places.values()))
    if places and count < LEAST:
        passed_over |= {place: f"only {count} samples have it" for place in places.values()}
        return HumanPlaces({}, 0, passed_over)
    return HumanPlaces(
        {style: places[style] for style in (SHORT, LONG) if style in places}, count, passed_over
    )


def _named(survey: Survey, names: Sequence[str]) -> list[str]:
    """The top-level fields and columns called one of `names`, whatever the case, in this order."""
    squeezed = {
        place: re.sub(r"[^a-z]", "", place.removeprefix("json.").lower())
        for place in survey.places()
        if place not in _MEMBERS and "." not in place.removeprefix("json.")
    }
    return [place for name in names for place in squeezed if squeezed[place] == name]


def _human_fields(survey: Survey, alt: str | None, passed_over: dict[str, str]) -> list[str]:
    """Candidates: those named for a length first, then the fullest."""
    fields = []
    for place in survey.places():
        if place == alt or not _is_named_human(place):
            continue
        texts = [text for text in survey.texts if text.get(place)]
        if place in survey.generated:
            passed_over[place] = "a captioner wrote it"
        elif 2 * sum(len(text[place].split()) > 1 for text in texts) < len(texts):
            passed_over[place] = "single words"
        elif alt and 2 * sum(text[place] == text.get(alt) for text in texts) > len(texts):
            passed_over[place] = f"says the same as {alt}"
        else:
            fields.append(place)
    most = max((survey.filled(place) for place in fields), default=0)
    return sorted(
        fields,
        key=lambda place: (
            2 * survey.filled(place) < most,
            not _LENGTHS & _words(place),
            -survey.filled(place),
            place,
        ),
    )


def _is_named_human(place: str) -> bool:
    words = _words(place)
    by_length = bool(words & _LENGTHS) and words <= _LENGTHS | _PLAIN
    return place not in _MEMBERS and (by_length or bool(words & _PEOPLE)) and not (words & _MACHINE)


def _words(place: str) -> set[str]:
    return {word.lower() for word in _WORDS.findall(place.removeprefix("json."))}


def _style(survey: Survey, place: str) -> str:
    named = _words(place) & _LENGTHS
    if len(named) == 1:
        return next(iter(named))
    lengths = [len(text[place].split()) for text in survey.texts if text.get(place)]
    return LONG if median(lengths) > _LONGER else SHORT


def _together(survey: Survey, places: Sequence[str]) -> int:
    return sum(all(text.get(place) for place in places) for text in survey.texts) if places else 0

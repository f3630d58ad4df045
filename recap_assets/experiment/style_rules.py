"""Rules for the styles of recap.yaml: what prompts may read, and which settings go together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from recap_assets.experiment import template
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.keys import ALT
from recap_assets.experiment.nearest import did_you_mean

if TYPE_CHECKING:
    from recap_assets.experiment.captioner_settings import Captioner, Style
    from recap_assets.experiment.config import Config


def style_problems(config: Config) -> Iterator[str]:
    """Each contradiction within a style as one line that starts with its dotted place."""
    for name, style in config.styles.items():
        yield from _prompt_problems(name, style, config.styles)
        yield from _decoding_problems(name, style)
        if style.captioner in config.captioners:
            yield from _step_problems(name, style, config.captioners[style.captioner])
    yield from _ring_problems(config.styles)
    yield from _tuning_problems(config)


def _prompt_problems(name: str, style: Style, styles: Mapping[str, Style]) -> Iterator[str]:
    known = [ALT, *(other for other in styles if other != name)]
    try:
        fields = template.fields(style.prompt)
    except UserError as error:
        yield f"styles.{name}.prompt: {error}"
        return
    for field in fields:
        if field not in known:
            yield (
                f"styles.{name}.prompt: no field {{{field}}}{did_you_mean(field, known)}; known: "
                f"{', '.join(known)}; correct it, or write the braces twice to mean them"
            )
    if not style.picture and not fields:
        yield (
            f"styles.{name}.picture: false leaves nothing to caption, for its prompt has no field; "
            f"put {{{ALT}}} or another style into the prompt"
        )


def _decoding_problems(name: str, style: Style) -> Iterator[str]:
    if style.temperature:
        return
    if style.candidates > 1:
        yield (
            f"styles.{name}.candidates: without a temperature all {style.candidates} would be "
            "alike; set temperature, such as 1.0"
        )
    if style.top_p < 1:
        yield f"styles.{name}.top_p: needs a temperature above 0; set one, or null top_p"


def _step_problems(name: str, style: Style, captioner: Captioner) -> Iterator[str]:
    kept = () if captioner.tune is None else captioner.tune.checkpoints
    if style.step is not None and style.step not in kept:
        yield (
            f"styles.{name}.step: captioner {style.captioner!r} keeps no step {style.step} "
            f"(it keeps {', '.join(map(str, kept)) or 'none'}); "
            f"add it to captioners.{style.captioner}.tune.checkpoints"
        )


def _ring_problems(styles: Mapping[str, Style]) -> Iterator[str]:
    try:
        template.order({name: _reads(style) for name, style in styles.items()})
    except UserError as error:
        yield f"styles: {error}"


def _tuning_problems(config: Config) -> Iterator[str]:
    """People must have written what a prompt quotes, where a captioner is to learn from them."""
    for name in config.human.captions:
        style = config.styles.get(name)
        captioner = config.captioners.get(style.captioner) if style else None
        if style is None or captioner is None or captioner.tune is None:
            continue
        for field in _reads(style):
            if field not in (ALT, *config.human.captions):
                yield (
                    f"human.captions.{name}: the prompt of style {name!r} quotes {field!r}, which "
                    f"people did not write; add human.captions.{field}, or remove it here"
                )


def _reads(style: Style) -> list[str]:
    """The fields of a prompt; none of one that is wrong, which is told by itself."""
    with suppress(UserError):
        return template.fields(style.prompt)
    return []

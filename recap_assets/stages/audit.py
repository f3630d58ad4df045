"""Stage `caption_audit`: what a style's captions are like, and what the tuned captioner learned."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import polars as pl

from recap_assets.captioning.generate import Held
from recap_assets.captioning.question import Question
from recap_assets.evaluation.audit import audit
from recap_assets.evaluation.chair import faithfulness
from recap_assets.experiment import atomic
from recap_assets.experiment.captioner_settings import Style
from recap_assets.experiment.config import Gates
from recap_assets.experiment.fingerprint import digest
from recap_assets.experiment.keys import ALT
from recap_assets.experiment.project import Project
from recap_assets.experiment.template import fields
from recap_assets.stages import (
    captioner,
    encoders,
    images,
    inputs,
    manifest,
    pictures,
    recipes,
    truth,
)
from recap_assets.stages.answering import answers
from recap_assets.stages.memory import remembered
from recap_assets.stages.stage import Check, Key, Product, Stage, Table, named

NAME = "caption_audit"
CODE = "1"
CHECK = "caption_quality"
LEAST_RECALL = 0.5


def keys(project: Project) -> list[Key]:
    """Every style."""
    return manifest.keys(project)


@remembered
def wanted(project: Project, key: Key) -> str:
    """The caption set, the prompts it is compared with, and how the captioner is asked."""
    style = named(key)
    prompts = [[p.id, p.prompt, sorted(p.objects)] for p in inputs.prompts(project)]
    parts: list[Any] = [
        CODE,
        manifest.content(project, style),
        prompts,
        inputs.lexicon_digest(project),
    ]
    if style != ALT:
        parts.append(recipes.recipe(project, style).digest)
    return digest(parts)


def made(project: Project, key: Key, version: str) -> bool:
    """Whether this audit was written."""
    return project.audit(named(key), version).exists()


def seen(project: Project, key: Key) -> bool:
    """Whether the style was audited before."""
    return (project.root / "audit" / named(key)).is_dir()


def result(project: Project, style: str) -> dict[str, Any]:
    """The current audit of a style, empty while there is none."""
    path = project.audit(style, wanted(project, style))
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def build(project: Project, key: Key) -> Product:
    """Audit the captions and, on held-out pictures with known objects, the captioner."""
    style = named(key)
    version = wanted(project, key)
    fresh = not made(project, key, version)
    if fresh:
        found = _captions(project, style)
        if style != ALT:
            found["captioner"] = _captioner(project, style)
        atomic.write_json(project.audit(style, version), found)
    told = result(project, style)
    numbers = {k: v for k, v in told.items() if isinstance(v, (int, float)) and v is not None}
    rows = [
        {"captioner": name, **scores}
        for name, scores in told.get("captioner", {}).items()
        if scores
    ]
    facts: dict[str, Any] = {**numbers, "path": project.audit(style, version)}
    if rows:
        facts["held_out_pictures"] = Table(pl.DataFrame(rows))
    if told.get("frequent"):
        facts["most_frequent"] = Table(
            pl.DataFrame(told["frequent"], schema=["caption", "rows"], orient="row")
        )
    weakness = _weakness(project.config.gates, style, told)
    check = Check(CHECK, {}, weakness, hard=False)
    return Product(version, int(told.get("n") or 0) if fresh else 0, facts, (check,))


def _weakness(gates: Gates, style: str, told: dict[str, Any]) -> str | None:
    """Why a style's captions look unfit to train on, if they do; alt-text is what it is."""
    if style == ALT or not told["n"]:
        return None
    over, recall = told["over_limit"] or 0.0, told["object_recall"]
    most = told["frequent"][0]
    if over > gates.over_limit_share:
        return f"style {style}: {over:.1%} of the captions go over the text encoder's limit"
    if most[1] > gates.repeated_caption_share * told["n"]:
        return f"style {style}: {most[1]} of {told['n']} pictures have the caption {most[0]!r}"
    if recall is not None and recall < LEAST_RECALL:
        return f"style {style}: the captions name only {recall:.1%} of the objects shown"
    return None


def _captions(project: Project, style: str) -> dict[str, Any]:
    rows = manifest.frame(project, style)
    known = _truths(project)
    truths = [known[uid] for uid in rows["uid"]] if set(rows["uid"]) <= set(known) else None
    total: Counter[str] = Counter()
    for shard in inputs.shards(project):
        total.update(recipes.statuses(project, shard)[style])
    return audit(
        style,
        rows["caption"].to_list(),
        [p.prompt for p in inputs.prompts(project)],
        total,
        truths=truths,
        lexicon=inputs.lexicon(project),
        token_counts=rows["n_tokens_clip"].drop_nulls().to_list(),
        token_limit=encoders.limits(project)["n_tokens_clip"],
    )


def _truths(project: Project) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for shard in inputs.shards(project):
        found |= truth.by_uid(images.usable(project, shard))
    return found


def _captioner(project: Project, style: str) -> dict[str, dict[str, float | None] | None]:
    """Object recall and CHAIR of the base and the tuned captioner on the prompts' real pictures.

    None of a style that quotes other texts, which these pictures lack, and of a base that a server
    has.
    """
    words = inputs.lexicon(project)
    real = inputs.prompt_pictures(project)
    asked = [p for p in inputs.prompts(project) if p.objects and p.id in real]
    if words is None or not asked or fields(project.config.styles[style].prompt):
        return {"base": None, "tuned": None}
    shown = Held([pictures.of_file(real[p.id]) for p in asked])
    told: dict[str, dict[str, float | None] | None] = {}
    for name, texts in (
        ("base", _by_base(project, style, shown, len(asked))),
        ("tuned", _by_captioner(project, style, shown, len(asked))),
    ):
        if not texts:
            told[name] = None
            continue
        found = faithfulness(texts, [set(p.objects) for p in asked], words)
        told[name] = {
            "recall": found.recall,
            "chair_i": found.chair_i,
            "chair_s": found.chair_s,
            "n": len(texts),
        }
    return told


def _by_captioner(project: Project, style: str, shown: Held, total: int) -> list[str]:
    mine = project.config.styles[style]
    question = _question(style, mine, mine.prompt, total)
    made = answers(project, mine.captioner, mine.step, shown, total, [question])
    return [one.text for _, rows in made for one in rows[style]]


def _by_base(project: Project, style: str, shown: Held, total: int) -> list[str]:
    """What the model says that was not tuned; without a prefix, which it was not taught."""
    from recap_assets.captioning.generate import batches
    from recap_assets.captioning.load import load

    mine = project.config.styles[style]
    settings = captioner.settings(project, mine.captioner)
    if settings.endpoint is not None:
        return []
    model = load(project.model(settings.model), settings)
    prompt = "" if model.family.goes_on else mine.prompt
    question = _question(style, mine, prompt, total)
    made = batches(model, shown, total, [question], settings.batch)
    return [one.text for _, rows in made for one in rows[style]]


def _question(style: str, mine: Style, prompt: str, total: int) -> Question:
    prompts, seeds = [prompt] * total, [mine.seed + number for number in range(total)]
    return Question(
        style, prompts, mine.max_tokens, seeds, mine.temperature, mine.top_p, mine.candidates
    )


STAGE = Stage(NAME, keys, wanted, made, seen, build)

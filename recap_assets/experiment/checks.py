"""Rules that hold between the sections of recap.yaml: which names must exist, and may be used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from recap_assets.experiment.endpoint_rules import endpoint_problems
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.keys import ALT, check_key, step_key
from recap_assets.experiment.mix_entry import MixEntry
from recap_assets.experiment.nearest import did_you_mean
from recap_assets.experiment.style_rules import style_problems
from recap_assets.experiment.tune_rules import tune_problems

if TYPE_CHECKING:
    from recap_assets.experiment.config import Config, Dataset

RESERVED_ARMS = ("base", "real")
_DETECTED = ("soa_c", "soa_i", "ca", "pa_geo", "exact_scene")
_CRON_FIELDS = 5


def problems(config: Config) -> Iterator[str]:
    """Each contradiction in `config` as one line that starts with its dotted place."""
    yield from _keys("styles", config.styles, (ALT,))
    yield from _keys("captioners", config.captioners, ())
    yield from _keys("arms", config.arms, RESERVED_ARMS)
    yield from _dataset_problems(config.dataset)
    yield from _named_problems(config)
    yield from style_problems(config)
    yield from endpoint_problems(config)
    yield from tune_problems(config)
    yield from _arm_problems(config)
    yield from _t2i_problems(config)
    yield from _metric_problems(config)
    cron = config.schedule.cron
    if len(cron.split()) != _CRON_FIELDS:
        yield f"schedule.cron: {cron!r} does not have five fields; write one like '0 2 * * *'"


def _keys(section: str, names: Iterable[str], reserved: tuple[str, ...]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for name in names:
        yield from _key_problems(section.removesuffix("s"), name)
        if name.casefold() in reserved:
            yield f"{section}.{name}: the name {name!r} is reserved; choose another"
        if seen.setdefault(name.casefold(), name) != name:
            other = seen[name.casefold()]
            yield (
                f"{section}.{name}: differs from {other!r} only in case, which is one folder "
                f"on many disks; rename one"
            )


def _key_problems(kind: str, key: str) -> Iterator[str]:
    try:
        check_key(kind, key)
    except UserError as error:
        yield str(error)


def _dataset_problems(dataset: Dataset) -> Iterator[str]:
    if dataset.source == "coco" and dataset.images is None:
        yield "dataset.images: source coco needs the folder of the pictures; name it"
    for name, source in (("table", "webdataset"), ("image", "parquet"), ("images", "coco")):
        if getattr(dataset, name) is not None and dataset.source != source:
            yield f"dataset.{name}: is for source {source}, not {dataset.source}; null it"


def _named_problems(config: Config) -> Iterator[str]:
    for name, style in config.styles.items():
        if style.captioner not in config.captioners:
            yield f"styles.{name}.captioner: " + _unknown(
                "captioner", style.captioner, config.captioners
            )
    for name in config.human.captions:
        if name not in config.styles:
            yield f"human.captions.{name}: " + _unknown("style", name, config.styles)


def _arm_problems(config: Config) -> Iterator[str]:
    for name, arm in config.arms.items():
        for style in arm.styles:
            if style != ALT and style not in config.styles:
                yield f"arms.{name}.mix: " + _unknown("style", style, (*config.styles, ALT))
        for entry in map(MixEntry.parse, arm.mix):
            if entry.any and entry.styles != (ALT,):
                yield f"arms.{name}.mix: only the source has several texts; write {ALT}:any"
        for field, values in (("train", arm.train), ("seeds", arm.seeds)):
            if len(set(values)) != len(values):
                yield f"arms.{name}.{field}: the same value twice; keep one"
        for seed in arm.seeds:
            key = arm.key(name, seed)
            yield from _key_problems("arm key", key)
            for step in config.t2i.on_the_way:
                yield from _key_problems("arm key", step_key(key, step))
        if {"unet", "transformer"} <= set(arm.train):
            yield f"arms.{name}.train: a model has a unet or a transformer; keep the one it has"


def _t2i_problems(config: Config) -> Iterator[str]:
    t2i = config.t2i
    for step in t2i.checkpoints:
        if step > t2i.steps:
            yield f"t2i.checkpoints: {step} is after the last of {t2i.steps} steps; drop it"
    if t2i.accumulate > t2i.batch:
        yield f"t2i.accumulate: {t2i.batch} pictures are no {t2i.accumulate} batches; lower it"
    if t2i.processes > t2i.batch:
        yield f"t2i.processes: {t2i.batch} pictures are too few for {t2i.processes}; lower it"
    if not t2i.from_scratch:
        return
    if t2i.method == "lora":
        yield "t2i.from_scratch: an adapter cannot teach random weights; set t2i.method: full"
    for name, arm in config.arms.items():
        if not {"unet", "transformer"} & set(arm.train):
            yield f"arms.{name}.train: t2i.from_scratch leaves its denoiser random; add it"


def _metric_problems(config: Config) -> Iterator[str]:
    settings = config.evaluation
    for metric in settings.metrics:
        needed = "detector" if metric in _DETECTED else "extractor"
        if getattr(settings, needed) is None:
            yield f"evaluation.metrics: {metric!r} needs evaluation.{needed}; set it or drop it"


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    names = list(known)
    hint = did_you_mean(name, names)
    return f"no {kind} {name!r}{hint}; known: {', '.join(names) or 'none'}; correct it or null it"

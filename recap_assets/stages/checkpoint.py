"""Stage `t2i_checkpoint`: the text-to-image model trained on one caption mix."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from recap_assets.captions import entries, limit
from recap_assets.captions.mix import Mix
from recap_assets.captions.tokens import counting
from recap_assets.diffusion.save import save
from recap_assets.experiment import atomic
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import digest, seed
from recap_assets.experiment.project import ArmSeed, Project
from recap_assets.stages import (
    caption_checks,
    curve,
    images,
    latents,
    manifest,
    model_card,
    recaptions,
    source_texts,
    t2i_base,
)
from recap_assets.stages.memory import remembered
from recap_assets.stages.progress import tell
from recap_assets.stages.stage import Key, NotReady, Product, Stage, named

if TYPE_CHECKING:
    from recap_assets.diffusion.families.family import Family, Tokens

NAME = "t2i_checkpoint"
CODE = "1"


def keys(project: Project) -> list[Key]:
    """Every arm."""
    return list(project.arm_keys())


def arm(project: Project, key: str) -> ArmSeed:
    """What an arm's key stands for."""
    known = project.arm_keys()
    if key not in known:
        raise UserError(f"arm {key!r}: recap.yaml has no such arm; it has {', '.join(known)}")
    return known[key]


def caption_sets(project: Project, key: str) -> dict[str, str]:
    """The content digest of each caption set that the arm is trained on, by style."""
    mine = arm(project, key).arm
    sets = {style: manifest.content(project, style) for style in mine.styles}
    if source_texts.ANY in mine.mix:
        sets[source_texts.ANY] = source_texts.content(project)
    return sets


@remembered
def wanted(project: Project, key: Key) -> str:
    """The base, the captions, the pictures, the settings and the seed."""
    mine = arm(project, named(key))
    t2i = project.config.t2i.model_dump(mode="json", exclude={"model", "revision"})
    return digest(
        {
            "code": CODE,
            "base": t2i_base.version(project),
            "captions": caption_sets(project, named(key)),
            "pictures": latents.training_uids(project),
            "mix": mine.arm.mix,
            "train": mine.arm.train,
            "settings": t2i,
            "seed": mine.seed,
        }
    )


def made(project: Project, key: Key, version: str) -> bool:
    """Whether these weights were trained."""
    return project.checkpoint(named(key), version).is_dir()


def seen(project: Project, key: Key) -> bool:
    """Whether any weights of the arm are there."""
    return (project.root / "checkpoints" / named(key)).is_dir()


def build(project: Project, key: Key) -> Product:
    """Train the arm unless its recipe was followed before."""
    name = named(key)
    version = wanted(project, key)
    fresh = not made(project, key, version)
    if fresh:
        _check_gates(project)
        for style in arm(project, name).arm.styles:
            manifest.check_rows(project, style)
        _train(project, name, version)
    told = card(project, name)
    losses = told["losses"]
    return Product(
        version=version,
        computed=len(losses) if fresh else 0,
        facts={
            "path": project.checkpoint(name, version),
            "steps": len(losses),
            "images": told["images"],
            "loss_last": told["final_loss"],
            "dropped_over_limit": told["dropped"],
            "mix": json.dumps(told["mix"]),
            "caption_sets": json.dumps(told["caption_sets"]),
            "loss_curve": curve.picture(losses),
        },
    )


def card(project: Project, key: str) -> dict[str, Any]:
    """What was written down when the arm's current weights were trained.

    Raises:
        NotReady: if they are not.
    """
    path = project.checkpoint(key, wanted(project, key)) / "recap.json"
    if not path.exists():
        raise NotReady(f"t2i_checkpoint[{key}] is not trained on the captions as they are now")
    return json.loads(path.read_text(encoding="utf-8"))


def past_seconds(project: Project, key: str) -> float | None:
    """How long training so many steps took before, by the arm's own or any other checkpoint."""
    folder = project.root / "checkpoints"
    for card in [*folder.glob(f"{key}/*/recap.json"), *folder.glob("*/*/recap.json")]:
        told = json.loads(card.read_text(encoding="utf-8"))
        if told.get("seconds"):
            return project.config.t2i.steps * told["seconds"] / len(told["losses"])
    return None


def _check_gates(project: Project) -> None:
    """Stop before training when a shard fails a check that `gates.hard` names."""
    hard = project.config.gates.hard
    for shard in map(named, recaptions.keys(project)):
        for gate in hard:
            from_images = gate in images.GATES
            check = (images if from_images else caption_checks).check(project, shard, gate)
            if check.reason:
                raise UserError(check.reason)


def _train(project: Project, key: str, version: str) -> None:
    from recap_assets.diffusion.train import train

    family = t2i_base.family(project)
    uids, pictures = latents.dataset(project)
    draw, tokens, counts = _captions(project, key, uids, family)
    settings = _settings(project, key)
    started = time.monotonic()
    losses = train(
        family,
        pictures,
        tokens,
        draw,
        settings,
        lambda step, loss: tell(step + 1, settings.steps, f"training {key}, loss {loss:.3f}"),
    )
    mine = arm(project, key)
    facts = {
        "arm": key,
        "version": version,
        "base_model": project.config.t2i.model,
        "base_digest": t2i_base.version(project),
        "mix": mine.arm.mix,
        "train": list(mine.arm.train),
        "seed": mine.seed,
        "caption_sets": caption_sets(project, key),
        "images": len(uids),
        "dropped": counts(),
        "settings": project.config.t2i.model_dump(mode="json"),
        "simulated": project.config.world is not None,
        "final_loss": float(np.mean(losses[-20:])),
        "losses": losses,
        "seconds": time.monotonic() - started,
    }
    _save(project, key, version, family, facts)


def shown(project: Project, key: str, words: Any) -> Callable[[list[str], int], limit.Chosen]:
    """What the arm shows of some uids in an epoch, by its own draw.

    `words` is the tokenizer of the text encoder with the longest context, which has the limit.

    Raises:
        UserError: if there is no such arm.
        NotReady: if a caption set of its mix is not built from the shards as they are now.
    """
    mine = arm(project, key)
    sets, longest, policy = (
        _sets(project, mine),
        words.model_max_length,
        project.config.t2i.over_limit,
    )
    mix, mix_seed = Mix(dict(mine.arm.mix)), seed("mix", project.config.t2i.seed, mine.seed)

    count = cache(counting(words))

    def draw(uids: list[str], epoch: int) -> limit.Chosen:
        frames = {
            entry: entries.shown(sets, entry, epoch, mix_seed, count) for entry in mine.arm.mix
        }
        return limit.choose(frames, mix, uids, epoch, mix_seed, longest, policy)

    return draw


def _sets(project: Project, mine: ArmSeed) -> dict[str, pl.DataFrame]:
    """The caption set of every style that the arm sees, and the source's texts if it asks."""
    sets = {style: manifest.frame(project, style) for style in mine.arm.styles}
    if source_texts.ANY in mine.arm.mix:
        sets[source_texts.ANY] = source_texts.frame(project)
    return sets


def _captions(
    project: Project, key: str, uids: list[str], family: Family
) -> tuple[Callable[[int], np.ndarray], Tokens, Callable[[], int]]:
    """How captions are drawn, all captions tokenized, and how many were dropped on average."""
    mine = arm(project, key)
    sets = _sets(project, mine)
    texts = sorted({text for entry in mine.arm.mix for text in entries.texts(sets, entry)})
    place = {text: row for row, text in enumerate(texts)}
    at = {uid: row for row, uid in enumerate(uids)}
    epoch_of = shown(project, key, t2i_base.words(project))
    dropped: list[int] = []

    def draw(epoch: int) -> np.ndarray:
        chosen = epoch_of(uids, epoch)
        dropped.append(chosen.dropped)
        rows = np.full(len(uids), -1)
        rows[[at[uid] for uid in chosen.uids]] = [place[text] for text in chosen.captions]
        return rows

    tokens = family.tokenize([*texts, ""])
    return draw, tokens, lambda: round(sum(dropped) / max(1, len(dropped)))


def _settings(project: Project, key: str) -> Any:
    from recap_assets.diffusion.families.family import Weighting
    from recap_assets.diffusion.train import TrainSettings

    t2i, mine = project.config.t2i, arm(project, key)
    return TrainSettings(
        steps=t2i.steps,
        batch=t2i.batch,
        lr=t2i.lr,
        warmup=t2i.warmup,
        weight_decay=t2i.weight_decay,
        prompt_dropout=t2i.prompt_dropout,
        ema=t2i.ema,
        train=mine.arm.train,
        weighting=Weighting(t2i.snr_gamma, t2i.timesteps),
        seed=seed("train", t2i.seed, mine.seed),
    )


def _save(project: Project, key: str, version: str, family: Family, facts: dict[str, Any]) -> None:
    """A diffusers folder that loads without this project, its card, and a row for the tables."""
    with atomic.directory(project.checkpoint(key, version)) as folder:
        save(family, folder)
        text = json.dumps(facts, indent=1) + "\n"
        (folder / "recap.json").write_text(text, encoding="utf-8", newline="\n")
        (folder / "README.md").write_text(model_card.text(facts), encoding="utf-8", newline="\n")
        _row(project.checkpoint(key, version), facts).write_parquet(folder / "row.parquet")


def _row(path: Path, facts: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "arm": [facts["arm"]],
            "seed": [facts["seed"]],
            "digest": [facts["version"]],
            "base_digest": [facts["base_digest"]],
            "mix": [json.dumps(facts["mix"], sort_keys=True)],
            "train": [",".join(facts["train"])],
            "caption_set": [json.dumps(facts["caption_sets"], sort_keys=True)],
            "steps": [len(facts["losses"])],
            "images": [facts["images"]],
            "dropped_over_limit": [facts["dropped"]],
            "final_loss": [facts["final_loss"]],
            "path": [str(path)],
        }
    )


STAGE = Stage(NAME, keys, wanted, made, seen, build)

"""The captions that an arm sees: its caption sets, and what each picture has in an epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import polars as pl

from recap_assets.captions import entries, limit
from recap_assets.captions.mix import Mix
from recap_assets.captions.tokens import counting, once
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import seed
from recap_assets.experiment.project import ArmSeed, Project
from recap_assets.stages import manifest, source_texts, t2i_base

if TYPE_CHECKING:
    from recap_assets.diffusion.order import Draw


def arm(project: Project, key: str) -> ArmSeed:
    """What an arm's key stands for.

    Raises:
        UserError: if there is no such arm.
    """
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


def shown(project: Project, key: str) -> Callable[[Sequence[str], int], limit.Chosen]:
    """What the arm shows of some uids in an epoch, by its own draw.

    The text encoder with the longest context has the limit.

    Raises:
        UserError: if there is no such arm.
        NotReady: if a caption set of its mix is not built from the shards as they are now.
    """
    mine, t2i = arm(project, key), project.config.t2i
    sets, mix = _sets(project, mine), Mix(dict(mine.arm.mix))
    mix_seed = seed("mix", t2i.seed, mine.seed)
    words = t2i_base.words(project)
    count, longest = once(counting(words)), words.model_max_length

    def draw(uids: Sequence[str], epoch: int) -> limit.Chosen:
        frames = {
            entry: entries.shown(sets, entry, epoch, mix_seed, count) for entry in mine.arm.mix
        }
        return limit.choose(frames, mix, uids, epoch, mix_seed, longest, t2i.over_limit)

    return draw


def drawn(project: Project, key: str, uids: Sequence[str]) -> Draw:
    """For an epoch, the caption that the arm shows each of `uids` with. Raises as `shown`."""
    epoch_of = shown(project, key)

    def draw(epoch: int) -> list[str | None]:
        chosen = epoch_of(uids, epoch)
        captions = dict(zip(chosen.uids, chosen.captions, strict=True))
        return [captions.get(uid) for uid in uids]

    return draw


def _sets(project: Project, mine: ArmSeed) -> dict[str, pl.DataFrame]:
    """The caption set of every style that the arm sees, and the source's texts if it asks."""
    sets = {style: manifest.frame(project, style) for style in mine.arm.styles}
    if source_texts.ANY in mine.arm.mix:
        sets[source_texts.ANY] = source_texts.frame(project)
    return sets

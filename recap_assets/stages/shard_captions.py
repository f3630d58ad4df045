"""The captions that a shard lacks, written batch by batch; each batch is kept as it is made."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl

from recap_assets.captioning.question import Question
from recap_assets.captions import pending
from recap_assets.captions import rows as caption_rows
from recap_assets.captions.generated import Generated
from recap_assets.captions.plan import Plan
from recap_assets.captions.schema import empty
from recap_assets.experiment.project import Project
from recap_assets.stages import answering, images
from recap_assets.stages.progress import tell
from recap_assets.stages.quoting import ask, waves
from recap_assets.stages.recipes import recipe
from recap_assets.stages.shard_source import ShardSource


class Written(NamedTuple):
    """New caption rows of one style, and its share of the seconds that they took."""

    rows: pl.DataFrame
    seconds: float


def write(
    project: Project, shard: str, todo: dict[str, Plan], stamp: caption_rows.Stamp
) -> dict[str, Written]:
    """Caption the pictures of every generated style's plan; what is quoted is written first.

    Raises:
        NotReady: if a captioner that is needed is not tuned as it should be.
    """
    shard_rows = _Rows(project, shard, todo, stamp)
    for styles in waves(project):
        prompts = {style: shard_rows.ask(style) for style in styles}
        for group in _groups(project, styles, todo, prompts):
            started = time.monotonic()
            shard_rows.caption(group, prompts)
            for style in group.styles:
                shard_rows.seconds[style] += (time.monotonic() - started) / len(group.styles)
    return {
        style: Written(pl.concat(parts), shard_rows.seconds[style])
        for style, parts in shard_rows.made.items()
    }


class _Group(NamedTuple):
    """Pictures that need the same styles of one captioner, so that each is encoded once."""

    captioner: str
    step: int | None
    styles: list[str]
    rows: pl.DataFrame


def _groups(
    project: Project,
    styles: list[str],
    todo: dict[str, Plan],
    prompts: Mapping[str, dict[str, str]],
) -> Iterator[_Group]:
    config = project.config.styles
    for name, step in dict.fromkeys((config[s].captioner, config[s].step) for s in styles):
        needs: dict[str, list[str]] = {}
        for style in styles:
            if (config[style].captioner, config[style].step) == (name, step):
                for uid in prompts[style]:
                    needs.setdefault(uid, []).append(style)
        for wanted in sorted(set(map(tuple, needs.values()))):
            uids = [uid for uid, its in needs.items() if tuple(its) == wanted]
            rows = todo[wanted[0]].todo.filter(pl.col("uid").is_in(uids))
            yield _Group(name, step, list(wanted), rows)


@dataclass
class _Rows:
    """The caption rows of a shard while they are written, by style."""

    project: Project
    shard: str
    todo: dict[str, Plan]
    stamp: caption_rows.Stamp
    made: dict[str, list[pl.DataFrame]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.made = {style: [empty()] for style in self.project.config.styles}
        self.seconds = dict.fromkeys(self.made, 0.0)

    def ask(self, style: str) -> dict[str, str]:
        """The style's prompts by uid; pictures that cannot be asked become rows with the reason."""
        asked = ask(self.project, style, self.todo[style].todo, self._known)
        failed = [Generated("", error=reason) for reason in asked.reasons]
        self._add(asked.left, {style: failed})
        return asked.prompts

    def _known(self, style: str) -> pl.DataFrame:
        """The caption rows of a style that was written before."""
        return pl.concat([self.todo[style].kept, *self.made[style]])

    def caption(self, group: _Group, prompts: Mapping[str, dict[str, str]]) -> None:
        """Have a group's pictures captioned."""
        source = ShardSource(
            images.source(self.project, self.shard),
            group.rows.select("key", "offset", "size", "image_sha256"),
            self.project.config.dataset.max_pixels,
        )
        questions = [self._question(style, group.rows, prompts[style]) for style in group.styles]
        for start, texts in answering.answers(
            self.project, group.captioner, group.step, source, group.rows.height, questions
        ):
            size = len(texts[group.styles[0]])
            self._add(group.rows.slice(start, size), texts)
            tell(start + size, group.rows.height, f"captioning shard {self.shard}")

    def _question(self, style: str, rows: pl.DataFrame, prompts: Mapping[str, str]) -> Question:
        mine, its = self.project.config.styles[style], recipe(self.project, style)
        return Question(
            style,
            [prompts[uid] for uid in rows["uid"]],
            mine.max_tokens,
            [its.seed(sha256) for sha256 in rows["image_sha256"]],
            mine.temperature,
            mine.top_p,
            mine.candidates,
            mine.picture,
        )

    def _add(self, index: pl.DataFrame, texts: Mapping[str, list[Generated]]) -> None:
        """Rows of the same pictures in some styles, on disk before anything else happens."""
        batch = {
            style: caption_rows.build(index, captions, recipe(self.project, style), self.stamp)
            for style, captions in texts.items()
        }
        if index.height:
            pending.add(self.project.root, self.shard, pl.concat(batch.values()))
        for style, rows in batch.items():
            self.made[style].append(rows)

"""The command `recap init`: from pictures to a recap.yaml that says what was found."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from recap_assets.experiment import atomic
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.project import FILE
from recap_assets.images import dataset
from recap_assets.images.parquet_shard import ParquetShard
from recap_assets.images.tar_shard import TarShard
from recap_assets.stages import init_dataset, init_format, init_places, init_text, init_urls
from recap_assets.stages.init_dataset import Findings
from recap_assets.stages.init_places import HumanPlaces
from recap_assets.stages.init_prompts import HeldOut, People, share_out
from recap_assets.stages.init_survey import Survey, survey

PROMPT_SET = init_text.PROMPT_SET


@dataclass(frozen=True)
class Draft:
    """A project not yet written: recap.yaml's text, a line per decision, the held-out prompts."""

    text: str
    decisions: list[str]
    prompts: list[HeldOut] = field(default_factory=list)


def draft(patterns: list[str], folder: Path) -> Draft:
    """Look at the first shards that `patterns`, relative to the current folder, name.

    `folder` is where recap.yaml will lie. Nothing is written.

    Raises:
        UserError: if nothing is found, or a shard that is looked at is damaged or holds no picture.
    """
    found = init_format.recognise(patterns)
    shards = dataset.shards(found, init_urls.locate)
    seen = survey(found.source, shards)
    alt = init_places.alt_text(seen)
    human = init_places.human(seen, alt)
    people, why_not = _people(seen, human)
    named = people is not None and isinstance(people.shards[0], TarShard | ParquetShard)
    findings = Findings(
        survey=seen,
        dataset=init_dataset.moved(found, shards, folder),
        alt=alt,
        address=init_places.address(seen),
        table=init_dataset.table(shards[0]),
        notes=init_dataset.notes(seen),
        human=human,
        people=people,
        human_urls=init_urls.files(people.shards, folder) if people and named else [],
        why_not=why_not,
    )
    return Draft(
        init_text.settings(findings),
        init_text.decisions(findings),
        people.prompts if people else [],
    )


def write(draft: Draft, folder: Path, force: bool) -> list[Path]:
    """Write recap.yaml into `folder`, and first the prompt set with its pictures; all or nothing.

    Returns the files, recap.yaml first.

    Raises:
        UserError: if recap.yaml or the prompt set is there and `force` is false, or the disk
            refuses.
    """
    config, prompt_set = folder / FILE, folder / PROMPT_SET
    lines = [json.dumps(one.record(), ensure_ascii=False) for one in draft.prompts]
    contents = {folder / one.record()["image"]: one.data for one in draft.prompts}
    if lines:
        contents[prompt_set] = ("\n".join(lines) + "\n").encode("utf-8")
    contents[config] = draft.text.encode("utf-8")
    if not force:
        _refuse_existing([path for path in (config, prompt_set) if path in contents])
    _write_all(contents)
    return [config, *(path for path in contents if path != config)]


def _people(seen: Survey, human: HumanPlaces) -> tuple[People | None, str]:
    """How human captions are used, or why they are not."""
    if not human.places:
        return None, "none found"
    try:
        return share_out(seen, human), ""
    except UserError as error:
        return None, f"not used: {str(error).removeprefix('human captions: ')}"


def _refuse_existing(paths: list[Path]) -> None:
    for path in paths:
        if path.exists():
            raise UserError(f"{path}: is there already; --force replaces it, or move it away")


def _write_all(contents: dict[Path, bytes]) -> None:
    """Write in order; if one fails, files that were not there before go again."""
    fresh = [path for path in contents if not path.exists()]
    fresh_folders = {path.parent for path in fresh if not path.parent.exists()}
    try:
        for path, data in contents.items():
            atomic.write_bytes(path, data)
    except BaseException:
        for path in fresh:
            path.unlink(missing_ok=True)
        for folder in fresh_folders:
            with suppress(OSError):
                folder.rmdir()
        raise

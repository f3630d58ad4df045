"""Stage `samples`: a picture for every prompt and seed, of each arm, of the base and of reality."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from PIL import Image

from recap_assets.captions.tokens import counting
from recap_assets.evaluation.prompts import Prompt
from recap_assets.evaluation.prompts import digest as prompts_digest
from recap_assets.experiment import atomic
from recap_assets.experiment.fingerprint import digest
from recap_assets.experiment.project import Project
from recap_assets.images.sheet import contact_sheet
from recap_assets.stages import checkpoint, inputs, pictures, published, t2i_base
from recap_assets.stages.memory import remembered
from recap_assets.stages.progress import tell
from recap_assets.stages.stage import Key, Markdown, NotReady, Product, Stage, named

if TYPE_CHECKING:
    from recap_assets.diffusion.families.family import Family

NAME = "samples"
CODE = "1"
BASE, REAL = "base", "real"
SCHEMA = {
    "arm": pl.String(),
    "digest": pl.String(),
    "prompt_id": pl.String(),
    "sample": pl.Int64(),
    "prompt": pl.String(),
    "seed": pl.Int64(),
    "path": pl.String(),
    "step": pl.Int64(),
}


def keys(project: Project) -> list[Key]:
    """The real pictures, the untrained base and all weights that training keeps; nothing where no
    prompts are named."""
    if inputs.prompts_file(project) is None:
        return []
    return [REAL, BASE, *project.weights()]


@remembered
def wanted(project: Project, key: Key) -> str:
    """The weights, the prompts and the sampler's settings."""
    row = named(key)
    prompts = inputs.prompts(project)
    if row == REAL:
        real = inputs.prompt_pictures(project)
        if set(real) != {p.id for p in prompts}:
            raise NotReady("the prompt set lacks real pictures (`image`) for some prompts")
        return digest([CODE, prompts_digest(prompts), sorted(inputs.held_out(project))])
    how = project.config.evaluation
    settings = [how.images_per_prompt, how.sampler_steps, how.guidance, how.seed]
    return digest([CODE, _weights(project, row), prompts_digest(prompts), settings])


def made(project: Project, key: Key, version: str) -> bool:
    """Whether the pictures were drawn with these weights and settings."""
    return project.samples(named(key), version).is_dir()


def seen(project: Project, key: Key) -> bool:
    """Whether any pictures of the row are there."""
    return (project.root / "samples" / named(key)).is_dir()


def frame(project: Project, row: str) -> pl.DataFrame:
    """The current samples of a row: prompt, number and path of each picture.

    Raises:
        NotReady: if they are not drawn.
    """
    folder = project.samples(row, wanted(project, row))
    if not folder.is_dir():
        raise NotReady(f"samples[{row}] are not drawn from the weights as they are now")
    return pl.read_parquet(folder / "samples.parquet")


def paths(project: Project, row: str) -> list[Path]:
    """The files of the current samples of a row, in the order of `frame`."""
    folder = project.samples(row, wanted(project, row))
    return [folder / Path(path).name for path in frame(project, row)["path"]]


def build(project: Project, key: Key) -> Product:
    """Draw the pictures, or fit the real ones, unless they are there."""
    row = named(key)
    version = wanted(project, key)
    fresh = not made(project, key, version)
    if fresh:
        _draw(project, row, version)
    some = [Image.open(path).convert("RGB") for path in paths(project, row)[:24]]
    return Product(
        version=version,
        computed=frame(project, row).height if fresh else 0,
        facts={
            "pictures": frame(project, row).height,
            "sheet": Markdown(contact_sheet(some)),
            "path": project.samples(row, version),
            "over_limit_prompts": _over_limit(project),
        },
    )


def _weights(project: Project, row: str) -> str:
    if row == BASE:
        return t2i_base.version(project)
    arm, step = project.weights()[row]
    version = checkpoint.wanted(project, arm)
    if not project.checkpoint(row, version).is_dir():
        raise NotReady(f"t2i_checkpoint[{arm}] is not trained on the captions as they are now")
    return version if row == arm else digest([version, step])


def _draw(project: Project, row: str, version: str) -> None:
    how = project.config.evaluation
    asked = [
        (prompt, number)
        for prompt in inputs.prompts(project)
        for number in range(1 if row == REAL else how.images_per_prompt)
    ]
    target = project.samples(row, version)
    arm, step = project.weights().get(row, (row, None))
    with atomic.directory(target) as folder:
        rows = []
        for (prompt, number), pixels in zip(asked, _pixels(project, row, asked), strict=True):
            name = f"{prompt.id}-{number}.png"
            Image.fromarray(pixels).save(folder / name)
            place = str(target / name)
            rows.append((arm, version, prompt.id, number, prompt.prompt, how.seed, place, step))
        pl.DataFrame(rows, schema=SCHEMA, orient="row").write_parquet(folder / "samples.parquet")


def _pixels(project: Project, row: str, asked: list[tuple[Prompt, int]]) -> Iterator[np.ndarray]:
    from recap_assets.diffusion.sample import sample

    if row == REAL:
        real = inputs.prompt_pictures(project)
        size = t2i_base.family(project).resolution
        yield from pictures.read([real[prompt.id] for prompt, _ in asked], size)
        return
    family = t2i_base.family(project) if row == BASE else _trained(project, row)
    how = project.config.evaluation
    yield from sample(
        family,
        [(prompt.id, prompt.prompt, number) for prompt, number in asked],
        how.sampler_steps,
        how.guidance,
        how.batch,
        how.seed,
        lambda done: tell(done, len(asked), f"drawing {row}"),
    )


def _trained(project: Project, row: str) -> Family:
    version = checkpoint.wanted(project, project.weights()[row].arm)
    return published.family(project, row, version)


def _over_limit(project: Project) -> int:
    """Prompts with more tokens than the text encoder reads; they are cut when drawn."""
    words = t2i_base.words(project)
    counts = counting(words)([p.prompt for p in inputs.prompts(project)])
    return sum(count > words.model_max_length for count in counts)


STAGE = Stage(NAME, keys, wanted, made, seen, build)

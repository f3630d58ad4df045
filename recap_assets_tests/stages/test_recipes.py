from __future__ import annotations

import json

from recap_assets.captions.recipe import Recipe
from recap_assets.experiment.project import Project
from recap_assets.stages.recipes import recipe
from recap_assets_tests.small_project import change


def untuned(project: Project) -> Project:
    return change(project, "captioners.recap.tune", None)


def styled(project: Project, **style: object) -> Recipe:
    told = {"prompt": "say:", "captioner": "recap"} | style
    return recipe(change(untuned(project), "styles.mine", told), "mine")


def test_every_setting_that_decides_a_caption_is_in_its_recipe(project: Project) -> None:
    plain = styled(project)
    assert json.loads(plain.sampling_json) == {"max_tokens": 32, "method": "greedy"}
    drawn = styled(project, temperature=0.7, candidates=4)
    assert json.loads(drawn.sampling_json) == {
        "max_tokens": 32,
        "method": "sample",
        "temperature": 0.7,
        "top_p": 1.0,
        "seed": 0,
        "candidates": 4,
    }
    digests = {plain.digest, drawn.digest, styled(project, temperature=0.7).digest}
    for setting, value in {"view": "square", "max_pixels": 9, "precision": "bfloat16"}.items():
        digests.add(recipe(change(project, f"captioners.recap.{setting}", value), "mine").digest)
    assert len(digests) == 6


def test_a_new_prompt_changes_the_recipe_of_what_reads_it(project: Project) -> None:
    reading = styled(project, prompt="in short: {long}")
    assert set(json.loads(reading.sampling_json)["reads"]) == {"long"}
    changed = recipe(change(project, "styles.long.prompt", "other:"), "mine")
    assert changed.digest != reading.digest
    other = recipe(change(project, "styles.short.prompt", "other:"), "mine")
    assert other.digest == changed.digest


def test_alt_text_counts_only_where_it_is_shown(project: Project) -> None:
    blind, reading = styled(project), styled(project, prompt="{alt}:")
    assert (blind.shows_alt, reading.shows_alt) == (False, True)
    assert blind.row_key("a" * 64, "x") == blind.row_key("a" * 64, "y")
    assert reading.row_key("a" * 64, "x") != reading.row_key("a" * 64, "y")

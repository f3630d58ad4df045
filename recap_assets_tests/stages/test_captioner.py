"""Tuning through the pipeline: an adapter, kept steps, early stopping, scores, warnings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from peft import PeftModel
from transformers import BlipForConditionalGeneration

from recap_assets import terminal
from recap_assets.captioning import lora
from recap_assets.captioning.generate import caption
from recap_assets.defs.execute import Outcome
from recap_assets.defs.one_run import Ran
from recap_assets.experiment.project import Project
from recap_assets.images.decode import decode
from recap_assets.images.reader import PictureReader
from recap_assets.stages import captioner, captioner_checks, human, images, lessons, recipes
from recap_assets.stages.stage import Check, Product, Table
from recap_assets_tests import small_project

TUNE = {
    "method": "lora",
    "rank": 4,
    "steps": 20,
    "batch": 4,
    "lr": 3e-2,
    "validate_every": 5,
    "patience": 5,
    "checkpoints": [2, 10],
}


def build(project: Project, **tune: Any) -> Product:
    """The captioner of the project when it is tuned like this."""
    project = small_project.change(small_project.drawn(project), "captioners.recap.tune", tune)
    for style in human.keys(project):
        human.build(project, style)
    return captioner.build(project, "recap")


def check(product: Product, name: str) -> Check:
    (found,) = [one for one in product.checks if one.name == name]
    return found


@pytest.fixture(scope="module")
def adapted(base_models: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Outcome]:
    """A project whose styles ask an adapter as it came out, and as it was after two steps."""
    project = small_project.write(tmp_path_factory.mktemp("lora") / "project", base_models)
    early = {"prompt": "long caption:", "max_tokens": 48, "captioner": "recap", "step": 2}
    for place, value in {
        "captioners.recap.tune": TUNE,
        "styles.early": early,
        "human.validation": 0.5,
    }.items():
        project = small_project.change(project, place, value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECAP_CONFIG", "")
        patch.setenv("DAGSTER_HOME", "")
        return project, small_project.run(project, "images,human_captions,captioner,recaptions")


def test_everything_ran(adapted: tuple[Project, Outcome]) -> None:
    project, outcome = adapted
    ran = small_project.ran(outcome)
    assert ran["captioner"] == {"recap": 20}
    assert ran["recaptions"] == {"00000": 24, "00001": 24}
    assert outcome.waiting == []


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_folders_hold_adapters_that_peft_loads(adapted: tuple[Project, Outcome]) -> None:
    project, _ = adapted
    version = captioner.wanted(project, "recap")
    folder = project.captioner("recap", version)
    base = project.model(project.config.captioners["recap"].model)
    files = {lora.CONFIG, lora.WEIGHTS, "README.md", "recap.json"}
    assert {one.name for one in folder.iterdir()} == {*files, "step-2", "step-10"}
    for step in (None, 2, 10):
        place = captioner.folder(project, "recap", version, step)
        assert {one.name for one in Path(place).iterdir() if one.is_file()} == files
        told = json.loads((Path(place) / lora.CONFIG).read_text(encoding="utf-8"))
        assert told["base_model_name_or_path"] == "captioner"  # named by a folder of this machine
        model = PeftModel.from_pretrained(BlipForConditionalGeneration.from_pretrained(base), place)
        merged = model.merge_and_unload().state_dict()
        ours = captioner.loaded(project, "recap", version, step).family.model.state_dict()
        assert all(value.allclose(ours[name], atol=1e-6) for name, value in merged.items())
        text = (Path(place) / "README.md").read_text(encoding="utf-8")
        assert "library_name: peft" in text and str(project.root) not in text


def test_a_style_may_ask_an_earlier_step(adapted: tuple[Project, Outcome]) -> None:
    """`early` differs from `long` in nothing but its step, and is what the step's weights say."""
    project, _ = adapted
    version = captioner.wanted(project, "recap")
    early, late = (recipes.recipe(project, style) for style in ("early", "long"))
    assert early.digest != late.digest
    assert early.adapter_sha == captioner.wanted(project, "recap", 2) != late.adapter_sha
    said: dict[str, list[str]] = {}
    for style, step in (("early", 2), ("long", None)):
        model = captioner.loaded(project, "recap", version, step)
        index = images.usable(project, "00000").sort("uid")
        with PictureReader(images.source(project, "00000")) as reader:
            shown = list(reader.pictures(index))
        made = caption(model, shown, {style: ("long caption:", 48)})[style]
        stored = recipes.store(project).read(recipes.recipe(project, style), "00000")
        assert stored is not None
        said[style] = [one.text for one in made]
        assert stored.sort("uid")["caption"].to_list() == said[style]
    assert said["early"] != said["long"]


def test_the_card_tells_scores_before_and_after(adapted: tuple[Project, Outcome]) -> None:
    project, _ = adapted
    version = captioner.wanted(project, "recap")
    told = captioner.card(project, "recap", version)
    assert [one["step"] for one in told["standings"]] == [5, 10, 15, 20]
    names = {"token_f1", "exact", "cider", "words", "human_words", "n", "recall", "chair_i"}
    for when in ("before", "scores"):
        assert told[when].keys() == {"short", "long"}
        assert all(row.keys() == names for row in told[when].values())
        assert all(0 <= row["recall"] <= 1 and row["n"] == 3 for row in told[when].values())
        assert all(0 <= row["cider"] <= 10 for row in told[when].values())
    assert "Tuning ended after all 20 steps" in told["stopping"]
    readme = (project.captioner("recap", version) / "README.md").read_text(encoding="utf-8")
    assert "| short | before |" in readme and "| long | after |" in readme
    assert told["stopping"] in readme


def test_recall_and_chair_are_those_of_its_captions(adapted: tuple[Project, Outcome]) -> None:
    project, _ = adapted
    version = captioner.wanted(project, "recap")
    rows = lessons.rows(project, "recap").filter(style="short", split="validation")
    shown = [decode(image) for image in rows["image"]]
    asked = {"short": ("short caption:", 99)}
    model = captioner.loaded(project, "recap", version)
    asked["short"] = ("short caption:", model.family.room("short caption:") or 0)
    texts = [one.text for one in caption(model, shown, asked)["short"]]
    labels = [{o["label"] for o in json.loads(one)["scene"]["objects"]} for one in rows["extra"]]
    lexicon = json.loads((project.root / "world" / "lexicon.json").read_text(encoding="utf-8"))
    named = [
        {label for label, said in lexicon.items() if any(f" {w} " in f" {text} " for w in said)}
        for text in texts
    ]
    hits = sum(len(a & b) for a, b in zip(labels, named, strict=True))
    told = captioner.card(project, "recap", version)["scores"]["short"]
    assert told["recall"] == pytest.approx(hits / sum(map(len, labels)))


def test_few_captions_warn_where_dagster_and_the_terminal_see_it(
    adapted: tuple[Project, Outcome],
) -> None:
    _, outcome = adapted
    (ran,) = [one for one in outcome.ran if one.asset == "captioner"]
    few = "captioner recap: 3 human captions of style short are few to learn from"
    assert any(warning.startswith(few) for warning in ran.warnings)


def test_changed_settings_of_tuning_are_another_captioner(adapted: tuple[Project, Outcome]) -> None:
    project, _ = adapted
    told = [captioner.wanted(project, "recap")]
    for name, value in {"rank": 5, "alpha": 1.0, "checkpoints": (2,), "patience": 1}.items():
        how = project.config.captioners["recap"]
        assert how.tune is not None
        tune = how.tune.model_copy(update={name: value})
        config = project.config.model_copy(
            update={"captioners": {"recap": how.model_copy(update={"tune": tune})}}
        )
        told.append(captioner.wanted(replace(project, config=config), "recap"))
    assert len({*told}) == 5


def test_a_hundred_captions_are_enough(project: Project) -> None:
    project = small_project.change(project, "world.human_images", 100)
    product = build(project, steps=1, batch=2, lr=1e-6)
    enough = check(product, captioner_checks.ENOUGH)
    assert enough.reason is None
    assert enough.values["short, train"] == 90 and enough.values["long, validation"] == 10
    facts = product.facts["validation"]
    assert isinstance(facts, Table)
    assert facts.frame.select("style", "tuning", "n").rows() == [
        (style, when, 10) for when in ("before", "after") for style in ("short", "long")
    ]
    assert check(product, captioner_checks.PAID).values.keys() == {"short, cider", "long, cider"}


def test_ten_captions_warn(project: Project) -> None:
    project = small_project.change(project, "world.human_images", 10)
    enough = check(build(project, steps=1, batch=2), captioner_checks.ENOUGH)
    assert enough.reason is not None and not enough.hard
    assert "9 human captions of style short are few to learn from" in enough.reason
    assert "write more, 100 are a good start" in enough.reason


def test_a_style_without_validation_captions_says_so(project: Project) -> None:
    project = small_project.change(project, "human.validation", 0)
    product = build(project, steps=3, batch=2, validate_every=1, patience=1)
    reason = check(product, captioner_checks.ENOUGH).reason or ""
    assert "style long has no validation captions, so nobody knows how well it does" in reason
    assert product.facts["early_stopping"] == (
        "No early stopping: no human captions are held out for validation."
    )
    assert product.computed == 3


def test_tuning_that_does_harm_warns(project: Project) -> None:
    """The base of the tests knows some words; a wild rate makes it forget them."""
    product = build(project, steps=12, batch=4, lr=0.5)
    reason = check(product, captioner_checks.PAID).reason or ""
    assert "token_f1 of style short fell from" in reason


def test_a_captioner_as_it_comes_has_nothing_to_warn_of(project: Project) -> None:
    project = small_project.change(project, "captioners.recap.tune", None)
    product = captioner.build(project, "recap")
    assert {one.name: one.reason for one in product.checks} == dict.fromkeys(
        captioner_checks.CHECKS
    )


def test_prompts_that_quote_are_filled_with_what_people_wrote(project: Project) -> None:
    project = small_project.change(
        small_project.drawn(project), "styles.long.prompt", "{{{short}}} {alt}:"
    )
    for style in human.keys(project):
        human.build(project, style)
    before = captioner.wanted(project, "recap")
    rows = lessons.rows(project, "recap")
    short = dict(rows.filter(style="short").select("uid", "caption").iter_rows())
    for uid, prompt, alt in rows.filter(style="long").select("uid", "prompt", "alt").iter_rows():
        assert prompt == f"{{{short[uid]}}} {alt}:"
    assert set(rows.filter(style="short")["prompt"]) == {"short caption:"}
    assert captioner.wanted(project, "recap") == before


def test_the_terminal_shows_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.watching(False) as watch:
        watch("captioner", "recap", Ran("captioner", "recap", 3, None, ("few captions",)))
    assert "warning captioner[recap]: few captions" in capsys.readouterr().err

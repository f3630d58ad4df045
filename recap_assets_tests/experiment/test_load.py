"""Whole settings files: what they become, and the one line for each kind of mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.experiment.config import Config
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.load import load_config


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(text: str) -> Config:
    Path("recap.yaml").write_text(text, encoding="utf-8")
    return load_config(Path("recap.yaml"))


def told(text: str) -> str:
    with pytest.raises(UserError) as caught:
        load(text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_of_its_own_needs_only_its_pictures() -> None:
    config = load("dataset: {urls: a.tar}")
    assert config.dataset.urls == ("a.tar",)
    assert config.root == "data/store"
    assert (config.human.urls, config.world, config.styles, config.arms) == (None, None, {}, {})


def test_a_whole_file_arrives() -> None:
    config = load("""
root: store
dataset: {source: webdataset, urls: ["a/{0..3}.tar", b.tar], caption: json.alt, url: json.url}
human: {captions: {short: json.human}, validation: 0.2}
styles: {short: {prompt: "short caption:", max_tokens: 24, captioner: recap}}
captioners: {recap: {model: me/mine, revision: 0a1b, tune: {steps: 10, lr: 4e-5}}}
t2i: {model: ./here, steps: 20, over_limit: resample, lr: 1}
arms:
  mix: {mix: {short: 1, alt: 0.5}, train: [text_encoder, unet], seeds: [0, 1]}
  one: {mix: {alt: 2}, train: unet}
evaluation: {metrics: [fid], extractor: base:detector, guidance: 7}
schedule: {cron: "*/5 * * * *"}
""")
    assert config.dataset.urls == ("a/{0..3}.tar", "b.tar")
    assert config.captioners["recap"].tune is not None
    assert config.captioners["recap"].tune.lr == 4e-5
    assert config.arms["mix"].train == ("unet", "text_encoder")
    assert config.arms["mix"].mix == {"short": 1.0, "alt": 0.5}
    assert (config.arms["mix"].trained, config.arms["one"].trained) == ("both", "unet")
    assert config.t2i.lr == 1.0


def test_null_takes_a_presets_setting_back() -> None:
    config = load(
        "extends: scenes\n"
        "styles: {long: null}\n"
        "human: {captions: {long: null}, urls: null}\n"
        "arms: {long: null, mix: null}\n"
        "captioners: {recap: {tune: null}}\n"
    )
    assert list(config.styles) == ["short"]
    assert list(config.arms) == ["alttext", "short"]
    assert config.captioners["recap"].tune is None
    assert config.human.urls is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("stlyes: {}", "recap.yaml: unknown key 'stlyes' (did you mean 'styles'?)"),
        (
            "styles: {short: {max_token: 3}}",
            "recap.yaml: styles.short: unknown key 'max_token' (did you mean 'max_tokens'?)",
        ),
        (
            "captioners: {recap: {tune: {Steps: 3}}}",
            "recap.yaml: captioners.recap.tune: unknown key 'Steps' (did you mean 'steps'?)",
        ),
        ("world: {shard: 3}", "recap.yaml: world: unknown key 'shard' (did you mean 'shards'?)"),
        ("gates: {zzz: 1}", "recap.yaml: gates: unknown key 'zzz'"),
        (
            "t2i: {steps: many}",
            'recap.yaml: t2i.steps: should be a whole number, not "many"; correct it',
        ),
        (
            "t2i: {steps: '3'}",
            'recap.yaml: t2i.steps: should be a whole number, not "3"; correct it',
        ),
        (
            "t2i: {steps: true}",
            "recap.yaml: t2i.steps: should be a whole number, not true; correct it",
        ),
        ("t2i: {lr: fast}", 'recap.yaml: t2i.lr: should be a number, not "fast"; correct it'),
        ("t2i: [3]", "recap.yaml: t2i: should be a mapping, not [3]; correct it"),
        ("arms: 3", "recap.yaml: arms: should be a mapping, not 3; correct it"),
        (
            "captioners: {recap: {revision: 1234567}}",
            "recap.yaml: captioners.recap.revision: should be text, not 1234567; quote it",
        ),
        (
            "dataset: {urls: {a: b}}",
            'recap.yaml: dataset.urls: should be a list, not {"a": "b"}; correct it',
        ),
        ("dataset: {urls: [a, 3]}", "recap.yaml: dataset.urls[1]: should be text, not 3; quote it"),
        (
            "captioners: {recap: {tune: {method: loora}}}",
            "recap.yaml: captioners.recap.tune.method: should be 'full' or 'lora', "
            'not "loora"; correct it',
        ),
    ],
)
def test_mistakes_over_a_preset(text: str, line: str) -> None:
    assert told(f"extends: scenes\n{text}\n") == line


@pytest.mark.parametrize(
    "text",
    [
        "world: {alt_noise: 1.5}",
        "world: {size: 60}",
        "t2i: {steps: 0}",
        "t2i: {lr: .inf}",
        "t2i: {lr: .nan}",
        "t2i: {prompt_dropout: -0.1}",
        "human: {validation: 1}",
        "gates: {decode_error_rate: 2}",
        "dataset: {urls: []}",
        "dataset: {urls: ''}",
        "arms: {x: {mix: {}}}",
        "arms: {x: {mix: {alt: 0}}}",
        "arms: {x: {mix: {alt: 1}, train: []}}",
        "arms: {x: {mix: {alt: 1}, train: [vae]}}",
        "arms: {x: {mix: {alt: 1}, seeds: []}}",
        "arms: {x: {mix: {alt: 1}, seeds: [-1]}}",
        "evaluation: {metrics: [soac]}",
    ],
)
def test_values_out_of_bounds_name_their_place(text: str) -> None:
    section = text.split(":")[0]
    line = told(f"extends: scenes\n{text}\n")
    assert line.startswith(f"recap.yaml: {section}.")
    assert " should " in line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "arms: {x: {mix: {lnog: 1}}}",
            "arms.x.mix: no style 'lnog' (did you mean 'long'?); known: short",
        ),
        (
            "styles: {a: {prompt: p, captioner: recp}}",
            "styles.a.captioner: no captioner 'recp' (did you",
        ),
        (
            "human: {captions: {tiny: json.t}}",
            "human.captions.tiny: no style 'tiny'; known: short, long",
        ),
        ("styles: {alt: {prompt: p, captioner: recap}}", "styles.alt: the name 'alt' is reserved"),
        ("arms: {base: {mix: {alt: 1}}}", "arms.base: the name 'base' is reserved"),
        ("arms: {Real: {mix: {alt: 1}}}", "arms.Real: the name 'Real' is reserved"),
        ("arms: {a b: {mix: {alt: 1}}}", "arm 'a b': a key is"),
        ("captioners: {a/b: {model: m}}", "captioner 'a/b': a key is"),
        (
            "styles: {Short: {prompt: p, captioner: recap}}",
            "styles.Short: differs from 'short' only in case",
        ),
        ("arms: {x: {mix: {alt: 1}, seeds: [1, 1]}}", "arms.x.seeds: the same value twice"),
        ("arms: {x: {mix: {alt: 1}, train: [unet, unet]}}", "arms.x.train: the same value twice"),
        ("evaluation: {detector: null}", "evaluation.metrics: 'soa_c' needs evaluation.detector"),
        ("evaluation: {extractor: null}", "evaluation.metrics: 'fid' needs evaluation.extractor"),
        (
            "t2i: {steps: 9, checkpoints: [3, 12]}",
            "t2i.checkpoints: 12 is after the last of 9 steps; drop it",
        ),
        ("t2i: {batch: 2, accumulate: 3}", "t2i.accumulate: 2 pictures are no 3 batches"),
        ("t2i: {batch: 2, processes: 3}", "t2i.processes: 2 pictures are too few for 3; lower it"),
        ("t2i: {from_scratch: true, method: lora}", "t2i.from_scratch: an adapter cannot teach"),
        (
            "t2i: {from_scratch: true}\narms: {x: {mix: {alt: 1}, train: text_encoder}}",
            "arms.x.train: t2i.from_scratch leaves its denoiser random; add it",
        ),
        (
            "arms: {x: {mix: {alt: 1}, train: [unet, transformer]}}",
            "arms.x.train: a model has a unet or a transformer; keep the one it has",
        ),
        ("schedule: {cron: daily}", "schedule.cron: 'daily' does not have five fields"),
    ],
)
def test_contradictions_between_sections(text: str, line: str) -> None:
    assert told(f"extends: scenes\n{text}\n").startswith(f"recap.yaml: {line}")


def test_an_arm_name_must_leave_room_for_its_key() -> None:
    assert "recap.yaml: arm key 'aaa" in told(
        f"extends: scenes\narms: {{{'a' * 95}: {{mix: {{alt: 1}}}}}}\n"
    )
    long = f"extends: scenes\narms: {{{'a' * 86}: {{mix: {{alt: 1}}}}}}\n"
    assert "a" * 86 in load(long).arms
    assert "-both-s0-step1'... (102 characters)" in told(f"{long}t2i: {{checkpoints: 100}}\n")


def test_a_missing_setting_is_named() -> None:
    assert told("root: x") == "recap.yaml: dataset: is required and not there; add it"
    assert told("extends: photo") == "recap.yaml: dataset.urls: is required and not there; add it"


def test_a_misspelt_key_is_told_before_the_missing_one() -> None:
    assert told("datset: {urls: a}") == "recap.yaml: unknown key 'datset' (did you mean 'dataset'?)"


def test_a_mistake_names_the_file_it_is_in() -> None:
    Path("team.yaml").write_text(
        "extends: scenes\nt2i: {stepz: 3}\nworld: {size: 3}\n", encoding="utf-8"
    )
    assert told("extends: team.yaml").startswith("team.yaml: t2i: unknown key 'stepz'")
    Path("team.yaml").write_text("extends: scenes\nworld: {size: 3}\n", encoding="utf-8")
    assert told("extends: team.yaml").startswith("team.yaml: world.size: ")
    assert told("extends: team.yaml\nworld: {size: 4}").startswith("recap.yaml: world.size: ")


def test_a_key_with_a_line_end_is_still_told_in_one_line() -> None:
    assert told('extends: scenes\nstyles: {"a\\nb": 3}').startswith(
        "recap.yaml: styles.a b: should"
    )


def test_long_values_are_shown_shortened() -> None:
    assert len(told(f"extends: scenes\nt2i: {{steps: {'x' * 10_000}}}")) < 200


SOUP = st.text(alphabet="ab:{}[]-' \n1.~stye", max_size=30)


@given(SOUP)
def test_any_settings_load_or_are_told_in_one_line(text: str) -> None:
    try:
        load(f"extends: scenes\n{text}")
    except UserError as error:
        assert "\n" not in str(error)

"""What every family does alike, held against transformers' own classes on the same folder."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recap_assets.captioning import lora
from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.generate import caption
from recap_assets.captioning.load import load
from recap_assets.captioning.read import read
from recap_assets.captioning.save import save
from recap_assets.captioning.train import PARTS, parts_of, train
from recap_assets.experiment.captioner_settings import Captioner as Settings
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captioning.families.kinds import KINDS, Kind
from recap_assets_tests.captioning.families.vlm_kinds import CHAT, PALIGEMMA
from recap_assets_tests.captioning.pictures import CAPTIONS, PREFIXES, images, noise, walls

PROMPTS = {style: (prompt, 20) for style, prompt in PREFIXES.items()}
ALL = {**KINDS, **PALIGEMMA, **CHAT}
# They share all but a builder with others here.
for name in ("qwen2-vl", "idefics3"):
    del ALL[name]
MIXED = [*images(walls()), *images(noise(6)), *images(walls() // 2)]


@pytest.fixture(scope="module", params=ALL.values(), ids=ALL)
def kind(request: pytest.FixtureRequest) -> Kind:
    found = request.param
    assert isinstance(found, Kind)
    return found


@pytest.fixture(scope="module")
def wild(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random model whose captions differ."""
    return kind.save(tmp_path_factory.mktemp("wild"), **kind.wild)


@pytest.fixture(scope="module")
def learnt(
    kind: Kind, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Captioner, list[float], Path]:
    """A captioner tuned on four walls in two styles, its losses, and the folder it was saved in."""
    captioner = copy.deepcopy(load(kind.save(tmp_path_factory.mktemp("new"), seed=0)))
    batch = (
        read(captioner, images(walls())),
        [*range(4), *range(4)],
        [PREFIXES[style] for style in CAPTIONS for _ in range(4)],
        [text for texts in CAPTIONS.values() for text in texts],
    )
    losses = train(captioner, [batch] * 90, lr=1e-2, steps=90, warmup=10)
    folder = tmp_path_factory.mktemp("learnt") / "model"
    save(captioner, folder, {"title": "A test's captioner"})
    return captioner, losses, folder


def agree(kind: Kind, captioner: Captioner, folder: Path, prompt: str, limit: int) -> set[int]:
    """The lengths of the captions, after a check that each is that of transformers."""
    expected = kind.tokens(folder, MIXED, prompt, limit)
    got = caption(captioner, MIXED, {"style": (prompt, limit)})["style"]
    ended = [row[-1] in captioner.family.ends for row in expected]
    own = [row[:-1] if end else row for row, end in zip(expected, ended, strict=True)]
    assert [one.text for one in got] == [captioner.family.text(row) for row in own]
    assert [one.n_tokens for one in got] == [len(row) for row in own]
    assert [one.finished for one in got] == ended
    return {len(row) for row in own}


@pytest.mark.parametrize(
    ("prompt", "limit"),
    [
        ("short caption:", 1),
        ("short caption:", 20),
        ("long caption:", 2),
        ("long caption:", 20),
        ("", 7),
        ("describe the picture, and nothing", 20),
    ],
)
def test_captions_are_those_of_transformers(
    kind: Kind, learnt: tuple[Captioner, list[float], Path], prompt: str, limit: int
) -> None:
    captioner, _, folder = learnt
    lengths = agree(kind, captioner, folder, prompt, limit)
    if limit == 20 and prompt == PREFIXES["long"]:
        assert len(lengths) > 1


def test_captions_of_random_weights_are_those_of_transformers(kind: Kind, wild: Path) -> None:
    captioner = load(wild)
    for prompt in ("a red", "long caption: everything"):
        agree(kind, captioner, wild, prompt, 16)
    got = caption(captioner, MIXED, {"style": ("a red", 16)})["style"]
    assert len({one.text for one in got}) > 8


def test_batch_mates_and_styles_side_by_side_do_not_matter(kind: Kind, wild: Path) -> None:
    captioner = load(wild)
    prompts = {"a": ("", 6), "b": ("short caption:", 16), "c": ("long caption: a wall is", 11)}
    together = caption(captioner, MIXED, prompts)
    backwards = caption(captioner, MIXED[::-1], prompts, batch=3)
    for style, prompt in prompts.items():
        assert backwards[style][::-1] == together[style]
        assert caption(captioner, MIXED, {style: prompt}, batch=1)[style] == together[style]


def test_one_encoding_serves_every_style(kind: Kind, wild: Path) -> None:
    captioner = load(wild)
    seen: list[int] = []
    encoder = captioner.family.model.get_submodule(kind.encoder)
    hook = encoder.register_forward_hook(lambda _, args, output: seen.append(len(output[0])))
    caption(captioner, images(noise(7)), {"short": PROMPTS["short"]}, batch=4)
    alone, seen[:] = list(seen), []
    caption(captioner, images(noise(7)), PROMPTS, batch=4)
    hook.remove()
    assert len(seen) == 2
    assert seen == alone


def convolved(act: Callable[[], object]) -> torch.Tensor:
    """The colours that the first layers of models are given while something is done."""
    given: list[torch.Tensor] = []

    def look(module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        if isinstance(module, torch.nn.Conv2d | torch.nn.Conv3d) and module.in_channels == 3:
            given.append(args[0].detach())

    hook = torch.nn.modules.module.register_module_forward_pre_hook(look)
    act()
    hook.remove()
    return torch.cat(given)


def test_pictures_are_read_as_by_the_models_own_processor(kind: Kind, wild: Path) -> None:
    captioner = load(wild)
    sizes = [(16, 16), (31, 20), (9, 40), (200, 150)]
    shown = [
        Image.fromarray(noise(1, seed=i, size=200)[0]).resize(size) for i, size in enumerate(sizes)
    ]
    inputs = read(captioner, shown)
    assert inputs["pixel_values"].dtype == np.uint8
    got = convolved(lambda: captioner.family.encode(inputs))
    expected = convolved(lambda: [kind.tokens(wild, [one], "a", 1) for one in shown])
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-6)


def test_the_loss_is_the_models_own(kind: Kind, wild: Path) -> None:
    captioner = load(wild)
    at = [0, 0, 1, 3, 3, 2]
    prompts = ["short caption:", "long caption:", "a", "", "short caption:", "a red wall"]
    captions = ["a red wall", *CAPTIONS["long"], "green"]
    shown = images(walls())
    with torch.no_grad():
        got = captioner.family.loss(read(captioner, shown), at, prompts, captions)
        expected = kind.loss(wild, [shown[i] for i in at], prompts, captions)
    assert got.item() == pytest.approx(expected.item(), rel=1e-5)


def test_pictures_learnt_by_heart_are_captioned_word_for_word(
    learnt: tuple[Captioner, list[float], Path],
) -> None:
    captioner, losses, _ = learnt
    assert losses[-1] < losses[0] / 20
    got = caption(captioner, images(walls()), PROMPTS)
    assert {style: [one.text for one in rows] for style, rows in got.items()} == CAPTIONS
    assert all(one.finished for rows in got.values() for one in rows)


def test_what_was_saved_says_the_same(
    learnt: tuple[Captioner, list[float], Path], tmp_path: Path
) -> None:
    captioner, _, folder = learnt
    assert caption(load(folder), MIXED, PROMPTS) == caption(captioner, MIXED, PROMPTS)
    save(captioner, tmp_path / "half", {}, half=True)
    sizes = [(path / "model.safetensors").stat().st_size for path in (folder, tmp_path / "half")]
    assert sizes[1] < 0.6 * sizes[0]
    got = caption(load(tmp_path / "half"), images(walls()), PROMPTS)
    assert {style: [one.text for one in rows] for style, rows in got.items()} == CAPTIONS


def test_sixteen_bits_say_what_was_learnt_too(
    learnt: tuple[Captioner, list[float], Path],
) -> None:
    captioner = load(learnt[2], Settings(model="learnt", precision="bfloat16"))
    assert {one.dtype for one in captioner.family.model.parameters()} == {torch.bfloat16}
    got = caption(captioner, images(walls()), PROMPTS)
    assert {style: [one.text for one in rows] for style, rows in got.items()} == CAPTIONS


def test_weights_in_several_files_are_the_same_captioner(
    kind: Kind, wild: Path, tmp_path: Path
) -> None:
    kind.save(tmp_path, **kind.wild, shard="100KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert caption(load(tmp_path), MIXED, PROMPTS) == caption(load(wild), MIXED, PROMPTS)


def test_nothing_is_dropped_unless_it_is_asked_for(kind: Kind, tmp_path: Path) -> None:
    captioner = copy.deepcopy(load(kind.save(tmp_path, seed=0)))
    batch = (read(captioner, images(walls())), range(4), [""] * 4, CAPTIONS["short"])
    exact = captioner.family.loss(*batch).item()
    still, dropped = (
        train(captioner, [batch] * 2, lr=0.0, steps=2, dropout=rate) for rate in (0.0, 0.5)
    )
    assert still == pytest.approx([exact, exact], rel=1e-6)
    assert dropped[0] != dropped[1]


@pytest.mark.parametrize("part", ["image_encoder", "text_decoder"])
def test_only_the_part_that_is_tuned_moves(kind: Kind, part: str, tmp_path: Path) -> None:
    captioner = copy.deepcopy(load(kind.save(tmp_path, seed=0)))
    model = captioner.family.model
    before = {name: value.clone() for name, value in model.named_parameters()}
    batch = (
        read(captioner, images(walls())),
        range(4),
        [PREFIXES["short"]] * 4,
        CAPTIONS["short"],
    )
    train(captioner, [batch] * 2, lr=1e-2, steps=2, modules=parts_of(captioner.family, [part]))
    own = tuple(f"{name}." for name in captioner.family.parts[part])
    moved = {name for name, value in model.named_parameters() if not before[name].equal(value)}
    assert moved and all(name.startswith(own) for name in moved)
    rest = before.keys() - moved
    idle = ("position", *kind.idle)
    still = [name for name in rest if name.startswith(own)]
    assert all(any(part in name for part in idle) for name in still), still


def test_an_adapter_learns_and_says_the_same_once_it_is_merged(kind: Kind, tmp_path: Path) -> None:
    base = load(kind.save(tmp_path / "base", seed=0))
    tuned, merged = copy.deepcopy(base), copy.deepcopy(base)
    adapter = lora.attach(tuned.family, PARTS, rank=4, alpha=8.0, dropout=0.0, seed=0)
    shown = images(walls())
    batch = (read(base, shown), range(4), [PREFIXES["short"]] * 4, CAPTIONS["short"])
    losses = train(tuned, [batch] * 12, lr=3e-2, steps=12, modules=adapter.modules)
    assert losses[-1] < losses[0]
    (tmp_path / "adapter").mkdir()
    adapter.save(tmp_path / "adapter", "base", None)
    lora.merge(merged.family, tmp_path / "adapter")
    prompts = {"short": (PREFIXES["short"], 8)}
    got = caption(merged, shown, prompts)
    assert got == caption(tuned, shown, prompts)
    assert got != caption(base, shown, prompts)


def test_the_parts_are_all_there_is(kind: Kind, wild: Path) -> None:
    family = load(wild).family
    names = [name for part in family.parts.values() for name in part]
    named = {id(one) for name in names for one in family.model.get_submodule(name).parameters()}
    others = [name for name, one in family.model.named_parameters() if id(one) not in named]
    assert set(others) <= set(kind.idle)


def test_room_is_what_the_model_has_positions_for(kind: Kind, wild: Path) -> None:
    captioner = load(wild)
    room = captioner.family.room("a red wall")
    assert room is not None
    caption(captioner, MIXED[:1], {"style": ("a red wall", room)})
    with pytest.raises(UserError, match=f"lower max_tokens to {room}"):
        caption(captioner, MIXED[:1], {"style": ("a red wall", room + 1)})


def test_a_caption_beyond_the_model_does_not_teach_to_stop(kind: Kind, tmp_path: Path) -> None:
    captioner = copy.deepcopy(load(kind.save(tmp_path, seed=0)))
    family = captioner.family
    ends = sorted(family.ends)
    shown = read(captioner, images(walls()[:1]))
    head = family.model.get_output_embeddings()
    grew = []
    for words in (300, 3):
        logits: list[torch.Tensor] = []
        hook = head.register_forward_hook(lambda _, args, output, to=logits: to.append(output))
        loss = family.loss(shown, [0], ["short caption:"], ["red " * words])
        hook.remove()
        (gradient,) = torch.autograd.grad(loss, logits)
        grew.append(gradient[:, ends].min().item())
    # The gradient of an end's logit is negative only where the end is what should be said.
    assert grew[0] > 0 > grew[1]

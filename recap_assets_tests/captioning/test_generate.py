from __future__ import annotations

import numpy as np
import pytest

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.generate import Held, batches, caption
from recap_assets.captioning.question import Question
from recap_assets.captions.generated import Generated
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captioning.lively import by_transformers, lively
from recap_assets_tests.captioning.pictures import CAPTIONS, PREFIXES, images, noise, small, walls

PROMPTS = {style: (prefix, 16) for style, prefix in PREFIXES.items()}


def test_pictures_learnt_by_heart_are_captioned_word_for_word(
    learnt: tuple[Captioner, list[float]],
) -> None:
    got = caption(learnt[0], images(walls()), PROMPTS)
    assert {style: [g.text for g in rows] for style, rows in got.items()} == CAPTIONS
    assert all(g.finished for rows in got.values() for g in rows)
    assert got["short"][0].n_tokens == 3


@pytest.mark.parametrize("limit", [1, 2, 5, 16])
def test_tokens_are_those_of_transformers(
    learnt: tuple[Captioner, list[float]], limit: int
) -> None:
    captioner = learnt[0]
    # Noise beside the walls makes captions that end at different steps.
    pictures = np.concatenate([walls(), noise(9), walls() // 2])
    for style, prefix in PREFIXES.items():
        got = caption(captioner, images(pictures), {style: (prefix, limit)})[style]
        expected = by_transformers(captioner, pictures, prefix, limit)
        ended = [row[-1] in captioner.family.ends for row in expected]
        assert [g.finished for g in got] == ended
        assert [g.n_tokens for g in got] == [
            len(r) - e for r, e in zip(expected, ended, strict=True)
        ]
        texts = captioner.family.tokenizer.batch_decode(expected, skip_special_tokens=True)
        assert [g.text for g in got] == texts


def test_tokens_are_those_of_transformers_for_random_weights() -> None:
    captioner = lively()
    pictures = noise(12)
    expected = by_transformers(captioner, pictures, "", 20)
    assert len({tuple(row) for row in expected}) > 3
    got = caption(captioner, images(pictures), {"free": ("", 20)})["free"]
    texts = captioner.family.tokenizer.batch_decode(expected, skip_special_tokens=True)
    assert [g.text for g in got] == [text.strip() for text in texts]


def test_one_encoding_serves_every_style(learnt: tuple[Captioner, list[float]]) -> None:
    captioner = learnt[0]
    calls: list[int] = []
    hook = captioner.family.model.vision_model.register_forward_pre_hook(
        lambda _, args: calls.append(len(args[0]))
    )
    before = captioner.encodes
    caption(captioner, images(noise(7)), PROMPTS, batch=4)
    hook.remove()
    assert calls == [4, 3]
    assert captioner.encodes - before == 7


def test_all_styles_are_written_in_one_loop_and_rows_that_are_done_leave_it() -> None:
    captioner, pictures = lively(), images(noise(4))
    prompts = {"short": ("gray", 3), "long": ("a red wall", 9)}
    rows: list[int] = []
    head = captioner.family.model.text_decoder.cls
    hook = head.register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
    made = caption(captioner, pictures, prompts)
    hook.remove()
    written = [one.n_tokens + one.finished for style in made for one in made[style]]
    assert len(rows) == max(written) <= 9
    # A token more for each row only as long as few are done.
    assert rows[0] == 8 and sum(rows) <= sum(written) + 2 * len(rows)


def test_batch_mates_order_and_batch_size_do_not_matter(
    learnt: tuple[Captioner, list[float]],
) -> None:
    captioner, pictures = learnt[0], np.concatenate([noise(6), walls()])
    together = caption(captioner, images(pictures), PROMPTS)
    backwards = caption(captioner, images(pictures[::-1]), PROMPTS, batch=3)
    for style in PROMPTS:
        assert backwards[style][::-1] == together[style]
        alone = [caption(captioner, images(p[None]), PROMPTS)[style][0] for p in pictures]
        assert alone == together[style]


def test_a_caption_that_was_cut_says_so(learnt: tuple[Captioner, list[float]]) -> None:
    got = caption(learnt[0], images(walls()[:1]), {"long": (PREFIXES["long"], 4)})["long"][0]
    assert got == Generated("a wall that is", False, 4)


def test_no_pictures_no_captions() -> None:
    assert caption(small(), images(noise(0)), PROMPTS) == {"short": [], "long": []}


def test_a_limit_beyond_the_model_is_told_with_the_one_that_fits() -> None:
    captioner = small()
    with pytest.raises(UserError, match=r"style 'long': max_tokens 21 .* lower max_tokens to 20"):
        caption(captioner, images(walls()), {"long": (PREFIXES["long"], 21)})
    got = caption(captioner, images(walls()), {"long": (PREFIXES["long"], 20)})
    assert len(got["long"]) == 4


def test_a_captioner_of_pictures_is_not_asked_about_texts_alone() -> None:
    question = Question("short", ["a red wall"] * 4, 8, [0] * 4, picture=False)
    made = batches(small(), Held(images(walls())), 4, [question])
    with pytest.raises(UserError, match="'short': captioner tiny answers about pictures only"):
        next(made)


def test_each_picture_may_have_a_prompt_of_its_own() -> None:
    captioner, pictures = lively(), images(noise(4))
    prompts = ["", "a red wall", "gray", "short caption:"]
    question = Question("own", prompts, 9, [0] * 4)
    ((start, made),) = batches(captioner, Held(pictures), 4, [question])
    assert start == 0
    for number, (prompt, one) in enumerate(zip(prompts, made["own"], strict=True)):
        assert caption(captioner, pictures[number : number + 1], {"a": (prompt, 9)})["a"] == [one]


def test_a_prompt_without_room_is_a_row_and_the_others_are_captioned() -> None:
    captioner, pictures = lively(), images(noise(3))
    question = Question("own", ["gray", "red " * 30, "gray"], 9, [0] * 3)
    ((_, made),) = batches(captioner, Held(pictures), 3, [question])
    assert made["own"][1] == Generated("", False, 0, "the prompt leaves no room for a caption")
    alone = caption(captioner, [pictures[0], pictures[2]], {"a": ("gray", 9)})["a"]
    assert [made["own"][0], made["own"][2]] == alone

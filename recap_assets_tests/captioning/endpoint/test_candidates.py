"""Several candidates, from servers that give them at once, one by one, or refuse to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from recap_assets.captioning.endpoint.batches import batches
from recap_assets.captioning.endpoint.candidates import Reranker
from recap_assets.captioning.question import Generated, Question
from recap_assets_tests.captioning.endpoint.asking import FAST, Pictures, question, settings
from recap_assets_tests.captioning.endpoint.hostile import Call, Hostile
from recap_assets_tests.images.tar_making import noise


def three(total: int = 2) -> Question:
    """Of pictures whose seeds are 7, 8, ..."""
    seeds = [7 + place for place in range(total)]
    return question(total, temperature=1.0, candidates=3, seeds=seeds)


def choice(index: int, text: str, *logprobs: float) -> dict[str, Any]:
    tokens = [{"token": "a", "logprob": one} for one in logprobs]
    told = {"logprobs": {"content": tokens}} if tokens else {}
    message = {"role": "assistant", "content": text}
    return {"index": index, "message": message, "finish_reason": "stop", **told}


def run(server: Hostile, asked: Question, reranker: Reranker | None = None) -> list[Generated]:
    its, total = settings(server.url, endpoint_concurrency=1), len(asked.prompts)
    made = batches(its, Pictures(total), total, [asked], 2, reranker=reranker, pace=FAST)
    return [one for _, rows in made for one in rows["short"]]


def test_the_likeliest_of_those_that_come_at_once() -> None:
    def behave(call: Call) -> None:
        assert (call.asked["n"], call.asked["logprobs"]) == (3, True)
        call.answer(
            choices=[
                choice(2, "third", -0.1, -0.9, -0.2),
                choice(0, "first", -0.5),
                choice(1, "second", -0.3, -0.4),
            ],
            usage={"completion_tokens": 6},
        )

    with Hostile(behave) as server:
        assert run(server, three()) == [Generated("second", True, 2)] * 2
    assert len(server.calls) == 2


def test_a_server_that_gives_one_is_asked_for_the_others_by_other_seeds() -> None:
    with Hostile(lambda call: call.answer(f"seed {call.asked['seed']}")) as server:
        made = run(server, three())
        again = run(server, three())
    assert [one.text for one in made] == ["seed 7", "seed 8"], "the first, for want of a measure"
    assert made == again
    seeds = [call.asked["seed"] for call in server.calls[:6]]
    assert len(set(seeds)) == 6
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert seeds == [call.asked["seed"] for call in server.calls[6:]]


def test_a_server_that_rejects_several_is_soon_asked_for_one() -> None:
    def behave(call: Call) -> None:
        if "n" in call.asked or "logprobs" in call.asked:
            call.send(400, b"n must be 1")
        else:
            call.answer(f"seed {call.asked['seed']}")

    with Hostile(behave) as server:
        made = run(server, three(40))
    assert [one.text for one in made] == [f"seed {7 + place}" for place in range(40)]
    several = ["n" in call.asked for call in server.calls].count(True)
    assert several <= 8, "those that were under way already"
    assert len(server.calls) == several + 3 * 40


def test_a_picture_that_is_rejected_does_not_end_asking_for_several() -> None:
    def behave(call: Call) -> None:
        if call.prompt == "short 0":
            call.send(400, b"too large")
        else:
            call.answer(choices=[choice(n, f"text {n}", -n - 1.0) for n in range(3)])

    with Hostile(behave) as server:
        first, *others = run(server, three(20))
    assert first == Generated("", False, 0, "HTTP 400: too large")
    assert [one.text for one in others] == ["text 0"] * 19
    assert "n" in server.calls[-1].asked


def test_candidates_that_fail_leave_the_others() -> None:
    def behave(call: Call) -> None:
        if call.attempt == 0:
            call.answer(None, finish_reason="content_filter")
        else:
            call.answer("good")

    with Hostile(behave) as server:
        assert [one.text for one in run(server, three())] == ["good", "good"]


def test_a_reranker_chooses_by_picture_and_texts() -> None:
    asked: list[Sequence[str]] = []

    def last_by_alphabet(
        pictures: Sequence[Image.Image], texts: Sequence[Sequence[str]]
    ) -> list[int]:
        for place, picture in enumerate(pictures):
            assert (np.asarray(picture) == np.asarray(noise(place))).all()
        asked.extend(texts)
        return [max(range(len(one)), key=one.__getitem__) for one in texts]

    def behave(call: Call) -> None:
        texts = ["b", "c", "a"] if call.prompt == "short 0" else ["z", "x", "y"]
        call.answer(choices=[choice(n, text, -n - 1.0) for n, text in enumerate(texts)])

    with Hostile(behave) as server:
        made = run(server, three(), last_by_alphabet)
    assert [one.text for one in made] == ["c", "z"]
    assert asked == [["b", "c", "a"], ["z", "x", "y"]]


def test_more_than_was_asked_for_is_not_looked_at() -> None:
    def behave(call: Call) -> None:
        call.answer(choices=[choice(n, f"text {n}", -5.0 + n) for n in range(5)])

    with Hostile(behave) as server:
        assert [one.text for one in run(server, three())] == ["text 2", "text 2"]


def test_without_a_temperature_there_is_one_candidate() -> None:
    with Hostile(lambda call: call.answer()) as server:
        run(server, question(2, candidates=3))
    assert len(server.calls) == 2
    assert not any("n" in call.asked for call in server.calls)

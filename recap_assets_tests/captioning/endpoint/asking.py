"""Questions about pictures in memory, and settings of an endpoint, for the tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from PIL import Image

from recap_assets.captioning.endpoint.batches import batches
from recap_assets.captioning.endpoint.pace import Pace
from recap_assets.captioning.generate import Held
from recap_assets.captioning.question import Question
from recap_assets.captions.generated import Generated
from recap_assets.experiment.captioner_settings import Captioner
from recap_assets_tests.captioning.endpoint.hostile import MODEL
from recap_assets_tests.images.tar_making import noise

#: Waits of a thousandth of a second.
FAST = Pace(first=0.001, most=0.01)


class Pictures:
    """Some pictures as a source that counts how often each place was read."""

    def __init__(self, total: int, width: int = 12, height: int = 8) -> None:
        self.pictures = [noise(seed, width, height) for seed in range(total)]
        self.read = [0] * total

    def __call__(self, start: int, stop: int) -> list[Image.Image]:
        for place in range(start, min(stop, len(self.read))):
            self.read[place] += 1
        return self.pictures[start:stop]

    def part(self, start: int, stop: int) -> Held:
        return Held(self.pictures[start:stop])


def settings(url: str, model: str = MODEL, **changes: Any) -> Captioner:
    """`changes` with a leading `endpoint_` are of the endpoint, the others of the captioner."""
    endpoint = {"url": url, "retries": 2, "timeout": 30.0}
    own = {}
    for name, value in changes.items():
        if name.startswith("endpoint_"):
            endpoint[name.removeprefix("endpoint_")] = value
        else:
            own[name] = value
    return Captioner.model_validate({"model": model, "endpoint": endpoint, **own})


def question(total: int, style: str = "short", **changes: Any) -> Question:
    """One that asks `<style> <place>` of each picture, so that answers tell what they are to."""
    usual = {
        "prompts": [f"{style} {place}" for place in range(total)],
        "max_tokens": 8,
        "seeds": [1000 + place for place in range(total)],
    }
    return Question(style, **{**usual, **changes})


def ask(url: str, total: int, **changes: Any) -> Iterator[tuple[int, dict[str, list[Generated]]]]:
    """Batches of 2 of one question, with fast retries."""
    return batches(
        settings(url, **changes), Pictures(total), total, [question(total)], 2, pace=FAST
    )


def answers(url: str, total: int, **changes: Any) -> list[Generated]:
    """All of them in order."""
    return [one for _, made in ask(url, total, **changes) for one in made["short"]]

"""Failures of a batch: hooks stand for a device that is too small, or a picture that breaks it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.families.pixels import PixelReader
from recap_assets.captioning.generate import Held, batches
from recap_assets.captioning.question import Question
from recap_assets.captioning.recover import is_short_of_memory
from recap_assets.captions.generated import Generated
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captioning.lively import lively
from recap_assets_tests.captioning.pictures import SIZE, images, noise

PICTURES = images(noise(11))


def said(
    captioner: Captioner, pictures: Sequence[Image.Image], batch: int
) -> tuple[list[int], list[Generated]]:
    """Where batches began, and what was said of all pictures."""
    n = len(pictures)
    question = Question("a", [""] * n, 8, [0] * n)
    made = list(batches(captioner, Held(pictures), n, [question], batch))
    return [start for start, _ in made], [one for _, styles in made for one in styles["a"]]


def allocates_too_much() -> None:
    """What PyTorch really raises when the machine has not the memory."""
    torch.empty(1 << 60)


def raises_on_cuda() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def runs_out_in_numpy() -> None:
    np.empty(1 << 45)


def fail(captioner: Captioner, when: Callable[[torch.Tensor], bool], how: Callable[[], Any]) -> Any:
    def hook(_: object, args: tuple[torch.Tensor, ...]) -> None:
        if when(args[0]):
            how()

    return captioner.family.model.vision_model.register_forward_pre_hook(hook)


@pytest.mark.parametrize("how", [allocates_too_much, raises_on_cuda, runs_out_in_numpy])
def test_too_little_memory_halves_the_batch_for_good(how: Callable[[], None]) -> None:
    captioner = lively()
    expected = said(captioner, PICTURES, 11)[1]
    sizes: list[int] = []
    fail(captioner, lambda pixels: not sizes.append(len(pixels)) and len(pixels) > 3, how)
    starts, got = said(captioner, PICTURES, 8)
    assert got == expected
    # 8 and 4 are too many; the batch that was asked for is finished in twos.
    assert sizes == [8, 4, 2, 2, 2, 2, 2, 1]
    assert starts == [0, 8, 10] and captioner.most == 2
    sizes.clear()
    assert said(captioner, PICTURES, 8)[1] == expected
    assert sizes == [2, 2, 2, 2, 2, 1]


def test_a_picture_without_the_memory_is_a_row_with_a_reason() -> None:
    captioner = lively()
    expected = said(captioner, PICTURES, 11)[1]
    bright = torch.tensor(noise(11)).float().mean((1, 2, 3)).argmax().item()
    mean = _mean_of(captioner, int(bright))
    fail(captioner, lambda pixels: bool((_means(pixels) > mean - 1e-4).any()), allocates_too_much)
    got = said(captioner, PICTURES, 4)[1]
    row = Generated("", False, 0, "there is not the memory for this picture")
    assert captioner.most is None
    assert got == [row if i == bright else one for i, one in enumerate(expected)]


def test_a_picture_that_breaks_its_batch_is_a_row_and_the_others_are_captioned() -> None:
    captioner = lively()
    expected = said(captioner, PICTURES, 11)[1]
    mean = _mean_of(captioner, 5)
    fail(captioner, lambda pixels: bool(((_means(pixels) - mean).abs() < 1e-5).any()), _breaks)
    row = Generated("", False, 0, "IndexError: no such patch")
    for batch in (11, 4, 2, 1):
        got = said(captioner, PICTURES, batch)[1]
        assert got == [row if i == 5 else one for i, one in enumerate(expected)]


def test_a_model_that_is_broken_raises_what_it_raises() -> None:
    captioner = lively()
    fail(captioner, lambda _: True, _breaks)
    with pytest.raises(IndexError, match="no such patch"):
        said(captioner, PICTURES, 4)


def test_a_model_that_breaks_on_the_way_raises_too() -> None:
    captioner = lively()
    calls: list[int] = []
    fail(captioner, lambda pixels: not calls.append(len(pixels)) and len(calls) > 1, _breaks)
    with pytest.raises(IndexError, match="no such patch"):
        said(captioner, PICTURES, 4)


def test_a_model_too_large_for_one_picture_says_so() -> None:
    captioner = lively()
    fail(captioner, lambda _: True, allocates_too_much)
    with pytest.raises(UserError, match="not the memory for one picture; set max_pixels"):
        said(captioner, PICTURES, 4)


def test_a_picture_that_cannot_be_read_is_a_row() -> None:
    captioner = lively()
    sizes = {"size": {"shortest_edge": SIZE}, "crop_size": {"height": SIZE, "width": SIZE}}
    captioner.family.reader = PixelReader(CLIPImageProcessorPil(**sizes))
    thin = Image.new("RGB", (1, 400_000))
    starts, got = said(captioner, [PICTURES[0], thin, PICTURES[1]], 2)
    assert starts == [0, 2]
    assert [one.error for one in got] == [
        None,
        "ValueError: 1 x 400000 pixels are too long and thin",
        None,
    ]
    assert said(captioner, [PICTURES[0], thin], 1)[1][1].error == got[1].error
    with pytest.raises(Exception, match="too long and thin"):
        said(captioner, [thin], 1)


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you"), True),
        (RuntimeError("shapes cannot be multiplied"), False),
        (ValueError("not enough memory"), False),
    ],
)
def test_what_counts_as_too_little_memory(error: Exception, short: bool) -> None:
    assert is_short_of_memory(error) is short


def _breaks() -> None:
    raise IndexError("no such patch\nwith a second line")


def _means(pixels: torch.Tensor) -> torch.Tensor:
    return pixels.mean((1, 2, 3))


def _mean_of(captioner: Captioner, number: int) -> float:
    processor = captioner.family.image_processor  # type: ignore[attr-defined]
    return float(_means(processor(PICTURES[number], return_tensors="pt")["pixel_values"]))

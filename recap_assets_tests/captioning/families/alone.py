"""Rows of a decoding beside others, held against the same rows by themselves."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.read import read
from recap_assets_tests.captioning.pictures import images, noise


def assert_rows_are_what_each_is_alone(
    captioner: Captioner, prompts: Sequence[str], tolerance: float
) -> None:
    """Three prompts of two pictures, of which the first is done after a token."""
    family = captioner.family
    with torch.inference_mode():
        memory = family.encode(read(captioner, images(noise(2))))
        together = family.prime(memory, torch.tensor([0, 0, 1]), prompts, 4)
        first = together.logits
        together.step(torch.tensor([9, 10, 11]))
        together.keep(torch.tensor([1, 2]))
        together.step(torch.tensor([12, 13]))
        for row, picture in ((1, 0), (2, 1)):
            alone = family.prime(memory, torch.tensor([picture]), [prompts[row]], 4)
            assert_close(first[row], alone.logits[0], tolerance)
            alone.step(torch.tensor([9 + row]))
            alone.step(torch.tensor([11 + row]))
            assert_close(together.logits[row - 1], alone.logits[0], tolerance)


def assert_close(one: torch.Tensor, other: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=tolerance)

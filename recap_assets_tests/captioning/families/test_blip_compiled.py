"""The compiled step against the one that is not, where there is a C++ compiler."""

from __future__ import annotations

import copy
import shutil

import pytest
import torch
from torch._inductor import config as inductor

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.families.blip import Blip
from recap_assets.captioning.families.blip_compiled import CompiledDecoder, Size
from recap_assets.captioning.generate import Held, batches, caption
from recap_assets.captioning.question import Question
from recap_assets.captions.generated import Generated
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captioning.lively import lively
from recap_assets_tests.captioning.pictures import images, noise

pytestmark = pytest.mark.slow
needs_compiler = pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="no C++ compiler"
)
PICTURES = images(noise(21))
PROMPTS = {"free": ("", 9), "long": ("a red wall is", 17), "short": ("gray", 3)}


def compiled(captioner: Captioner) -> Captioner:
    family = captioner.family
    assert isinstance(family, Blip)
    other = Blip(family.model, family.tokenizer, family.image_processor, compile=True)
    return Captioner(other, captioner.settings)


@needs_compiler
def test_captions_are_the_same() -> None:
    captioner = lively(5)
    fast = compiled(captioner)
    torch._dynamo.reset()
    # A tail of five pictures, rows that leave, two rounds through the same buffers.
    for pictures in (PICTURES, PICTURES[::-1]):
        assert caption(fast, pictures, PROMPTS, 16) == caption(captioner, pictures, PROMPTS, 16)


@needs_compiler
def test_drawn_candidates_are_the_same_and_a_copy_compiles_anew() -> None:
    captioner = lively(5)
    fast = compiled(captioner)
    assert said(fast) == said(captioner)
    assert said(Captioner(copy.deepcopy(fast.family), fast.settings)) == said(captioner)
    fast.family.release()
    assert said(fast) == said(captioner)


def said(captioner: Captioner) -> list[Generated]:
    n = len(PICTURES)
    drawn = Question("drawn", ["short caption:"] * n, 9, list(range(n)), 1.2, 0.9, 3)
    made = batches(captioner, Held(PICTURES), n, [drawn], 8)
    return [one for _, styles in made for one in styles["drawn"]]


def test_without_a_compiler_it_says_so() -> None:
    torch._dynamo.reset()
    nothing = inductor.patch({"cpp.cxx": ("no-such-compiler",)})
    with (
        nothing,
        pytest.raises(UserError, match=r"compile: .* cannot be compiled here .*compile: false"),
    ):
        caption(compiled(lively(6)), PICTURES[:2], {"free": ("", 5)})


def test_buffers_of_other_sizes_are_given_up() -> None:
    decoder = lively().family.model.text_decoder
    made = CompiledDecoder(decoder)
    like = torch.zeros(1)
    first = made.buffers(Size(16, 2, 32, 5), like)
    assert made.buffers(Size(8, 2, 32, 5), like) is not first
    assert made.buffers(Size(16, 2, 32, 5), like) is first
    made.buffers(Size(16, 2, 64, 5), like)
    assert len(made._buffers) == 1

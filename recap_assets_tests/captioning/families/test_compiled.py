"""Compiled decoding writes what decoding writes; that they compile is why these are slow."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch._inductor import config as inductor

from recap_assets.captioning.families.compiled import CompiledDecoding
from recap_assets.captioning.generate import caption
from recap_assets.captioning.load import load
from recap_assets.experiment.captioner_settings import Captioner as Settings
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captioning.families.vlm_kinds import CHAT, PALIGEMMA
from recap_assets_tests.captioning.models import paligemma
from recap_assets_tests.captioning.pictures import images, noise

PROMPTS = {"short": ("short caption:", 9), "long": ("describe the picture, everything", 14)}
SHOWN = images(noise(11))


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="no C++ compiler")
@pytest.mark.parametrize("name", ["llava", "qwen2.5-vl"])
def test_one_graph_writes_all_batches(name: str, tmp_path: Path) -> None:
    kind = CHAT[name]
    folder = kind.save(tmp_path, **kind.wild)
    fast = load(folder, Settings(model=str(folder), compile=True))
    torch.compiler.reset()
    counts = torch._dynamo.utils.counters
    counts.clear()
    got = caption(fast, SHOWN, PROMPTS, batch=4)
    assert counts["stats"]["unique_graphs"] == 1
    assert not counts["graph_break"]
    assert got == caption(load(folder), SHOWN, PROMPTS, batch=4)


def test_what_was_read_before_is_forgotten(tmp_path: Path) -> None:
    """The memory is that of the batch before, also where its rows had read more."""
    kind = PALIGEMMA["paligemma"]
    folder = kind.save(tmp_path, **kind.wild)
    fast, plain = load(folder, Settings(model=str(folder), compile=True)), load(folder)
    for prompts in (PROMPTS, {"short": ("a", 20)}, PROMPTS):
        with torch.compiler.set_stance("force_eager"):
            got = caption(fast, SHOWN, prompts, batch=8)
        assert got == caption(plain, SHOWN, prompts, batch=8)


def test_without_a_compiler_it_says_so(tmp_path: Path) -> None:
    folder = CHAT["llava"].save(tmp_path, **CHAT["llava"].wild)
    fast = load(folder, Settings(model=str(folder), compile=True))
    torch.compiler.reset()
    with (
        inductor.patch({"cpp.cxx": ("no-such-compiler",)}),
        pytest.raises(UserError, match=r"compile: .* cannot be compiled here .*compile: false"),
    ):
        caption(fast, SHOWN[:2], PROMPTS)
    torch.compiler.reset()


def test_a_window_that_slides_is_not_compiled(tmp_path: Path) -> None:
    folder = paligemma.save(tmp_path, second=True)
    family = load(folder, Settings(model=str(folder), compile=True)).family
    with torch.inference_mode():
        memory = family.encode(family.reader.collate([family.reader(SHOWN[0])]))
        decoding = family.prime(memory, torch.tensor([0]), ["a"], 4)
    assert not isinstance(decoding, CompiledDecoding)

"""Embeddings of captions: exactly the encoders' own, each encoded once, whole files or none."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from recap_assets.diffusion import text_cache
from recap_assets.diffusion.families.family import Family, Weighting
from recap_assets.diffusion.text_cache import TextCache
from recap_assets.experiment.errors import UserError
from recap_assets_tests.diffusion.making import latents
from recap_assets_tests.diffusion.models import sd3, sdxl
from recap_assets_tests.diffusion.models.every import EVERY
from recap_assets_tests.diffusion.models.parts import CAPTIONS

TEXTS = [*CAPTIONS, "", "A GREEN  triangle", "ein grünes Dreieck 🔺"]


class Encoders:
    """A model whose encoders count the captions that they read."""

    def __init__(self, family: Family) -> None:
        self.family, self.loads = family, 0
        self.read = {part.encoder: 0 for part in family.present}
        for name in self.read:
            encoder = family.modules()[name]
            encoder.register_forward_pre_hook(self._counter(name))

    def model(self) -> Family:
        self.loads += 1
        return self.family

    def _counter(self, name: str) -> Any:
        def count(module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
            self.read[name] += len(args[0])

        return count


@pytest.fixture(params=list(EVERY))
def encoders(request: pytest.FixtureRequest) -> Encoders:
    return Encoders(EVERY[request.param]())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "texts" / "abc"


def own(family: Family, texts: Sequence[str]) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        return family.encode_texts(family.tokenize(texts))


def equal(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    return found.keys() == expected.keys() and all(
        found[name].dtype == expected[name].dtype and torch.equal(found[name], expected[name])
        for name in expected
    )


def test_what_is_read_is_exactly_what_the_encoders_give(encoders: Encoders, folder: Path) -> None:
    expected = own(encoders.family, TEXTS)
    assert TextCache(folder).fill(TEXTS, encoders.model) == len(TEXTS)
    cache = TextCache(folder)
    assert equal(cache.read(TEXTS), expected)
    order = [3, 0, 3, 5]
    picked = {name: tensor[order] for name, tensor in expected.items()}
    assert equal(cache.read([TEXTS[i] for i in order]), picked)


def test_training_on_it_is_training_on_the_encoders(encoders: Encoders, folder: Path) -> None:
    family, count = encoders.family, len(TEXTS)
    cache = TextCache(folder)
    cache.fill(TEXTS, encoders.model)
    uniform = torch.linspace(0.01, 0.99, count, dtype=torch.float64)
    noised = family.noised(latents(count), latents(count, 1), uniform, Weighting())
    with torch.no_grad():
        found, expected = (
            family.predict(noised.noisy, noised.times, text)
            for text in (cache.read(TEXTS), own(family, TEXTS))
        )
    assert torch.equal(found, expected)


def test_a_caption_is_encoded_once(encoders: Encoders, folder: Path) -> None:
    """However many arms, epochs and styles show it; another run asks the files."""

    def read() -> set[int]:
        return set(encoders.read.values())

    cache = TextCache(folder)
    assert cache.fill([*TEXTS[:3], *TEXTS[:2], TEXTS[0]], encoders.model) == 3
    assert read() == {3} and encoders.loads == 1
    assert cache.fill(TEXTS[:3], encoders.model) == 0
    assert TextCache(folder).fill(TEXTS[2:5], encoders.model) == 2
    assert read() == {5}
    # The first cache sees what the second has written.
    assert cache.fill(TEXTS[:5], encoders.model) == 0
    for _ in range(3):
        cache.read(TEXTS[:5])
    assert read() == {5} and encoders.loads == 2
    assert TEXTS[4] in cache and TEXTS[5] not in cache


def test_captions_that_differ_in_a_letter_are_two(folder: Path) -> None:
    encoders = Encoders(EVERY["sd"]())
    assert TextCache(folder).fill(["a b", "a  b", "A b", "a b "], encoders.model) == 4


def test_a_few_files_for_many_batches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoders = Encoders(EVERY["sd"]())
    monkeypatch.setattr(text_cache, "BATCH", 2)
    monkeypatch.setattr(text_cache, "SEGMENT", 3 * 12 * 16 * 4)  # three captions' bytes
    told: list[int] = []
    cache = TextCache(folder)
    assert cache.fill(TEXTS, encoders.model, told.append) == len(TEXTS)
    assert told == [4, 8] and len(list(folder.iterdir())) == 2
    expected = own(encoders.family, TEXTS)["hidden"]
    torch.testing.assert_close(cache.read(TEXTS)["hidden"], expected)


def test_zeros_are_not_stored(folder: Path) -> None:
    """SDXL's empty prompt costs nothing, nor does the place of a missing T5."""
    encoders = Encoders(sdxl.build())
    TextCache(folder / "xl").fill(["", CAPTIONS[0]], encoders.model)
    stored = load_file(next((folder / "xl").iterdir()))
    assert stored["hidden"].shape == (12, 28) and stored["hidden.starts"].tolist() == [0, 0, 12]
    assert bool((TextCache(folder / "xl").read([""])["hidden"] == 0).all())
    TextCache(folder / "3").fill(CAPTIONS, lambda: sd3.build(t5=False))
    assert {"clip", "pooled"} == TextCache(folder / "3").read(CAPTIONS).keys()


def test_states_of_padding_are_the_captions_own(folder: Path) -> None:
    """Why they are stored: another caption of the same length leaves other states behind it."""
    family = sd3.build()
    one, other = own(family, CAPTIONS[1:2]), own(family, CAPTIONS[3:4])
    for name in ("clip", "t5"):
        assert not torch.allclose(one[name][0, -1], other[name][0, -1], atol=1e-3)


def test_half_precision_is_what_a_training_in_bf16_reads(encoders: Encoders, folder: Path) -> None:
    family = encoders.family
    cache = TextCache(folder, "bf16")
    cache.fill(TEXTS, encoders.model)
    found = cache.read(TEXTS)
    assert {tensor.dtype for tensor in found.values()} == {torch.bfloat16}
    noisy = latents(len(TEXTS))
    times = torch.full((len(TEXTS),), 300)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = family.predict(noisy, times, family.encode_texts(family.tokenize(TEXTS)))
        assert torch.equal(family.predict(noisy, times, found), expected)


def test_a_caption_that_was_not_encoded(folder: Path) -> None:
    with pytest.raises(UserError, match="no embedding of 'a green triangle'") as caught:
        TextCache(folder).read(["a green triangle"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("how", ["cut off", "empty", "no safetensors", "other tensors", "rows"])
def test_a_torn_file_is_told_in_one_line(how: str, folder: Path) -> None:
    TextCache(folder).fill(CAPTIONS, EVERY["sdxl"])
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    if how == "other tensors":
        save_file({"hidden": torch.zeros(2, 3)}, path)
    elif how == "rows":
        tensors = load_file(path) | {"pooled": torch.zeros(2, 10)}
        save_file(tensors, path, {"rows": '{"hidden": 12}'})
    else:
        torn = {"cut off": whole[:-1], "empty": b"", "no safetensors": b"some text" * 9}
        path.write_bytes(torn[how])
    with pytest.raises(UserError) as caught:
        TextCache(folder)
    message = str(caught.value)
    assert message.startswith(f"{path}: not a file of text embeddings (")
    assert message.endswith("; delete it, and it is made again") and "\n" not in message
    path.unlink()
    assert TextCache(folder).fill(CAPTIONS, EVERY["sdxl"]) == len(CAPTIONS)


def test_a_failure_leaves_no_file_and_keeps_what_was_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_cache, "BATCH", 2)
    monkeypatch.setattr(text_cache, "SEGMENT", 1)
    family = EVERY["sd"]()
    calls: list[int] = []

    def stop(module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        calls.append(len(args[0]))
        if len(calls) == 3:
            raise RuntimeError("out of memory")

    family.pipeline.text_encoder.register_forward_pre_hook(stop)
    with pytest.raises(RuntimeError, match="out of memory"):
        TextCache(folder).fill(TEXTS, lambda: family)
    assert {path.suffix for path in folder.iterdir()} == {".safetensors"}
    assert not list(folder.glob(".tmp-*"))
    assert [text in TextCache(folder) for text in TEXTS] == [True] * 4 + [False] * 4
    assert TextCache(folder).fill(TEXTS, lambda: family) == 4


def test_files_are_read_while_another_writes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_cache, "BATCH", 1)
    monkeypatch.setattr(text_cache, "SEGMENT", 1)
    texts = [f"{number} blue circles" for number in range(30)]
    writer = threading.Thread(target=lambda: TextCache(folder).fill(texts, EVERY["sd"]))
    writer.start()
    seen = 0
    while writer.is_alive():
        cache = TextCache(folder)
        known = [text for text in texts if text in cache]
        seen = max(seen, len(known))
        if known:
            assert cache.read(known)["hidden"].shape == (len(known), 12, 16)
    writer.join()
    assert seen and all(text in TextCache(folder) for text in texts)

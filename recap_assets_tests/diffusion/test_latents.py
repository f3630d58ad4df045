from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from recap_assets.diffusion.families.stable_diffusion import StableDiffusion
from recap_assets.diffusion.latents import read, refresh, stored_uids
from recap_assets.experiment.errors import UserError
from recap_assets_tests.diffusion.making import LATENT, SIZE, build, noise

UIDS = [f"uid{i}" for i in range(6)]
PICTURES = dict(zip(UIDS, noise(len(UIDS)), strict=True))


class Shard:
    """Pictures by uid that count how often they and the encoder were asked for."""

    def __init__(self, family: StableDiffusion) -> None:
        self.asked: list[str] = []
        self.loads = self.encoded = 0
        self._model = family
        family.pipeline.vae.encoder.register_forward_pre_hook(self._count)

    def pixels(self, uids: Sequence[str]) -> Iterator[np.ndarray]:
        self.asked += uids
        for start in range(0, len(uids), 4):
            yield np.stack([PICTURES[uid] for uid in uids[start : start + 4]])

    def family(self) -> StableDiffusion:
        self.loads += 1
        return self._model

    def refresh(self, path: Path, uids: Sequence[str]) -> int:
        return refresh(path, uids, self.pixels, self.family)

    def _count(self, module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        self.encoded += len(args[0])


@pytest.fixture
def shard(family: StableDiffusion) -> Shard:
    return Shard(family)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "latents" / "shard.safetensors"


def stored(path: Path) -> dict[str, torch.Tensor]:
    return dict(zip(*read(path), strict=True))


def test_resolution_is_the_side_of_the_models_pictures(
    family: StableDiffusion,
) -> None:
    assert family.resolution == SIZE
    drawn = family.pipeline("", num_inference_steps=1, output_type="np").images
    assert drawn.shape[1:3] == (SIZE, SIZE)


def test_latents_are_the_scaled_mode_of_the_posterior(family: StableDiffusion) -> None:
    pixels = noise(3)
    pixels[0], pixels[1] = 0, 255
    scaled = torch.tensor(pixels.transpose(0, 3, 1, 2).astype(np.float64) / 255 * 2 - 1)
    assert (scaled[0] == -1).all() and (scaled[1] == 1).all()
    with torch.no_grad():
        posterior = family.pipeline.vae.encode(scaled.float()).latent_dist
    assert posterior.std.min() > 0.01  # a draw from it would be told apart
    found = family.encode_pictures(pixels)
    assert found.dtype == torch.float32 and found.shape == (3, *LATENT)
    torch.testing.assert_close(found, posterior.mode() * 0.7)
    assert torch.equal(found, family.encode_pictures(pixels))


def test_a_half_autoencoder_gives_float32(family: StableDiffusion) -> None:
    expected = family.encode_pictures(noise(1))
    family.pipeline.vae.to(torch.bfloat16)
    found = family.encode_pictures(noise(1))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.1, atol=0.1)


def test_a_new_shard(shard: Shard, path: Path) -> None:
    assert shard.refresh(path, UIDS) == 6
    assert (shard.asked, shard.encoded, shard.loads) == (UIDS, 6, 1)
    uids, latents = read(path)
    assert uids == UIDS == stored_uids(path)
    expected = shard.family().encode_pictures(np.stack([PICTURES[uid] for uid in UIDS]))
    torch.testing.assert_close(latents, expected)


def test_nothing_missing_costs_nothing(shard: Shard, path: Path) -> None:
    shard.refresh(path, UIDS)
    before = path.stat()
    shard.asked = []
    assert shard.refresh(path, UIDS) == 0
    assert (shard.asked, shard.encoded, shard.loads) == ([], 6, 1)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_only_what_is_missing_is_encoded(shard: Shard, path: Path, tmp_path: Path) -> None:
    shard.refresh(path, [UIDS[3], UIDS[1]])
    kept = stored(path)
    # What is kept must not be recognised by luck: another model would encode it otherwise.
    other = Shard(build(seed=1))
    assert other.refresh(path, UIDS) == 4
    assert other.asked == [UIDS[0], UIDS[2], UIDS[4], UIDS[5]]
    assert other.encoded == 4
    found = stored(path)
    assert list(found) == UIDS
    for uid, row in kept.items():
        assert torch.equal(found[uid], row)
    other.refresh(tmp_path / "anew.safetensors", UIDS)
    for uid, row in stored(tmp_path / "anew.safetensors").items():
        assert torch.allclose(found[uid], row, atol=1e-5) == (uid not in kept)


def test_vanished_pictures_are_dropped_without_the_model(shard: Shard, path: Path) -> None:
    shard.refresh(path, UIDS)
    before = stored(path)
    assert shard.refresh(path, UIDS[2:4]) == 0
    assert (shard.encoded, shard.loads) == (6, 1)
    found = stored(path)
    assert list(found) == UIDS[2:4]
    assert all(torch.equal(found[uid], before[uid]) for uid in found)


def test_another_order_is_taken_over_without_the_model(shard: Shard, path: Path) -> None:
    shard.refresh(path, UIDS)
    before = stored(path)
    assert shard.refresh(path, UIDS[::-1]) == 0
    assert shard.loads == 1
    found = stored(path)
    assert list(found) == UIDS[::-1] == stored_uids(path)
    assert all(torch.equal(found[uid], before[uid]) for uid in UIDS)


def test_one_comes_and_one_goes(shard: Shard, path: Path) -> None:
    shard.refresh(path, UIDS[:3])
    assert shard.refresh(path, UIDS[1:4]) == 1
    assert list(stored(path)) == UIDS[1:4]
    assert shard.encoded == 4


def test_a_shard_without_pictures_has_a_file_too(shard: Shard, path: Path) -> None:
    assert shard.refresh(path, []) == 0
    assert stored_uids(path) == [] and read(path)[0] == []
    assert shard.refresh(path, UIDS[:2]) == 2
    assert list(stored(path)) == UIDS[:2]
    assert shard.refresh(path, []) == 0
    assert stored_uids(path) == []


def test_a_failure_keeps_the_old_file(shard: Shard, path: Path) -> None:
    shard.refresh(path, UIDS[:2])
    before = path.read_bytes()

    def broken(uids: Sequence[str]) -> Iterator[np.ndarray]:
        yield np.stack([PICTURES[uids[0]]])
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="the disk is gone"):
        refresh(path, UIDS, broken, shard.family)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def damage(path: Path, how: str) -> None:
    path.parent.mkdir(parents=True)
    latents = torch.zeros(2, *LATENT)
    if how == "no safetensors":
        path.write_bytes(b"not a file of tensors at all")
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "cut off":
        save_file({"latents": latents}, path, {"uids": '["a", "b"]'})
        path.write_bytes(path.read_bytes()[:-1])
    elif how == "no uids":
        save_file({"latents": latents}, path)
    elif how == "other metadata":
        save_file({"latents": latents}, path, {"format": "pt"})
    elif how == "uids are no list":
        save_file({"latents": latents}, path, {"uids": json.dumps("ab")})
    elif how == "uids are no JSON":
        save_file({"latents": latents}, path, {"uids": "a, b"})


DAMAGES = [
    "no safetensors",
    "empty",
    "cut off",
    "no uids",
    "other metadata",
    "uids are no list",
    "uids are no JSON",
]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_file_is_told_in_one_line(shard: Shard, path: Path, how: str) -> None:
    damage(path, how)
    for use in (lambda: read(path), lambda: shard.refresh(path, UIDS)):
        with pytest.raises(UserError) as caught:
            use()
        message = str(caught.value)
        assert message.startswith(f"{path}: not a file of latents (")
        assert message.endswith("; delete it, and it is made again")
        assert "\n" not in message
    assert shard.loads == 0
    assert stored_uids(path) is None


def test_latents_that_do_not_fit_their_uids(path: Path) -> None:
    path.parent.mkdir()
    save_file({"latents": torch.zeros(2, *LATENT)}, path, {"uids": '["a", "b", "c"]'})
    with pytest.raises(UserError, match="3 uids for 2 latents"):
        read(path)


def test_a_file_without_latents(path: Path) -> None:
    path.parent.mkdir()
    save_file({"pixels": torch.zeros(1)}, path, {"uids": '["a"]'})
    with pytest.raises(UserError, match="not a file of latents"):
        read(path)


def test_no_file(path: Path) -> None:
    assert stored_uids(path) is None
    with pytest.raises(UserError, match="not a file of latents"):
        read(path)

"""Trainings that are stopped or killed: they end as if they had never been."""

from __future__ import annotations

import multiprocessing
import signal
import time
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
import torch

from recap_assets.diffusion.feed import Examples
from recap_assets.diffusion.load import load
from recap_assets.diffusion.run import Record
from recap_assets.diffusion.saves import Saves
from recap_assets.diffusion.settings import TrainSettings
from recap_assets.diffusion.texts import Encoders
from recap_assets.diffusion.train import Keep, train
from recap_assets.experiment.errors import UserError
from recap_assets_tests.diffusion.making import CAPTIONS, latents, weights

STEPS, PICTURES = 7, 5
PLAIN = TrainSettings(
    steps=STEPS, batch=4, lr=1e-2, warmup=2, prompt_dropout=0.4, seed=3, save_every=2
)
KINDS = {
    "full": PLAIN,
    "average": replace(PLAIN, ema=0.9),
    "accumulate": replace(PLAIN, accumulate=2, ema=0.5),
    "unet": replace(PLAIN, train=("unet",), precision="bf16", schedule="constant"),
    "lora": replace(PLAIN, method="lora", rank=2, ema=0.9),
}
#: Processes start from one that has torch imported and no threads yet.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["torch", "recap_assets.diffusion.train", __name__])


def draw(epoch: int) -> list[str | None]:
    """In three of four epochs one picture has no caption."""
    texts = [CAPTIONS[(row + epoch) % PICTURES] for row in range(PICTURES)]
    return [None if row == 2 and epoch % 4 else text for row, text in enumerate(texts)]


class Until(Encoders):
    """Text encoders that stop the training when they are asked for another step."""

    def __init__(self, family: object, stop: int, here: Event | None) -> None:
        super().__init__(family)
        self._left, self._here = stop, here

    def encoded(self, ready: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        self._left -= 1
        if self._left < 0:
            if self._here is None:
                raise KeyboardInterrupt
            self._here.set()
            time.sleep(600)
        return super().encoded(ready)


def run(
    folder: Path,
    settings: TrainSettings,
    saves: Saves | None = None,
    stop: int = 10**6,
    here: Event | None = None,
    keep: Keep | None = None,
) -> tuple[Record, dict[str, torch.Tensor]]:
    """Train, to the end or for `stop` micro-batches, then be stopped or wait to be killed."""
    family = load(folder)
    examples = Examples(latents(PICTURES), draw, Until(family, stop, here))
    options = {} if keep is None else {"keep": keep}
    record = train(family, examples, settings, saves=saves, **options)
    return record, weights(family.pipeline.unet) | weights(family.pipeline.text_encoder)


def run_in_a_process(threads: int, *how: object) -> None:
    """`run`, with the threads of another process: sums of other numbers are rounded otherwise."""
    torch.set_num_threads(threads)
    run(*how)  # type: ignore[arg-type]


def run_and_kill(folder: Path, settings: TrainSettings, saves: Saves, stop: int) -> None:
    """kill -9 a process that trains, when it has done so much."""
    here = CONTEXT.Event()
    how = (torch.get_num_threads(), folder, settings, saves, stop, here)
    process = CONTEXT.Process(target=run_in_a_process, args=how)
    process.start()
    assert here.wait(100)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one | other)


@pytest.fixture
def saves(tmp_path: Path) -> Saves:
    return Saves(tmp_path / "training" / "0123456789ab.safetensors", "0123456789abcdef")


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_training_ends_as_if_nothing_had_happened(
    kind: str, saves: Saves, saved: Path
) -> None:
    settings = KINDS[kind]
    whole, expected = run(saved, settings)
    run_and_kill(saved, settings, saves, 5 * settings.accumulate)
    assert saves.step() == 4
    assert [path.name for path in saves.path.parent.iterdir()] == [saves.path.name]
    told: list[int] = []
    keep = Keep((3, 6), lambda now: told.append(now.steps))
    record, found = run(saved, settings, saves, keep=keep)
    assert same(found, expected)
    assert record.losses == whole.losses and len(whole.losses) == STEPS
    assert (record.pictures, record.dropped) == (whole.pictures, whole.dropped) == (PICTURES, 1)
    assert told == [6]


def test_a_stopped_training_goes_on_from_its_last_save_and_no_further_back(
    saves: Saves, saved: Path
) -> None:
    whole, expected = run(saved, PLAIN)
    with pytest.raises(KeyboardInterrupt):
        run(saved, PLAIN, saves, stop=3)
    assert saves.step() == 2
    # Five steps are left: one micro-batch less would not do.
    with pytest.raises(KeyboardInterrupt):
        run(saved, replace(PLAIN, save_every=None), saves, stop=4)
    assert saves.step() == 2
    record, found = run(saved, PLAIN, saves, stop=5)
    assert same(found, expected) and record.losses == whole.losses
    assert record.seconds > 0


def test_without_a_save_it_starts_again(saves: Saves, saved: Path) -> None:
    _, expected = run(saved, PLAIN)
    with pytest.raises(KeyboardInterrupt):
        run(saved, PLAIN, saves, stop=3)
    _, found = run(saved, PLAIN, Saves(saves.path, "another version"), stop=STEPS)
    assert same(found, expected)


def test_micro_batches_may_change_where_memory_runs_out(saves: Saves, saved: Path) -> None:
    whole, _ = run(saved, PLAIN)
    with pytest.raises(KeyboardInterrupt):
        run(saved, PLAIN, saves, stop=5)
    record, _ = run(saved, replace(PLAIN, accumulate=4), saves)
    assert record.losses[:4] == whole.losses[:4]
    assert record.losses == pytest.approx(whole.losses, abs=1e-5)


def test_a_save_of_other_weights_is_told(saves: Saves, saved: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(saved, replace(PLAIN, train=("text_encoder",)), saves, stop=3)
    with pytest.raises(UserError, match="its weight unet.* is not that of the model; delete"):
        run(saved, PLAIN, saves)


@pytest.mark.parametrize("kind", ["full", "average"])
def test_weights_kept_on_the_way_are_those_of_a_training_that_ends_there(
    kind: str, saved: Path
) -> None:
    kept: dict[int, dict[str, torch.Tensor]] = {}
    family = load(saved)

    def publish(record: Record) -> None:
        kept[record.steps] = weights(family.pipeline.unet)

    examples = Examples(latents(PICTURES), draw, Encoders(family))
    record = train(family, examples, KINDS[kind], keep=Keep((3, STEPS), publish))
    assert list(kept) == [3, STEPS]
    assert same(kept[STEPS], weights(family.pipeline.unet))
    again = load(saved)
    examples = Examples(latents(PICTURES), draw, Encoders(again))
    short = train(again, examples, KINDS[kind], until=3)
    assert short.losses == record.losses[:3]
    assert same(kept[3], weights(again.pipeline.unet)) and not same(kept[3], kept[STEPS])

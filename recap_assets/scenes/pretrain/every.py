"""Makes the base models of `data/base/`, a folder each with a card: `recap pretrain`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

from recap_assets.experiment import atomic
from recap_assets.experiment.errors import UserError
from recap_assets.scenes.pretrain import cards
from recap_assets.scenes.pretrain.pictures import Pool, pool

PICTURES = 30_000
STEPS = {"autoencoder": 6_000, "t2i": 13_600, "captioner": 16_000, "detector": 2_500}

#: (done, total, what).
Tell = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Job:
    """What the makers share: pictures, share of the usual steps, where the last models are.

    `before` is the folder whose model is trained on, or None to start from random weights; then
    `done` is how many steps it has had, which also makes the draws new ones.
    """

    shown: Pool
    scale: float
    tell: Tell
    before: Path | None = None
    done: int = 0

    def steps(self, name: str) -> int:
        """The number of steps to train."""
        return max(1, round(STEPS[name] * self.scale))

    def report(self, name: str) -> Callable[[int, float], None]:
        """Tells the progress of a training."""
        total = self.steps(name)
        return lambda step, loss: self.tell(step + 1, total, f"{name}, loss {loss:.3f}")


def make(folder: Path, only: str | None, scale: float, tell: Tell, resume: bool = False) -> None:
    """Train the base models, or `only` one of them, with `scale` times the usual steps.

    With `resume` the models in `folder` are trained on (the autoencoder stays as it is).

    Raises:
        UserError: if there is no such model.
    """
    makers = {"t2i": _t2i, "captioner": _captioner, "detector": _detector}
    if only is not None and only not in makers:
        raise UserError(f"base model {only!r}: there is none; the models are {', '.join(makers)}")
    tell(0, PICTURES, "drawing pictures")
    shown = pool(max(256, round(PICTURES * min(1.0, scale))), Path(gettempdir()) / "recap-pretrain")
    for name in (only,) if only else makers:
        before = folder / name if resume else None
        if before is not None and not before.is_dir():
            raise UserError(f"base model {name!r}: none in {folder} to go on from")
        job = Job(shown, scale, tell, before, cards.steps(before) if before else 0)
        with atomic.directory(folder / name) as target:
            makers[name](job, target)


def _t2i(job: Job, folder: Path) -> None:
    import torch

    from recap_assets.diffusion.load import load
    from recap_assets.diffusion.save import save
    from recap_assets.scenes.pretrain import autoencoder, t2i, vocabulary

    if job.before is None:
        steps = job.steps("autoencoder")
        vae = autoencoder.train(job.shown.pixels, steps, job.report("autoencoder"))
        words = vocabulary.tokenizer(t2i.sentences(job.shown), t2i.TEXT_LENGTH)
        family = t2i.build(vae, words)
    else:
        family = load(job.before)
    t2i.pretrain(family, job.shown, job.steps("t2i"), job.report("t2i"), seed=job.done)
    family.pipeline.to(torch.float16)
    save(family, folder)
    cards.write(folder, cards.T2I, job.done + job.steps("t2i"), len(job.shown))


def _captioner(job: Job, folder: Path) -> None:
    from recap_assets.captioning.load import load
    from recap_assets.captioning.save import save
    from recap_assets.scenes.pretrain import captioner

    model = captioner.build(job.shown) if job.before is None else load(job.before)
    steps = job.steps("captioner")
    captioner.pretrain(model, job.shown, steps, job.report("captioner"), seed=2 + job.done)
    save(model, folder, {"title": "captioner"}, half=True)
    cards.write(folder, cards.CAPTIONER, job.done + steps, len(job.shown))


def _detector(job: Job, folder: Path) -> None:
    from recap_assets.scenes.pretrain import detector

    model = detector.build() if job.before is None else detector.load(job.before)
    steps = job.steps("detector")
    detector.train(model, job.shown, steps, job.report("detector"), seed=1 + job.done)
    detector.save(model, folder)
    cards.write(folder, cards.DETECTOR, job.done + steps, len(job.shown))

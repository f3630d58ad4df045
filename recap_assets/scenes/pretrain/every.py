"""Makes the base models of `data/base/`, a folder each with a card: `recap pretrain`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from recap_assets.experiment import atomic
from recap_assets.experiment.errors import UserError
from recap_assets.scenes.pretrain import cards
from recap_assets.scenes.pretrain.pictures import Pool, pool

PICTURES = 30_000
STEPS = {"t2i": 6_000, "captioner": 2_500, "detector": 2_500}
AUTOENCODER_STEPS = 6_000

#: (done, total, what).
Tell = Callable[[int, int, str], None]


def make(folder: Path, only: str | None, scale: float, tell: Tell) -> None:
    """Train the base models, or `only` one of them, with `scale` times the usual steps.

    Raises:
        UserError: if there is no such model.
    """
    makers = {"t2i": _t2i, "captioner": _captioner, "detector": _detector}
    if only is not None and only not in makers:
        raise UserError(f"base model {only!r}: there is none; the models are {', '.join(makers)}")
    tell(0, PICTURES, "drawing pictures")
    shown = pool(max(256, round(PICTURES * min(1.0, scale))), Path(gettempdir()) / "recap-pretrain")
    for name, maker in makers.items():
        if only in (None, name):
            with atomic.directory(folder / name) as target:
                maker(shown, target, scale, tell)


def _steps(name: str, scale: float) -> int:
    return max(1, round((STEPS | {"autoencoder": AUTOENCODER_STEPS})[name] * scale))


def _told(tell: Tell, name: str, total: int) -> Callable[[int, float], None]:
    return lambda step, loss: tell(step + 1, total, f"{name}, loss {loss:.3f}")


def _t2i(shown: Pool, folder: Path, scale: float, tell: Tell) -> None:
    import torch

    from recap_assets.scenes.pretrain import autoencoder, t2i

    first, second = _steps("autoencoder", scale), _steps("t2i", scale)
    vae = autoencoder.train(shown.pixels, first, 8, _told(tell, "autoencoder", first))
    pipeline = t2i.pretrain(vae, shown, second, _told(tell, "t2i", second))
    pipeline.to(torch.float16).save_pretrained(folder, safe_serialization=True)
    facts = {"autoencoder steps": first, "steps": second, "alt-text noise": t2i.ALT_NOISE}
    _card(folder, cards.T2I, facts, len(shown))


def _captioner(shown: Pool, folder: Path, scale: float, tell: Tell) -> None:
    from recap_assets.captioning.save import save
    from recap_assets.scenes.pretrain import captioner

    steps = _steps("captioner", scale)
    model = captioner.pretrain(shown, steps, _told(tell, "captioner", steps))
    save(model, folder, {"title": "captioner", "note": cards.CAPTIONER, "steps": steps}, half=True)


def _detector(shown: Pool, folder: Path, scale: float, tell: Tell) -> None:
    from recap_assets.scenes.pretrain import detector

    steps = _steps("detector", scale)
    model = detector.train(shown, steps, 32, _told(tell, "detector", steps))
    detector.save(model, folder)
    _card(folder, cards.DETECTOR, {"steps": steps}, len(shown))


def _card(folder: Path, text: str, facts: dict[str, Any], pictures: int) -> None:
    lines = [f"| {name} | {value} |" for name, value in {**facts, "pictures": pictures}.items()]
    body = "\n".join([text, "| | |", "|---|---|", *lines, ""])
    (folder / "README.md").write_text(body, encoding="utf-8", newline="\n")

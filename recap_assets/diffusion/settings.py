"""How a pipeline is trained: what the loop needs of the settings of recap.yaml."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, Self

from recap_assets.experiment.t2i_settings import T2I


@dataclass(frozen=True)
class TrainSettings:
    """How long and how strongly to train; `train` names the weights that move.

    The other fields are those of `T2I`.
    """

    steps: int
    batch: int
    lr: float
    method: Literal["full", "lora"] = "full"
    rank: int = 16
    alpha: float = 16.0
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: int = 0
    weight_decay: float = 0.01
    prompt_dropout: float = 0.1
    ema: float = 0.0
    snr_gamma: float | None = None
    timesteps: Literal["uniform", "logit_normal"] = "logit_normal"
    accumulate: int = 1
    gradient_checkpointing: bool = False
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False
    save_every: int | None = None
    train: tuple[str, ...] = ("unet", "text_encoder")
    seed: int = 0

    @classmethod
    def of(cls, t2i: T2I, train: tuple[str, ...], seed: int) -> Self:
        """The settings of an arm that trains the weights `train`."""
        names = {field.name for field in fields(cls)} - {"train", "seed"}
        return cls(train=train, seed=seed, **{name: getattr(t2i, name) for name in names})

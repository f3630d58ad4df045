"""The settings of text-to-image training: the model, the schedule and the arms."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from recap_assets.experiment.mix_entry import mix_styles
from recap_assets.experiment.section import (
    Count,
    NotNegative,
    Positive,
    Section,
    Share,
    ShareBelowOne,
    Steps,
    Text,
    Whole,
    several,
)

Weights = Literal["unet", "transformer", "text_encoder"]

#: Settings that say how a training is run and not what it gives. Processes and micro-batches take
#: the same mean over a batch in another order, a compiled denoiser rounds otherwise, activations
#: that are computed twice are the same ones, and saves and kept weights are copies on the way. (A
#: model with dropout draws others.)
#: A checkpoint that was made does not become another one by them.
RUNNING = frozenset(
    {"processes", "accumulate", "gradient_checkpointing", "compile", "save_every", "checkpoints"}
)
_OF_LORA = frozenset({"rank", "alpha"})


class T2I(Section):
    """The text-to-image model every arm starts from, and how each arm is trained.

    batch: pictures a step, however many processes and micro-batches share them.
    resolution: side of the pictures in pixels; null is the size that the model was made for.
    method: lora trains an adapter of `rank`, scaled by `alpha` / `rank`, and leaves the rest.
    from_scratch: the denoiser starts from random weights, the autoencoder and text encoder stay.
    schedule: how the learning rate goes after `warmup` steps.
    snr_gamma: min-SNR weighting (Hang et al. 2023, arXiv 2303.09556; 5 is usual); null weighs all
        time steps alike. For models that predict noise or velocity.
    timesteps: how flow-matching models draw time steps (logit_normal: Esser et al. 2024,
        arXiv 2403.03206).
    accumulate: micro-batches a step, where a batch does not fit the memory.
    gradient_checkpointing: compute activations twice to save memory.
    precision: bf16 runs the networks under autocast over float32 weights.
    compile: compile the denoiser; pays where training takes much longer than a minute.
    save_every: steps between saves from which a stopped training goes on; null has none.
    checkpoints: steps whose weights are kept and measured too: the sample-efficiency curve.
    processes: processes that share each batch, one a GPU, started by `accelerate launch`.
    """

    model: Text = "base:t2i"
    revision: Text | None = None
    resolution: Annotated[int, Field(ge=8, multiple_of=8)] | None = None
    method: Literal["full", "lora"] = "full"
    rank: Count = 16
    alpha: Positive = 16.0
    from_scratch: bool = False
    steps: Count = 300
    batch: Count = 64
    lr: Positive = 3e-4
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: Whole = 0
    weight_decay: NotNegative = 0.01
    prompt_dropout: Share = 0.1
    over_limit: Literal["drop", "truncate", "resample"] = "drop"
    ema: ShareBelowOne = 0.0
    snr_gamma: Positive | None = None
    timesteps: Literal["uniform", "logit_normal"] = "logit_normal"
    accumulate: Count = 1
    gradient_checkpointing: bool = False
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False
    save_every: Count | None = None
    checkpoints: Steps = ()
    processes: Count = 1
    seed: Whole = 0

    def deciding(self) -> dict[str, object]:
        """The settings that decide the trained weights; the model itself is not among them, for
        its content does."""
        without = {"model", "revision"} | RUNNING | (set() if self.method == "lora" else _OF_LORA)
        return self.model_dump(mode="json", exclude=without)

    @property
    def on_the_way(self) -> tuple[int, ...]:
        """The steps before the last one whose weights are kept."""
        return tuple(step for step in self.checkpoints if step < self.steps)


def _canonical(value: object) -> object:
    """Weights in one fixed order, so that the order they are written in changes no digest."""
    found = several(value)
    if not isinstance(found, tuple):
        return found
    return tuple(sorted(found, key=lambda part: (part == "text_encoder", str(part))))


class Arm(Section):
    """One caption mix, the weights it trains, and its repeats.

    `mix` maps entries (a style, "long+alt" for both in one, "long:random_length" for a cut one; see
    `mix_entry`) to weights. In recap.yaml it may be one entry or a name in `mix_presets`.
    `train` says `unet` or `transformer`, whichever the model has, and `text_encoder`.
    """

    mix: Annotated[dict[str, Positive], Field(min_length=1)]
    train: Annotated[tuple[Weights, ...], Field(min_length=1), BeforeValidator(_canonical)] = (
        "unet",
        "text_encoder",
    )
    seeds: Annotated[tuple[Whole, ...], Field(min_length=1), BeforeValidator(several)] = (0,)

    @property
    def styles(self) -> list[str]:
        """The styles whose captions the arm sees, sorted."""
        return mix_styles(self.mix)

    @property
    def trained(self) -> str:
        """What an arm's key says of the trained weights: "both", or the one part that moves."""
        return "both" if len(self.train) > 1 else self.train[0]

    def key(self, name: str, seed: int) -> str:
        """The partition key of this arm, called `name`, at one seed, such as "mix-both-s0"."""
        return f"{name}-{self.trained}-s{seed}"

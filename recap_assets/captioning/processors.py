"""What a model's generation_config asks to be done to its logits before a token is chosen.

The classes, and their order, are those of `GenerationMixin._get_logits_processor` of transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from recap_assets.experiment.errors import UserError

if TYPE_CHECKING:
    import torch

#: tokens so far int64 [R, L], logits float32 [R, V] -> logits.
Processor = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]

# What would change tokens and is not done here, with the values that do nothing.
_REFUSED: dict[str, tuple[object, ...]] = {
    "guidance_scale": (None, 1, 1.0),
    "encoder_repetition_penalty": (None, 1.0),
    "encoder_no_repeat_ngram_size": (None, 0),
    "watermarking_config": (None,),
    "stop_strings": (None, "", []),
    "max_time": (None,),
    "penalty_alpha": (None, 0, 0.0),
    "dola_layers": (None,),
    "constraints": (None,),
    "force_words_ids": (None,),
}


class Length(NamedTuple):
    """The tokens of a row's prompt, and the most that may follow."""

    prompt: int
    limit: int


def check(config: Any, model: str) -> None:
    """Refuse a generation_config that asks for what `processors` does not do.

    Beams and sampling are not refused: what is asked of a style decides them.

    Raises:
        UserError: with the setting's name.
    """
    for name, neutral in _REFUSED.items():
        value = getattr(config, name, None)
        if value not in neutral:
            raise UserError(
                f"captioner {model}: its generation_config.json asks for {name}={value}, which is "
                "not supported; remove it there and name that folder"
            )


def processors(
    config: Any, ends: frozenset[int], length: Length, device: torch.device
) -> list[Processor]:
    """The processors of rows whose prompts have the same length, in order."""
    return [*_repeating(config), *_lengths(config, ends, length, device)]


def _repeating(config: Any) -> Iterator[Processor]:
    """Those that look at which tokens were said."""
    import transformers as hf

    if config.sequence_bias is not None:
        yield hf.SequenceBiasLogitsProcessor(sequence_bias=config.sequence_bias)
    if config.repetition_penalty not in (None, 1.0):
        yield hf.RepetitionPenaltyLogitsProcessor(config.repetition_penalty)
    if config.no_repeat_ngram_size:
        yield hf.NoRepeatNGramLogitsProcessor(config.no_repeat_ngram_size)


def _lengths(
    config: Any, ends: frozenset[int], length: Length, device: torch.device
) -> Iterator[Processor]:
    """Those that forbid or force tokens, at their places."""
    import torch
    import transformers as hf

    end = torch.tensor(sorted(ends), device=device)
    if config.bad_words_ids is not None:
        yield hf.NoBadWordsLogitsProcessor(config.bad_words_ids, end)
    if config.min_length and config.min_new_tokens is None:
        yield hf.MinLengthLogitsProcessor(config.min_length, end, device=str(device))
    if config.min_new_tokens:
        yield hf.MinNewTokensLengthLogitsProcessor(
            length.prompt, config.min_new_tokens, end, device=str(device)
        )
    if config.forced_bos_token_id is not None:
        yield hf.ForcedBOSTokenLogitsProcessor(config.forced_bos_token_id)
    if config.forced_eos_token_id is not None:
        last = length.prompt + length.limit
        yield hf.ForcedEOSTokenLogitsProcessor(last, config.forced_eos_token_id, device=str(device))
    if config.remove_invalid_values:
        yield hf.InfNanRemoveLogitsProcessor()
    if config.exponential_decay_length_penalty is not None:
        penalty = config.exponential_decay_length_penalty
        yield hf.generation.ExponentialDecayLengthPenalty(penalty, end, length.prompt)
    if config.suppress_tokens is not None:
        yield hf.SuppressTokensLogitsProcessor(config.suppress_tokens, device=str(device))
    if config.begin_suppress_tokens is not None:
        late = length.prompt == 1 and config.forced_bos_token_id is not None
        yield hf.SuppressTokensAtBeginLogitsProcessor(
            config.begin_suppress_tokens, length.prompt + late, device=str(device)
        )

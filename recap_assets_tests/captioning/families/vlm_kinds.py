"""PaliGemma and the chat models, as `kinds` has the others.

transformers' own classes get one picture at a time, without padding: their sizes may differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    Idefics3Processor,
    Qwen2_5_VLProcessor,
)
from transformers.processing_utils import ProcessorMixin

from recap_assets_tests.captioning.families.kinds import Kind, Pictures
from recap_assets_tests.captioning.models import llava, paligemma, qwen_vl, smolvlm

#: Tokens that end a caption too, so that captions of random models end at different steps.
ENDS = tuple(range(7, 1500, 6))
Processor = Callable[[Path], Any]


class QwenProcessor(Qwen2_5_VLProcessor):
    """Qwen's own processor without its videos, which need torchvision."""

    def __init__(self, image_processor: Any, tokenizer: Any, chat_template: str) -> None:
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


def by_auto(folder: Path) -> Any:
    return AutoProcessor.from_pretrained(folder, backend="pil")


def by_qwen(folder: Path, template: str = qwen_vl.TEMPLATE) -> Any:
    return QwenProcessor(*_parts(folder), template)


def by_idefics(folder: Path) -> Any:
    # It writes the same as SmolVLM's, which needs torchvision and num2words for videos.
    return Idefics3Processor(
        *_parts(folder),
        image_seq_len=smolvlm.TOKENS,
        chat_template=smolvlm.DEFAULT_CHAT_TEMPLATE,
    )


def _parts(folder: Path) -> tuple[Any, Any]:
    kind: Any = AutoImageProcessor
    pictures = kind.from_pretrained(folder, backend="pil")
    return pictures, AutoTokenizer.from_pretrained(folder)


def asked(
    processor: Any, picture: Any, prompt: str, system: str | None = None, answer: str | None = None
) -> dict[str, torch.Tensor]:
    """What the model's own processor makes of a question, and of its answer if there is one."""
    content = [{"type": "text", "text": prompt}]
    if picture is not None:
        content.insert(0, {"type": "image", "image": picture})
    turns: list[dict[str, Any]] = [{"role": "user", "content": content}]
    if system is not None:
        turns.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
    if answer is not None:
        turns.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    made: dict[str, torch.Tensor] = processor.apply_chat_template(
        turns,
        add_generation_prompt=answer is None,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    return made


def written(model: Any, inputs: dict[str, torch.Tensor], limit: int) -> list[int]:
    """What `generate` writes behind the inputs, its end included."""
    out = model.generate(**inputs, max_new_tokens=limit, do_sample=False)
    row: list[int] = out[0, inputs["input_ids"].shape[1] :].tolist()
    return row


def chat_tokens(
    processor: Processor, folder: Path, pictures: Pictures, prompt: str, limit: int
) -> list[list[int]]:
    model, made = AutoModelForImageTextToText.from_pretrained(folder), processor(folder)
    return [written(model, asked(made, picture, prompt), limit) for picture in pictures]


def chat_loss(
    processor: Processor,
    folder: Path,
    pictures: Pictures,
    prompts: Sequence[str],
    captions: Sequence[str],
) -> torch.Tensor:
    model, made = AutoModelForImageTextToText.from_pretrained(folder), processor(folder)
    rows = []
    for picture, prompt, caption in zip(pictures, prompts, captions, strict=True):
        head = asked(made, picture, prompt)["input_ids"].shape[1]
        inputs = asked(made, picture, prompt, answer=caption)
        rows.append((inputs, head))
    return _mean(
        [_nats(model, _until_turn(model, made, inputs, head), head) for inputs, head in rows]
    )


def _until_turn(model: Any, processor: Any, inputs: Any, head: int) -> Any:
    """Inputs that stop with the token that ends the answer; it is added where none was written."""
    ids = inputs["input_ids"][0].tolist()
    end = processor.tokenizer.eos_token_id
    stop = ids.index(end, head) if end in ids[head:] else len(ids)
    if stop == len(ids):
        # LLaVA's template has a space there instead.
        stop -= 1
    kept = [*ids[:stop], end]
    cut = {
        k: v[:, : len(kept)]
        for k, v in inputs.items()
        if k in ("attention_mask", "mm_token_type_ids")
    }
    return {**inputs, **cut, "input_ids": torch.tensor([kept])}


def _nats(model: Any, inputs: Any, head: int) -> tuple[torch.Tensor, int]:
    labels = inputs["input_ids"].clone()
    labels[:, :head] = -100
    return model(**inputs, labels=labels).loss, labels.shape[1] - head


def _mean(parts: Sequence[tuple[torch.Tensor, int]]) -> torch.Tensor:
    """The mean over all tokens, from those of single captions."""
    return torch.stack([loss * n for loss, n in parts]).sum() / sum(n for _, n in parts)


def _pali_tokens(folder: Path, pictures: Pictures, prompt: str, limit: int) -> list[list[int]]:
    model, processor = AutoModelForImageTextToText.from_pretrained(folder), by_auto(folder)
    texts = [processor(images=p, text=f"<image>{prompt}", return_tensors="pt") for p in pictures]
    return [written(model, inputs, limit) for inputs in texts]


def _pali_loss(
    folder: Path, pictures: Pictures, prompts: Sequence[str], captions: Sequence[str]
) -> torch.Tensor:
    model, processor = AutoModelForImageTextToText.from_pretrained(folder), by_auto(folder)
    texts = [f"<image>{prompt}" for prompt in prompts]
    inputs = [
        processor(images=picture, text=text, suffix=caption, return_tensors="pt")
        for picture, text, caption in zip(pictures, texts, captions, strict=True)
    ]
    return _mean([(model(**one).loss, int((one["labels"] != -100).sum())) for one in inputs])


def _chat(
    save: Any,
    encoder: str,
    processor: Processor,
    wild: tuple[int, int] = (4, 0),
    idle: tuple[str, ...] = (),
    **options: Any,
) -> Kind:
    """wild: a scale and a seed that make a model speak."""
    return Kind(
        save=partial(save, **options),
        wild={"scale": wild[0], "seed": wild[1], "ends": ENDS},
        idle=idle,
        encoder=encoder,
        tokens=partial(chat_tokens, processor),
        loss=partial(chat_loss, processor),
    )


def _pali(second: bool) -> Kind:
    return Kind(
        save=partial(paligemma.save, second=second),
        wild={"scale": 6, "ends": ENDS},
        encoder="model.vision_tower",
        tokens=_pali_tokens,
        loss=_pali_loss,
    )


# LLaVA takes the states before the last layer.
_LAST = ("encoder.layers.1.", "post_layernorm")
CHAT = {
    "qwen2-vl": _chat(qwen_vl.save, "model.visual", by_qwen, (8, 0), version="2"),
    "qwen2.5-vl": _chat(qwen_vl.save, "model.visual", by_qwen),
    "qwen3-vl": _chat(qwen_vl.save, "model.visual", by_qwen, version="3"),
    "smolvlm": _chat(smolvlm.save, "model.vision_model", by_idefics),
    "idefics3": _chat(smolvlm.save, "model.vision_model", by_idefics, idefics=True),
    "llava": _chat(llava.save, "model.vision_tower", by_auto, (3, 2), _LAST),
    "llava-next": _chat(
        llava.save,
        "model.vision_tower",
        by_auto,
        idle=(*_LAST, "model.image_newline"),
        after=True,
    ),
}
PALIGEMMA = {"paligemma": _pali(False), "paligemma2": _pali(True)}

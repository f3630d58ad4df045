"""Embeddings of captions by frozen text encoders: each caption is encoded once.

A folder holds the embeddings of one set of encoders (`identity.texts_digest`), by the hash of the
caption, whatever arm, epoch or style shows it.

Stored is what `Family.encode_texts` gives, so that training on it is training on the encoders. That
has padding in it: CLIP's positions after the end of a text are read by Stable Diffusion and SDXL,
and the states of T5's padding by Stable Diffusion 3; none has a mask, and these states depend on
the caption, so they are kept. What does not depend on it is not stored: rows of zeros at the end
(SDXL's empty prompt), the zeros that Stable Diffusion 3 widens CLIP's states with or puts in the
place of a missing T5 (`predict` adds them), and the sizes that SDXL is told.

With precision bf16 the encoders run under autocast, as in a training in bf16, and embeddings are
stored in half the space as bfloat16: what the denoiser's first layers make of them under autocast.

Files are written once, whole or not at all, so others may read while one process writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from recap_assets.diffusion.text_segment import Segment, write
from recap_assets.experiment.errors import UserError

if TYPE_CHECKING:
    from recap_assets.diffusion.families.family import Family, Text

#: Captions the encoders read at once.
BATCH = 64
#: Bytes of embeddings that one file holds, about.
SEGMENT = 128 * 2**20


class TextCache:
    """The embeddings in a folder, which may not be there yet.

    Raises:
        UserError: if a file in it is damaged.
    """

    def __init__(self, folder: Path, precision: Literal["fp32", "bf16"] = "fp32") -> None:
        self.folder, self._half = folder, precision == "bf16"
        self._segments: dict[str, Segment] = {}
        self._places: dict[bytes, tuple[Segment, int]] = {}
        self._look()

    def __contains__(self, caption: str) -> bool:
        return key(caption) in self._places

    def fill(
        self,
        captions: Iterable[str],
        model: Callable[[], Family],
        report: Callable[[int], None] | None = None,
    ) -> int:
        """Encode the captions that were never encoded, and return how many they were.

        `model` is not called when there is nothing to encode. `report` hears how many are done.

        Raises:
            UserError: if the disk refuses; what was encoded before that is kept.
        """
        self._look()  # others may have written since
        missing = [caption for caption in dict.fromkeys(captions) if caption not in self]
        if not missing:
            return 0
        family, done = model(), 0
        for some, text in _grouped(self._encoded(family, missing)):
            self._add(write(self.folder, [key(caption) for caption in some], text))
            done += len(some)
            if report:
                report(done)
        return done

    def read(self, captions: Sequence[str]) -> Text:
        """Their embeddings as `Family.encode_texts` gives them, on the CPU.

        Raises:
            UserError: if one was not encoded.
        """
        import torch

        rows = [self._row(caption) for caption in captions]
        return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}

    def _row(self, caption: str) -> Text:
        place = self._places.get(key(caption))
        if place is None:
            raise UserError(
                f"{self.folder}: no embedding of {caption[:40]!r}; the captions changed while "
                "they were trained on, run it again"
            )
        segment, row = place
        return segment.read(row)

    def _encoded(self, family: Family, captions: list[str]) -> Iterator[tuple[list[str], Text]]:
        import torch

        device = family.device.type
        for start in range(0, len(captions), BATCH):
            some = captions[start : start + BATCH]
            with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=self._half):
                text = family.encode_texts(family.tokenize(some))
            kind = torch.bfloat16 if self._half else torch.float32
            yield some, {name: tensor.to("cpu", kind) for name, tensor in text.items()}

    def _look(self) -> None:
        """Take in the files that were not there before."""
        for path in sorted(self.folder.glob("[!.]*.safetensors")):
            if path.name not in self._segments:
                self._add(path)

    def _add(self, path: Path) -> None:
        segment = self._segments[path.name] = Segment(path)
        self._places.update((one, (segment, row)) for row, one in enumerate(segment.keys))


def key(caption: str) -> bytes:
    """What a caption's embedding is found by: 32 bytes of SHA-256 of its UTF-8."""
    return hashlib.sha256(caption.encode("utf-8")).digest()


def _grouped(batches: Iterable[tuple[list[str], Text]]) -> Iterator[tuple[list[str], Text]]:
    """The batches put together up to `SEGMENT` bytes."""
    captions: list[str] = []
    texts: list[Text] = []
    for some, text in batches:
        captions += some
        texts.append(text)
        if sum(tensor.nbytes for one in texts for tensor in one.values()) >= SEGMENT:
            yield captions, _joined(texts)
            captions, texts = [], []
    if captions:
        yield captions, _joined(texts)


def _joined(texts: list[Text]) -> Text:
    import torch

    return {name: torch.cat([text[name] for text in texts]) for name in texts[0]}

"""A recipe: everything besides the picture that decides a caption."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property

from recap_assets.captions import status
from recap_assets.experiment import fingerprint
from recap_assets.experiment.keys import ALT as ALT_STYLE
from recap_assets.experiment.keys import check_key


@dataclass(frozen=True)
class Recipe:
    """How one style's captions are made.

    `adapter_sha` is the digest of all weights the captioner uses. Where it is given, it stands for
    the model in `digest`, so that moving a model folder or renaming a prompt changes no caption's
    identity; where it is None, `model_id` and `model_revision` do. `sampling` holds the decoding
    parameters (plain JSON values, the user's seed among them); its "reads" names the styles that
    the prompt quotes, each with the short digest of the recipe that it is made by.

    Raises:
        UserError: if `style` is no valid key.
    """

    style: str
    model_id: str
    model_revision: str | None
    adapter_sha: str | None
    prompt_id: str
    prompt: str
    sampling: dict[str, object] = field(hash=False)
    code_version: str

    def __post_init__(self) -> None:
        check_key("style", self.style)

    @cached_property
    def digest(self) -> str:
        """64 hex digits over style, weights, prompt text, sampling, code and post-processing."""
        return fingerprint.digest(
            {
                "style": self.style,
                "weights": self.adapter_sha or [self.model_id, self.model_revision],
                "prompt": self.prompt,
                "sampling": self.sampling,
                "code": self.code_version,
                "text": status.VERSION,
            }
        )

    @property
    def short(self) -> str:
        """The 12 hex digits that name the recipe's folder."""
        return fingerprint.short(self.digest)

    @property
    def copies_alt(self) -> bool:
        """Whether the captions are the source's alt-text and not a model's."""
        return self.style == ALT_STYLE

    @property
    def shows_alt(self) -> bool:
        """Whether the captions depend on the source's alt-text, copied or quoted in the prompt."""
        reads = self.sampling.get("reads")
        return self.copies_alt or (isinstance(reads, dict) and ALT_STYLE in reads)

    @property
    def prompt_sha(self) -> str:
        """64 hex digits of SHA-256 of the prompt text."""
        return hashlib.sha256(self.prompt.encode("utf-8")).hexdigest()

    @property
    def sampling_json(self) -> str:
        """`sampling` as canonical JSON."""
        return json.dumps(self.sampling, sort_keys=True, separators=(",", ":"), allow_nan=False)

    def row_key(self, image_sha256: str, alt: str = "") -> str:
        """64 hex digits that name one caption: of the picture and this recipe.

        Where the alt-text is shown it counts too, so an edited one is a changed row.
        """
        source = [alt] if self.shows_alt else []
        return fingerprint.digest([image_sha256, self.digest, *source])

    def seed(self, image_sha256: str) -> int:
        """The seed of one picture's draw in [0, 2**63), the same in every run."""
        return fingerprint.seed("caption", self.sampling.get("seed", 0), self.style, image_sha256)


ALT = Recipe(
    style=ALT_STYLE,
    model_id="source",
    model_revision=None,
    adapter_sha=None,
    prompt_id="",
    prompt="",
    sampling={},
    code_version="1",
)

"""What a captioner made of one picture."""

from __future__ import annotations

from typing import NamedTuple


class Generated(NamedTuple):
    """A caption, whether the model ended it by itself, and its tokens without prompt and end.

    finished: False where the limit of tokens cut the text. n_tokens: 0 where nobody counted them.
    error: the reason why there is no text; the row then has the status `error` and no caption.
    """

    text: str
    finished: bool = True
    n_tokens: int = 0
    error: str | None = None

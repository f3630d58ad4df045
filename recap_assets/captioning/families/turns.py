"""What a chat model is asked, and how its answers are written, in the words of its own template.

The user's turn holds the picture first and the prompt after it. Where a template keeps that order,
the tokens up to the end of the picture are the same for every prompt (`Turns.head`): a model reads
them once for each picture.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_PROBES = ("one", "another")


def template(folder: Path, tokenizer: Any) -> str:
    """The chat template that transformers' own processors would take from this folder.

    Raises:
        ValueError: if there is none.
    """
    jinja, older = folder / "chat_template.jinja", folder / "chat_template.json"
    if jinja.exists():
        return jinja.read_text(encoding="utf-8")
    if older.exists():
        return str(json.loads(older.read_text(encoding="utf-8"))["chat_template"])
    own = tokenizer.chat_template
    own = own.get("default") if isinstance(own, dict) else own
    if own is not None:
        return str(own)
    raise ValueError("it has no chat template; use the instruction-tuned version of the model")


class Turns:
    """The tokens of questions and answers.

    Text of prompts, captions and the system message is text only: control tokens written in it are
    spelled out, so that alt-text from the web cannot end the user's turn or ask for more pictures.

    image: the token that stands for the picture. ends: the tokens that end an answer.
    head: the tokens up to and with the picture's, if every question begins with them, else None.

    Raises:
        ValueError: if the template refuses such turns, has no place for the picture, or leaves out
            the system message.
    """

    def __init__(
        self, tokenizer: Any, template: str, system: str | None, image: int, ends: frozenset[int]
    ) -> None:
        self._tokenizer, self._template = tokenizer, template
        self._system, self._image, self._ends = system, image, ends
        self._opening = self._first_tokens()
        self._check()
        heads = [self._split(self.asked(probe)) for probe in _PROBES]
        self.head = heads[0] if heads[0] == heads[1] else None
        self._cue, self._lead, self.end = self._answering()

    def asked(self, prompt: str, picture: bool = True) -> list[int]:
        """The tokens of a question up to those of its answer; one stands for the picture."""
        tokens: list[int] = self._tokenizer.apply_chat_template(
            self._messages(prompt, picture),
            chat_template=self._template,
            add_generation_prompt=True,
            return_dict=False,
            sanitize_control_tokens=True,
        )
        return [*self._opening, *tokens]

    def begins(self, tokens: list[int]) -> bool:
        """Whether a question begins with `head`."""
        return self.head is not None and tokens[: len(self.head)] == self.head

    def tail(self, tokens: list[int]) -> list[int]:
        """What comes after the picture in a question."""
        return tokens[tokens.index(self._image) + 1 :]

    def answered(self, caption: str) -> list[int]:
        """The tokens of an answer and the one that ends it, behind those of any question."""
        cue = self._plain(self._cue)
        both = self._plain(self._cue + self._lead + caption.strip())
        # Tokenized behind the words before it, or some tokenizers would put a space in front.
        joined = both[: len(cue)] == cue
        return [*(both[len(cue) :] if joined else self._plain(self._lead + caption)), self.end]

    def _messages(self, prompt: str, picture: bool = True) -> list[dict[str, Any]]:
        told = [] if self._system is None else [_turn("system", self._system)]
        asked = _turn("user", prompt)
        if picture:
            asked["content"].insert(0, {"type": "image"})
        return [*told, asked]

    def _rendered(self, messages: list[dict[str, Any]], cued: bool) -> str:
        text: str = self._tokenizer.apply_chat_template(
            messages, chat_template=self._template, tokenize=False, add_generation_prompt=cued
        )
        return text

    def _first_tokens(self) -> list[int]:
        """What the tokenizer begins a text with, unless the template writes it itself."""
        begin = self._tokenizer.bos_token
        if begin is not None and self._rendered(self._messages(""), True).startswith(begin):
            return []
        text, plain = self._tokenizer("a")["input_ids"], self._plain("a")
        return list(text[: text.index(plain[0])])

    def _check(self) -> None:
        from jinja2 import TemplateError

        try:
            text, tokens = self._rendered(self._messages(""), True), self.asked("")
        except TemplateError as error:
            raise ValueError(f"its chat template refuses the question ({error})") from error
        if tokens.count(self._image) != 1:
            raise ValueError("its chat template has no place for the picture")
        if self._system is not None and self._system.strip() not in text:
            raise ValueError("its chat template leaves out `system`; write it into the prompt")

    def _split(self, tokens: list[int]) -> list[int]:
        return tokens[: tokens.index(self._image) + 1]

    def _answering(self) -> tuple[str, str, int]:
        """The words that ask for an answer, what comes between them and it, and what ends it."""
        asked, probe = self._messages(_PROBES[0]), _PROBES[1]
        open_, cued = self._rendered(asked, False), self._rendered(asked, True)
        whole = self._rendered([*asked, _turn("assistant", probe)], False)
        before, after = whole[: whole.rindex(probe)], whole[whole.rindex(probe) + len(probe) :]
        cue = cued[len(open_) :] if cued.startswith(open_) else ""
        lead = before[len(cued) :] if before.startswith(cued) else ""
        ids = self._tokenizer(after, add_special_tokens=False)["input_ids"]
        usual = self._tokenizer.eos_token_id
        last = usual if usual in self._ends else min(self._ends)
        marks = self._ends & set(self._tokenizer.all_special_ids)
        return cue, lead, next((token for token in ids if token in marks), last)

    def _plain(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, verbose=False
        )["input_ids"]
        return ids


def _turn(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}]}

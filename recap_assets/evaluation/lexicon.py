"""The lexicon: how captions say the detector's labels, and which labels a caption mentions."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from recap_assets.experiment.errors import UserError


@dataclass(frozen=True)
class Lexicon:
    """Surface phrases and the label that each stands for."""

    phrases: dict[str, str]

    @classmethod
    def load(cls, path: Path | str) -> Lexicon:
        """Read a JSON file {label: [phrases]}.

        Raises:
            UserError: if it cannot be read, has another form, or gives one phrase to two labels.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise UserError(
                f"{path}: cannot be read ({error.strerror}); check `evaluation.lexicon`"
            ) from error
        except ValueError as error:
            raise UserError(f"{path}: is not JSON in UTF-8 ({error}); correct the file") from error
        return cls.build(content, str(path))

    @classmethod
    def build(cls, content: object, where: str = "lexicon") -> Lexicon:
        """Build from {label: [phrases]}; `where` names the source in errors.

        Raises:
            UserError: as `load`.
        """
        phrases: dict[str, str] = {}
        for label, said in _entries(content, where):
            key = _words(said)
            if phrases.setdefault(key, label) != label:
                raise UserError(
                    f"{where}: {said!r} stands for {phrases[key]!r} and {label!r}; "
                    "give it to one label"
                )
        return cls(phrases)

    def mentions(self, text: str) -> list[str]:
        """Labels that a caption mentions, in order, a label as often as it is said.

        Lower-cased, on word boundaries; at each place the longest phrase wins and consumes its
        words, so "hot dog" is no "dog". A phrase's words may be joined by spaces or hyphens.
        """
        return [
            self.phrases[_words(match.group())] for match in self._pattern.finditer(_normal(text))
        ]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted(self.phrases, key=len, reverse=True)
        options = "|".join(_spelled(phrase) for phrase in longest_first)
        return re.compile(rf"(?<!\w)(?:{options})(?!\w)")


def _spelled(phrase: str) -> str:
    return r"[\s-]+".join(re.escape(word) for word in phrase.split())


def _words(text: str) -> str:
    return " ".join(re.split(r"[\s-]+", _normal(text).strip()))


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()


def _entries(content: object, where: str) -> Iterable[tuple[str, str]]:
    if not isinstance(content, Mapping) or not content:
        raise UserError(f"{where}: must map labels to lists of phrases; write {{label: [phrases]}}")
    for label, phrases in content.items():
        if not isinstance(phrases, list) or not phrases:
            raise UserError(f"{where}: {label!r} needs a list of at least one phrase")
        for phrase in phrases:
            if not isinstance(phrase, str) or not phrase.strip():
                raise UserError(f"{where}: {label!r} has the phrase {phrase!r}; write words")
            yield label, phrase

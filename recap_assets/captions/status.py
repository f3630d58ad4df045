"""What a caption text is worth: cleaning it, and telling good ones from failed ones."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from recap_assets.captions.schema import Status

# Part of every recipe: raise it when `clean` or `judge` would treat some text differently.
VERSION = "2"

LOOP_REPEATS = 4
SINGLE_WORD_SHARE = 0.5
SINGLE_WORD_MINIMUM = 8

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u200b\ufeff]")
# A few letters over and over inside one word, which splitting into words would not show.
_STUTTER = re.compile(r"([^\W\d_]{1,4}?)\1{9,}")
# Scripts written without spaces count by the character, so that loops in them are seen.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")

# Only at the start: a picture may show a sign that says "I'm sorry".
_REFUSAL_OPENING = re.compile(
    r"(?:sorry\b|i(?:'m| am) (?:really |very |so )?sorry\b|i apologi[sz]e\b"
    r"|(?:unfortunately,? )?i (?:can't|cannot|can not)\b"
    r"|(?:unfortunately,? )?i(?:'m| am) (?:unable|not able)\b"
    r"|(?:unfortunately,? )?i (?:don't|do not) (?:see|have|know)\b"
    r"|(?:no|there is no) (?:image|picture) (?:was|has been|is|attached|provided)\b"
    r"|please (?:provide|upload|share|attach) (?:an?|the|your) (?:image|picture|photo)\b"
    # German, French, Spanish, Portuguese, Italian.
    r"|(?:es )?tut mir leid\b|entschuldigung,|(?:leider )?(?:ich kann|kann ich) (?:das|dieses|kein)"
    r"|(?:je suis )?désolée?,|je ne (?:peux|suis) pas\b"
    r"|lo siento\b|no puedo\b|desculpe\b|não posso\b|mi dispiace\b|non posso\b"
    # Chinese and Japanese.
    r"|抱歉|对不起|我无法|我不能"
    r"|申し訳|すみません)"
)
# Anywhere: nothing a picture shows is described in these words.
_REFUSAL_ANYWHERE = re.compile(
    r"\bas an? (?:ai|artificial intelligence|(?:large )?language model)\b"
    r"|\b(?:can't|cannot|unable to) (?:assist with|help with|fulfil+|comply)\b"
    r"|\b(?:can't|cannot|unable to) provide a (?:caption|description)\b"
)


def clean(text: str) -> str:
    """`text` in NFC on one line: white space becomes single spaces, control characters go.

    `clean(clean(text)) == clean(text)`. Words, case, digits and punctuation are never touched:
    numbers and sides are what a caption is for.
    """
    visible = _INVISIBLE.sub("", _LONE_SURROGATE.sub("\ufffd", text))
    return " ".join(unicodedata.normalize("NFC", visible).split())


def judge(caption: str, finished: bool) -> Status:
    """The status of a generated caption; the first that holds of empty, looped, refused, truncated,
    ok.

    Args:
        caption: the text, cleaned or not.
        finished: whether the model ended by itself, before its limit of tokens.

    A loop comes before `truncated` because a looping model always runs into its limit. An error of
    the
    captioner is no matter of text: rows give it the status `error` themselves.
    """
    words = _WORD.findall(caption.casefold())
    if not any(character.isalnum() for character in caption):
        return "empty"
    if is_loop(words) or any(_STUTTER.search(word) for word in words):
        return "looped"
    if is_refusal(caption):
        return "refused"
    return "ok" if finished else "truncated"


def is_loop(words: Sequence[str]) -> bool:
    """Whether an n-gram comes `LOOP_REPEATS` times in a row, or one word is half of a caption."""
    if len(words) >= SINGLE_WORD_MINIMUM:
        most = Counter(words).most_common(1)[0][1]
        if most >= SINGLE_WORD_SHARE * len(words):
            return True
    return any(_repeats(words, size) for size in range(1, len(words) // LOOP_REPEATS + 1))


def is_refusal(caption: str) -> bool:
    """Whether the model declines to describe the picture, by openings in eight languages."""
    text = clean(caption).casefold().replace("\u2019", "'").lstrip("\"'*- ")
    return bool(_REFUSAL_OPENING.match(text) or _REFUSAL_ANYWHERE.search(text))


def _repeats(words: Sequence[str], size: int) -> bool:
    """Whether some `size` words stand `LOOP_REPEATS` times in a row."""
    run = 0
    for position in range(len(words) - size):
        run = run + 1 if words[position] == words[position + size] else 0
        if run == (LOOP_REPEATS - 1) * size:
            return True
    return False

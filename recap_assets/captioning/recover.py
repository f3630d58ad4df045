"""Going on where a batch fails: smaller batches where memory is short, else picture by picture."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

from recap_assets.captioning.answer import Answerer, Shown
from recap_assets.captioning.feed import ReadError
from recap_assets.captions.generated import Generated
from recap_assets.experiment.errors import UserError

#: What was made of one picture, by style, or why nothing was.
Answers = dict[str, Generated] | Exception
_SHORT = ("not enough memory", "allocate memory", "out of memory", "alloc_failed")


class Recovering:
    """Answers about pictures, so that one that fails becomes an error row and others do not.

    A batch in which every picture fails raises, unless a picture that worked before still works:
    a broken model must not turn a whole shard into error rows.
    """

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer
        self._captioner = answerer.captioner
        self._worked: Shown | None = None

    def __call__(self, shown: Sequence[Shown | ReadError]) -> list[dict[str, Generated]]:
        """For each picture its caption in each style, or the reason why it has none.

        Raises:
            UserError: if there is not the memory for a single picture.
            Exception: what the model raised, if no picture works.
        """
        answers = iter(self._answers([one for one in shown if isinstance(one, Shown)]))
        made = [one if isinstance(one, ReadError) else next(answers) for one in shown]
        for one, answer in zip(shown, made, strict=True):
            if isinstance(one, Shown) and not isinstance(answer, Exception):
                self._worked = one
                break
        else:
            self._check(made)
        return [self._rows(answer) for answer in made]

    def _answers(self, shown: Sequence[Shown]) -> list[Answers]:
        """In batches as large as memory allows, and singly where a batch fails otherwise."""
        done: list[Answers] = []
        before = self._captioner.most
        while len(done) < len(shown):
            size = self._captioner.most or len(shown)
            batch = shown[len(done) : len(done) + size]
            answers = self._try(batch)
            if not isinstance(answers, Exception):
                done += answers
            elif is_short_of_memory(answers) and len(batch) > 1:
                self._captioner.most = len(batch) // 2
            elif len(batch) == 1:
                done.append(answers)
                # The picture was too large, not the batch.
                self._captioner.most = before
            else:
                done += [answer for one in batch for answer in self._answers([one])]
        return done

    def _try(self, batch: Sequence[Shown]) -> Sequence[Answers] | Exception:
        try:
            return self._answerer(batch)
        except UserError:
            raise
        except Exception as error:
            # The frames of what failed hold its tensors.
            traceback.clear_frames(error.__traceback__)
            if is_short_of_memory(error):
                self._captioner.family.release()
                _give_back()
            return error

    def _check(self, made: Sequence[Answers]) -> None:
        """Raise the first of the errors, all that there is, unless the model works all the same."""
        error = next((one for one in made if isinstance(one, Exception)), None)
        if error is None:
            return
        if self._worked is not None and not isinstance(self._try([self._worked]), Exception):
            return
        if is_short_of_memory(error):
            raise UserError(
                f"captioner {self._captioner.settings.model}: there is not the memory for one "
                "picture; set max_pixels or precision, or take a smaller model"
            ) from error
        raise error

    def _rows(self, answer: Answers) -> dict[str, Generated]:
        if not isinstance(answer, Exception):
            return answer
        row = Generated("", False, 0, reason(answer))
        return {question.style: row for question in self._answerer.questions}


def is_short_of_memory(error: Exception) -> bool:
    """Whether an error means that the device or the machine has no memory left."""
    import torch

    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in said for words in _SHORT)


def reason(error: Exception) -> str:
    """One line for a row."""
    if isinstance(error, ReadError):
        return str(error)
    if is_short_of_memory(error):
        return "there is not the memory for this picture"
    line = (str(error).splitlines() or [""])[0][:200]
    return f"{type(error).__name__}: {line}"


def _give_back() -> None:
    """Return what the allocator of a GPU keeps of tensors that are gone."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()

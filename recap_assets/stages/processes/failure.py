"""From how a launch ended to the one error that says why."""

from __future__ import annotations

import signal

from recap_assets.experiment.errors import UserError
from recap_assets.stages.processes.notes import Notes
from recap_assets.stages.stage import NotReady

#: Errors that are told in their own words wherever they are raised.
TOLD = (UserError, NotReady)
_LINES = 20


def failure(notes: Notes, count: int, code: int) -> Exception:
    """Why a launch of `count` processes ended with `code`.

    A rank that a missing one made fail tells nothing, so a user's mistake comes first, then a
    process that was killed, then whatever was raised first.
    """
    mistakes = notes.mistakes()
    for mistake in mistakes:
        for kind in TOLD:
            if mistake.kind == kind.__name__:
                return kind(mistake.text)
    told = {mistake.rank for mistake in mistakes}
    for rank, ended in notes.codes().items():
        if ended < 0 and ended != -signal.SIGTERM and rank not in told:
            return _killed(notes, f"rank {rank} of {count} processes", -ended)
    for mistake in mistakes:
        what = f"rank {mistake.rank} of {count} processes: {mistake.kind}: {mistake.text}"
        return _unexpected(notes, f"{what}\n{mistake.trace}")
    if code < 0:
        return _killed(notes, "accelerate launch", -code)
    return _unexpected(notes, f"accelerate launch ended with code {code}")


def _killed(notes: Notes, what: str, number: int) -> Exception:
    name = signal.Signals(number).name
    if number == signal.SIGKILL:
        return UserError(
            f"{what} was killed ({name}), perhaps for want of memory; fewer processes or a smaller "
            "share of each batch at a time need less"
        )
    return _unexpected(notes, f"{what} died ({name})")


def _unexpected(notes: Notes, what: str) -> RuntimeError:
    return RuntimeError(f"{what}\nThe last lines that were printed:\n{notes.last_lines(_LINES)}")

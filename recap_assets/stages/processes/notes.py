"""The folder in which ranks tell whoever started them how far they are, and what went wrong."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from recap_assets.experiment import atomic

Told = tuple[int, int, str]


@dataclass(frozen=True)
class Mistake:
    """What a rank raised: its class, its text, whence, and when (seconds since 1970)."""

    rank: int
    kind: str
    text: str
    trace: str
    at: float


@dataclass(frozen=True)
class Notes:
    """A folder of this machine that lives as long as the launch."""

    folder: Path

    @property
    def log(self) -> Path:
        """Everything that the processes print."""
        return self.folder / "log"

    @property
    def settings(self) -> Path:
        """The settings of accelerate, so that those in the user's home are not read."""
        return self.folder / "accelerate.yaml"

    @property
    def errors(self) -> Path:
        """Where torch notes errors of its own."""
        return self.folder / "torch"

    @property
    def agents(self) -> Path:
        """Where the agent would meet others."""
        return self.folder / "agents"

    @property
    def group(self) -> Path:
        """Where the ranks meet."""
        return self.folder / "group"

    @property
    def _progress(self) -> Path:
        return self.folder / "progress.jsonl"

    def progress(self, done: int, total: int, what: str) -> None:
        """Tell how far the work is; for one rank alone."""
        with open(self._progress, "a", encoding="utf-8") as file:
            file.write(json.dumps([done, total, what]) + "\n")

    def heard(self) -> Iterator[list[Told]]:
        """What was told since the last time, again and again."""
        self._progress.touch()
        with open(self._progress, encoding="utf-8") as file:
            begun = ""
            while True:
                *lines, begun = (begun + file.read()).split("\n")
                yield [tuple(json.loads(line)) for line in lines]

    def mistake(self, rank: int, error: BaseException) -> None:
        """Keep what a rank raised."""
        trace = "".join(traceback.format_exception(error))
        found = Mistake(rank, type(error).__name__, str(error), trace, time.time())
        atomic.write_json(self.folder / f"mistake-{rank}.json", asdict(found))

    def mistakes(self) -> list[Mistake]:
        """What the ranks raised, the earliest first: the others may only have missed that one."""
        paths = self.folder.glob("mistake-*.json")
        found = [Mistake(**json.loads(path.read_text(encoding="utf-8"))) for path in paths]
        return sorted(found, key=lambda mistake: mistake.at)

    def ended(self, codes: dict[int, int]) -> None:
        """Keep how ranks failed: exit codes, or minus the signal that killed them."""
        atomic.write_json(self.folder / "ended.json", codes)

    def codes(self) -> dict[int, int]:
        """The ranks that failed, and how."""
        path = self.folder / "ended.json"
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return {int(rank): code for rank, code in found.items()}

    def last_lines(self, count: int) -> str:
        """The end of what was printed."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-count:])

"""Two sides of a comparison measured in turns, and what the turns say of their ratio."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Ratio:
    """The median of the rounds' ratios and the middle 95 % of its bootstrap distribution."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, ratios: list[float]) -> Ratio:
        """From one ratio a round."""
        draws = np.random.default_rng(0).choice(ratios, (10_000, len(ratios)))
        low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
        return cls(statistics.median(ratios), float(low), float(high))

    def __str__(self) -> str:
        return f"{self.median:.2f}x [{self.low:.2f}, {self.high:.2f}]"


def in_turns(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each side in every round; the sides of a round follow one another."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            seconds[name].append(side())
    return seconds


def told(name: str, theirs: list[float], ours: list[float], unit: str, amount: float) -> str:
    """A line: how many times less time our side took, and both rates."""
    ratio = Ratio.of([a / b for a, b in zip(theirs, ours, strict=True)])
    rates = [amount / statistics.median(one) for one in (theirs, ours)]
    return f"{name}: {ratio}, {rates[0]:.1f} against {rates[1]:.1f} {unit}"


def child(module: str, *arguments: str, **environment: str) -> dict[str, Any]:
    """What a side that runs in a process of its own prints in its last line, as JSON."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def machine() -> str:
    """What the numbers were measured on; said with them."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return (
        f"{os.cpu_count()} cores, {gpu}, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}"
    )

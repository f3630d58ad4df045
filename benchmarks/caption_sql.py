"""Statistics of a caption store: the view `caption_stats` beside pandas, in time and memory.

    python -m benchmarks.caption_sql --rows 10000000

Each measurement is a process of its own, so that its peak of memory is its own. pandas is no
dependency of the project: where it is absent, its side is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.caption_rows import STYLES, write

_LENGTHS = {"chars": "n_chars", "words": "n_words", "tokens": "n_tokens_clip"}
_QUANTILES = {"p05": 0.05, "p50": 0.5, "p95": 0.95}
#: ru_maxrss is in bytes on a Mac and in KiB elsewhere.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def ours(root: Path) -> list[dict[str, Any]]:
    """`SELECT * FROM caption_stats`, as `recap sql` asks it."""
    from recap_assets.captions.views import connect

    current = {style: recipe for style, (recipe, _) in STYLES.items()}
    with connect(root, current) as connection:
        return connection.sql("SELECT * FROM caption_stats").pl().to_dicts()


def pandas(root: Path) -> list[dict[str, Any]]:
    """The same numbers by pandas."""
    import pandas as pd

    rows = []
    for style in sorted(STYLES):
        files = sorted((root / "captions" / f"style={style}").glob("*/*.parquet"))
        columns = ["caption", "status", *_LENGTHS.values()]
        # One file at a time: a folder would bring the folder's names as columns.
        frame = pd.concat([pd.read_parquet(file, columns=columns) for file in files])
        good = frame[frame["status"] == "ok"]
        distinct = good["caption"].nunique()
        row: dict[str, Any] = {"style": style, "n": len(frame), "ok_share": len(good) / len(frame)}
        for name, column in _LENGTHS.items():
            row[f"{name}_mean"] = good[column].mean()
            row |= {f"{name}_{key}": good[column].quantile(q) for key, q in _QUANTILES.items()}
        row |= {"distinct_captions": distinct, "duplicates": len(good) - distinct}
        rows.append(row)
    return rows


SIDES: dict[str, Callable[[Path], list[dict[str, Any]]]] = {"caption_stats": ours, "pandas": pandas}


def measure(root: Path, side: str) -> dict[str, Any]:
    """Seconds, peak memory in GiB and the answer of one side, in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.caption_sql", "--store", str(root), "--side", side]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def agree(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    """Whether two answers hold the same numbers, up to the order of a sum."""
    return len(one) == len(other) and all(
        a.keys() == b.keys()
        and all(a[key] == b[key] or abs(a[key] - b[key]) < 1e-6 * abs(a[key]) for key in a)
        for a, b in zip(one, other, strict=True)
    )


def main() -> None:
    """Generate a store unless one is given, measure every side, print a line for each."""
    asked = _arguments()
    if asked.side:
        _one(asked.store, asked.side)
        return
    with tempfile.TemporaryDirectory() as folder:
        root = asked.store or Path(folder)
        if not (root / "captions").is_dir():
            write(root, asked.rows, asked.rows_per_shard)
        _compare(root, asked.repeats)


def _one(root: Path, side: str) -> None:
    start = time.perf_counter()
    answer = SIDES[side](root)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT / 2**30
    print(json.dumps({"seconds": seconds, "gib": peak, "answer": answer}))


def _compare(root: Path, repeats: int) -> None:
    answers = {}
    for side in SIDES:
        if side == "pandas" and importlib.util.find_spec("pandas") is None:
            print("pandas: not installed, left out")
            continue
        runs = [measure(root, side) for _ in range(repeats)]
        answers[side] = runs[0]["answer"]
        best, peak = min(run["seconds"] for run in runs), max(run["gib"] for run in runs)
        rows = sum(row["n"] for row in answers[side])
        print(f"{side}: {rows} rows, best of {repeats} {best:.1f} s, peak {peak:.2f} GiB")
    if len(answers) > 1:
        print("answers agree" if agree(*answers.values()) else "ANSWERS DIFFER")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rows-per-shard", type=int, default=10_000, help="of each style")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--store", type=Path, help="where the store is, or is to be written")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()

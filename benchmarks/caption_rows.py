"""A caption store of any size: shard files with the columns, lengths and repeats of real ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from recap_assets.captions import schema
from recap_assets.experiment import atomic
from recap_assets.images.schema import INDEX

#: Style to the recipe digits of its folder and the mean number of phrases in a caption.
STYLES = {"alt": ("0" * 12, 1), "short": ("1" * 12, 2), "long": ("2" * 12, 6)}
_STATUSES = np.array(["ok", "truncated", "empty", "looped"])
_STATUS_SHARES = [0.97, 0.02, 0.005, 0.005]
_VOCABULARY, _PHRASES, _PHRASE_WORDS = 20_000, 20_000, 8


def write(root: Path, rows: int, rows_per_shard: int, seed: int = 0) -> None:
    """Write a store of `rows` caption rows, in equal parts of each of `STYLES`, below `root`.

    A shard holds `rows_per_shard` rows of every style. Statuses, token counts and lengths vary; in
    each style about every twentieth caption says what another one says.
    """
    rng = np.random.default_rng(seed)
    phrases = _phrases(rng)
    for number in range(max(1, rows // (len(STYLES) * rows_per_shard))):
        shard = f"{number:05d}"
        shas = pl.Series([rng.bytes(32).hex() for _ in range(rows_per_shard)], dtype=pl.String)
        atomic.write_parquet(root / "images" / f"{shard}.parquet", _index(shard, shas))
        for style, (recipe, length) in STYLES.items():
            path = root / "captions" / f"style={style}" / f"recipe={recipe}" / f"{shard}.parquet"
            texts = _captions(rng, phrases, rows_per_shard, length)
            atomic.write_parquet(path, _rows(rng, shard, shas, style, texts))


def _phrases(rng: np.random.Generator) -> pl.Series:
    """Phrases of words that are as unevenly frequent as those of a language."""
    letters = np.array(list("etaoinshrdlu"))
    words = np.array(
        ["".join(rng.choice(letters, rng.integers(2, 10))) for _ in range(_VOCABULARY)]
    )
    frequency = 1 / np.arange(1, _VOCABULARY + 1)
    chosen = rng.choice(words, (_PHRASES, _PHRASE_WORDS), p=frequency / frequency.sum())
    return pl.Series([" ".join(row) for row in chosen])


def _captions(rng: np.random.Generator, phrases: pl.Series, rows: int, length: int) -> pl.Series:
    parts = 1 + rng.poisson(length - 1, rows) if length > 1 else np.ones(rows, dtype=np.int64)
    columns: Sequence[pl.Series] = [
        pl.Series(f"p{place}", phrases.gather(rng.integers(0, _PHRASES, rows)))
        for place in range(int(parts.max()))
    ]
    frame = pl.DataFrame(columns).with_columns(
        pl.when(pl.lit(pl.Series(parts)) > place).then(pl.col(f"p{place}")).alias(f"p{place}")
        for place in range(len(columns))
    )
    texts = frame.select(pl.concat_str(pl.all(), separator=" ", ignore_nulls=True)).to_series()
    # A captioner says some things again and again, and most things once.
    number = pl.Series(rng.integers(0, 10**9, rows)).cast(pl.String)
    popular = pl.Series(rng.random(rows) < 0.05)
    return (
        pl.DataFrame({"text": texts, "number": number, "popular": popular})
        .select(
            pl.when("popular")
            .then(pl.lit(phrases[0]))
            .otherwise(pl.concat_str("text", "number", separator=" "))
        )
        .to_series()
    )


def _rows(
    rng: np.random.Generator, shard: str, shas: pl.Series, style: str, captions: pl.Series
) -> pl.DataFrame:
    words = captions.str.count_matches(" ") + 1
    number = shard + "-" + pl.Series(range(len(shas))).cast(pl.String)
    return schema.conform(
        pl.DataFrame({"image_sha256": shas, "caption": captions, "n_words": words}).with_columns(
            uid=pl.col("image_sha256").str.slice(0, 32),
            shard=pl.lit(shard),
            source_key=number,
            url=pl.lit("https://pictures.example/") + number,
            style=pl.lit(style),
            status=pl.Series(rng.choice(_STATUSES, len(shas), p=_STATUS_SHARES)),
            error=pl.lit(None),
            model_id=pl.lit("some/captioner"),
            model_revision=pl.lit("a" * 40),
            adapter_sha=pl.lit("b" * 64),
            prompt_id=pl.lit(style),
            prompt_sha=pl.lit("c" * 64),
            sampling=pl.lit('{"max_tokens":48,"method":"greedy"}'),
            seed=pl.Series(rng.integers(0, 2**62, len(shas))),
            code_version=pl.lit("1"),
            row_key=pl.col("image_sha256").str.reverse(),
            n_chars=pl.col("caption").str.len_chars(),
            n_tokens_clip=(pl.col("n_words") * 1.3).round() + 2,
            n_tokens_t5=pl.lit(None),
            created_at=pl.lit(datetime(2026, 1, 2, tzinfo=UTC)),
            run_id=pl.lit("00000000-0000-0000-0000-000000000000"),
        )
    )


def _index(shard: str, shas: pl.Series) -> pl.DataFrame:
    frame = pl.DataFrame({"image_sha256": shas})
    fixed = {"shard": shard, "ext": "jpg", "alt": "", "extra": "{}", "status": "ok"}
    known = frame.with_columns(
        uid=pl.col("image_sha256").str.slice(0, 32),
        **{name: pl.lit(value) for name, value in fixed.items()},
    )
    return known.select(
        pl.col(name).cast(kind) if name in known.columns else pl.lit(None, kind).alias(name)
        for name, kind in INDEX.items()
    )

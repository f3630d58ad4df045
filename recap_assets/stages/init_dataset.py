"""What `recap init` found of the data set itself: lines of decisions and the block `dataset`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recap_assets.experiment.config import Dataset, Table
from recap_assets.images.folder_shard import FolderShard
from recap_assets.images.parquet import opened
from recap_assets.images.shard import Shard
from recap_assets.images.table import ADDRESSES, CAPTIONS, find
from recap_assets.stages import init_urls
from recap_assets.stages.init_places import HumanPlaces
from recap_assets.stages.init_prompts import People
from recap_assets.stages.init_survey import Survey

_PLAIN = re.compile(r"[A-Za-z][\w./-]*", re.ASCII)


@dataclass(frozen=True)
class Findings:
    """All that the first shards told; `why_not` says why there are no `people`.

    table: the columns of text and address in the table beside the tars, where there is one.
    """

    survey: Survey
    dataset: Dataset
    alt: str | None
    address: str | None
    table: tuple[str | None, str | None]
    notes: list[str]
    human: HumanPlaces
    people: People | None
    human_urls: list[str]
    why_not: str

    @property
    def has_alt(self) -> bool:
        """Whether samples or their table have alt-text."""
        return self.alt is not None or self.table[0] is not None


def moved(found: Dataset, shards: Sequence[Shard], folder: Path) -> Dataset:
    """The data set with its paths as a recap.yaml in `folder` would write them."""
    home = folder.absolute()
    if found.source in ("imagefolder", "coco"):
        names = [init_urls.moved(url, home) for url in found.urls]
    else:
        names = init_urls.urls(found.urls, shards, folder)
    images = init_urls.moved(found.images, home) if found.images else None
    table = found.table
    if table is not None:
        table = Table(urls=tuple(_table_url(name) for name in names))
    return found.model_copy(update={"urls": tuple(names), "images": images, "table": table})


def table(shard: Shard) -> tuple[str | None, str | None]:
    """The columns of text and address in the table of a shard."""
    if shard.table is None:
        return None, None
    with opened(shard.table.files[0]) as file:
        names = file.schema_arrow.names
    return find(names, None, CAPTIONS), find(names, None, ADDRESSES)


def notes(survey: Survey) -> list[str]:
    """What else to know of the data set, one line each."""
    lines = []
    first = survey.shards[0]
    if isinstance(first, FolderShard):
        lines += [f"not read: {n} {why}" for why, n in sorted(first.seen.passed_over.items())]
    for member in ("txt", "caption"):
        several = sum("\n" in text.get(member, "") for text in survey.texts)
        if several:
            lines.append(
                f"{member}: {several} samples have several lines, taken as one caption; "
                f"`lines: true` makes each line one"
            )
    return lines


def decisions(found: Findings) -> list[str]:
    """What was decided of pictures, alt-text and address, one line each."""
    caption, url = found.table
    lines = [] if found.dataset.source == "webdataset" else [f"format <- {found.dataset.source}"]
    lines += [
        f"pictures <- {_where(found.dataset)} {_pictures(found.survey)}",
        f"caption <- {_alt(found)}",
        f"url <- {found.address or 'none found'}",
    ]
    if found.dataset.table is not None:
        of = f"of {', '.join(found.dataset.table.urls)}, where a sample has none"
        lines += [f"caption <- {caption} {of}"] if caption else []
        lines += [f"url <- {url} {of}"] if url else []
    return lines + found.notes


def settings(found: Findings) -> list[str]:
    """The lines of the block `dataset`."""
    dataset = found.dataset
    lines = ["dataset:"]
    if dataset.source != "webdataset":
        lines.append(f"  source: {dataset.source}")
    lines += urls(list(dataset.urls))
    if dataset.image:
        lines.append(f"  image: {scalar(dataset.image)}")
    if dataset.images:
        lines.append(f"  images: {quoted(dataset.images)}")
    if dataset.source in ("imagefolder", "coco"):
        told = "Shards, by a hash of each path. Another number starts over; 16 or more suit growth."
        lines += [*comment(told, indent=2), f"  buckets: {dataset.buckets}"]
    return [*lines, *_table(found), *_places(found)]


def _places(found: Findings) -> list[str]:
    return [
        *comment(f"Alt-text: {_alt(found)}.", indent=2),
        f"  caption: {scalar(found.alt or 'txt')}",
        *comment("The picture's address, kept beside its captions.", indent=2),
        f"  url: {scalar(found.address) if found.address else 'null'}",
    ]


def _table(found: Findings) -> list[str]:
    if found.dataset.table is None:
        return []
    caption, url = (scalar(name) if name else "null" for name in found.table)
    names = json.dumps(list(found.dataset.table.urls), ensure_ascii=False)
    return [
        *comment(
            "What lies beside the tars fills text and address where a sample has none.", indent=2
        ),
        f"  table: {{urls: {names}, caption: {caption}, url: {url}}}",
    ]


def _table_url(url: str) -> str:
    return f"{url.removesuffix('.tar')}.parquet"


def _where(dataset: Dataset) -> str:
    known = {"webdataset": "members", "parquet": f"column {dataset.image}"}
    return known.get(dataset.source, "files")


def _alt(found: Findings) -> str:
    if found.alt is None:
        return "none found" + ("" if found.has_alt else ", so there is no arm alttext")
    texts = found.survey.texts
    filled, total = found.survey.filled(found.alt), len(texts)
    there = sum(found.alt in text for text in texts)
    counts = {"empty": there - filled, "without it": total - there}
    rest = "".join(f", {count} {what}" for what, count in counts.items() if count)
    tars = found.dataset.source == "webdataset"
    kind = "member ." if tars and not found.alt.startswith("json.") else ""
    return f"{kind}{found.alt} ({filled} of {total} samples{rest})"


def _pictures(survey: Survey) -> str:
    counts = survey.pictures.most_common()
    told = ", ".join(f".{extension} ({count})" for extension, count in counts if extension)
    lacking = survey.pictures[""]
    return f"{told}; {lacking} samples have none" if lacking else told


def urls(names: list[str]) -> list[str]:
    """The key `urls` with one or several values."""
    if len(names) == 1:
        return [f"  urls: {quoted(names[0])}"]
    return ["  urls:", *(f"    - {quoted(url)}" for url in names)]


def comment(*lines: str, indent: int = 0) -> list[str]:
    """Lines of YAML comment."""
    return [f"{' ' * indent}# {line}" for line in lines]


def scalar(text: str) -> str:
    """A YAML scalar that reads as `text`."""
    return text if _PLAIN.fullmatch(text) else quoted(text)


def quoted(text: str) -> str:
    """A JSON string, which YAML reads as the same text."""
    return json.dumps(text, ensure_ascii=False)

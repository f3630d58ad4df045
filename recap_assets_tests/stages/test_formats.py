"""From `recap init` to index and human captions, for every format that people have."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.project import Project
from recap_assets.stages import human, images, init, inputs
from recap_assets_tests.images.tar_making import encoded, member, noise, write

COUNT = 12
PICTURES = [encoded(noise(n)) for n in range(COUNT)]
DIGESTS = {hashlib.sha256(data).hexdigest() for data in PICTURES}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECAP_CONFIG", raising=False)


def put(name: str, data: bytes | str) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def imagefolder() -> str:
    lines = []
    for n, data in enumerate(PICTURES):
        put(f"album/{n % 3}/{n}.png", data)
        record = {"file_name": f"{n % 3}/{n}.png", "text": f"alt {n}", "human": f"thing number {n}"}
        lines.append(json.dumps(record))
    put("album/metadata.jsonl", "\n".join(lines))
    return "album"


def kohya() -> str:
    for n, data in enumerate(PICTURES):
        put(f"album/{n}.png", data)
        put(f"album/{n}.txt", f"alt {n}\nanother caption")
    put("album/.DS_Store", "x")
    return "album/"


def parquet() -> str:
    Path("data").mkdir()
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    for part in range(2):
        numbers = range(part * 6, part * 6 + 6)
        rows = [{"bytes": PICTURES[n], "path": f"{n}.png"} for n in numbers]
        columns = {
            "image": pa.array(rows, kind),
            "TEXT": [f"alt {n}" for n in numbers],
            "URL": [f"https://x/{n}" for n in numbers],
            "human_caption": [f"thing number {n}" for n in numbers],
        }
        pq.write_table(pa.table(columns), f"data/train-0000{part}-of-00002.parquet")
    return "data/*.parquet"


def coco() -> str:
    for n, data in enumerate(PICTURES):
        put(f"val2017/{n:012d}.png", data)
    of_images = [
        {"id": n, "file_name": f"{n:012d}.png", "coco_url": f"http://x/{n}"} for n in range(COUNT)
    ]
    captions = [{"image_id": n, "caption": f"alt {n}"} for n in range(COUNT)]
    document = {"images": of_images, "annotations": captions}
    put("annotations/captions_val2017.json", json.dumps(document))
    return "annotations/captions_val2017.json"


def img2dataset() -> str:
    Path("laion").mkdir()
    for part in range(2):
        numbers = range(part * 6, part * 6 + 6)
        keys = [f"{part:05d}{n:04d}" for n in numbers]
        pairs = zip(keys, numbers, strict=True)
        write(Path(f"laion/{part:05d}.tar"), [member(f"{k}.jpg", PICTURES[n]) for k, n in pairs])
        frame = pl.DataFrame(
            {
                "key": keys,
                "TEXT": [f"alt {n}" for n in numbers],
                "URL": [f"https://x/{n}" for n in numbers],
            }
        )
        frame.write_parquet(f"laion/{part:05d}.parquet")
        put(f"laion/{part:05d}_stats.json", "{}")
    return "laion/{00000..00001}.tar"


def started(pattern: str) -> tuple[list[str], Project]:
    draft = init.draft([pattern], Path.cwd())
    init.write(draft, Path.cwd(), force=False)
    return draft.decisions, Project.open()


def indexed(project: Project) -> pl.DataFrame:
    for shard in inputs.shards(project):
        images.build(project, shard)
    return pl.concat([images.frame(project, shard) for shard in inputs.shards(project)])


@pytest.mark.parametrize(
    ("make", "source", "shards", "decision"),
    [
        (imagefolder, "imagefolder", 1, "caption <- text (12 of 12 samples)"),
        (kohya, "imagefolder", 1, "caption <- txt (12 of 12 samples)"),
        (parquet, "parquet", 2, "caption <- TEXT (12 of 12 samples)"),
        (coco, "coco", 1, "caption <- caption (12 of 12 samples)"),
        (
            img2dataset,
            "webdataset",
            2,
            "caption <- TEXT of laion/{00000..00001}.parquet, where a sample has none",
        ),
    ],
)
def test_a_format_is_found_and_indexed(
    make: Callable[[], str], source: str, shards: int, decision: str
) -> None:
    decisions, project = started(make())
    assert decision in decisions
    assert project.config.dataset.source == source
    assert len(inputs.shards(project)) == shards
    frame = indexed(project)
    assert set(frame["status"]) == {"ok"}
    assert set(frame["image_sha256"]) == DIGESTS
    told = {int(text.splitlines()[0].split()[1]) for text in frame["alt"]}
    assert told == set(range(COUNT))
    assert "alttext" in project.config.arms
    for shard in inputs.shards(project):
        assert images.made(project, shard, "")
        assert images.build(project, shard).computed == 0


@pytest.mark.parametrize("make", [parquet, coco, img2dataset])
def test_the_address_is_found(make: Callable[[], str]) -> None:
    _, project = started(make())
    assert indexed(project)["url"].str.contains("://x/").all()


@pytest.mark.parametrize(
    ("make", "place", "named"),
    [(imagefolder, "human", False), (parquet, "human_caption", True)],
)
def test_human_captions_are_read_from_columns(
    make: Callable[[], str], place: str, named: bool
) -> None:
    decisions, project = started(make())
    assert f"human captions <- {place} -> style short (12 of 12 samples)" in decisions
    assert project.config.human.captions == {"short": place}
    assert (project.config.human.urls is not None) == named
    human.build(project, "short")
    rows = pl.read_parquet(project.human_captions("short"))
    assert rows.height == 6
    for row in rows.iter_rows(named=True):
        number = PICTURES.index(row["image"])
        assert row["caption"] == f"thing number {number}"
    assert not set(rows["image_sha256"]) & inputs.held_out(project)
    assert len(inputs.held_out(project)) == 6


def test_human_captions_may_come_in_another_format() -> None:
    _, project = started(kohya())
    members = [member(f"{n}.png", data) for n, data in enumerate(PICTURES[:4])]
    members += [member(f"{n}.txt", f"written {n}".encode()) for n in range(4)]
    write(Path("people.tar"), sorted(members, key=lambda one: one[0].name))
    text = project.file.read_text("utf-8").replace("captioners:\n", "", 1)
    text = text.replace("  recap: {model: base:captioner}\n", "")
    text += "human: {source: webdataset, urls: people.tar, captions: {short: txt}}\n"
    project.file.write_text(text, "utf-8")
    mixed = Project.open()
    human.build(mixed, "short")
    assert pl.read_parquet(mixed.human_captions("short")).height == 4


def test_a_folder_of_tars_or_parquet_stands_for_them() -> None:
    img2dataset()
    _, project = started("laion")
    assert project.config.dataset.urls == ("laion/*.tar",)
    table = project.config.dataset.table
    assert table is not None
    assert table.urls == ("laion/*.parquet",)
    Path("recap.yaml").unlink()
    parquet()
    _, project = started("data")
    assert project.config.dataset.urls == ("data/*.parquet",)


def test_what_is_passed_over_in_a_folder_is_told() -> None:
    pattern = kohya()
    Path("elsewhere").mkdir()
    Path("album/link").symlink_to(Path("elsewhere").absolute())
    decisions, _ = started(pattern)
    assert "not read: 1 hidden" in decisions
    assert "not read: 1 link to a folder" in decisions
    assert any("12 samples have several lines, taken as one caption" in one for one in decisions)


def test_a_table_of_addresses_is_no_data_set() -> None:
    pl.DataFrame({"URL": ["https://x"], "TEXT": ["x"]}).write_parquet("laion.parquet")
    with pytest.raises(UserError, match=r"addresses of pictures and no pictures.*img2dataset"):
        init.draft(["laion.parquet"], Path.cwd())
    pl.DataFrame({"a": ["x"]}).write_parquet("a.parquet")
    with pytest.raises(UserError, match="no column holds pictures"):
        init.draft(["a.parquet"], Path.cwd())


def test_a_json_without_its_pictures_says_what_to_do() -> None:
    put("captions.json", '{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}')
    with pytest.raises(UserError, match=r"'a\.jpg' is in none of the folders near it"):
        init.draft(["captions.json"], Path.cwd())
    put("empty.json", "{}")
    with pytest.raises(UserError, match="no image"):
        init.draft(["empty.json"], Path.cwd())


def test_an_empty_folder_is_told() -> None:
    Path("empty").mkdir()
    with pytest.raises(UserError, match="holds no picture"):
        init.draft(["empty"], Path.cwd())


def test_a_setting_of_another_format_is_told() -> None:
    _, project = started(kohya())
    text = project.file.read_text("utf-8")
    for line, reason in (
        ("table: {urls: a.parquet}", "dataset.table: is for source webdataset, not imagefolder"),
        ("image: jpg", "dataset.image: is for source parquet"),
        ("source: coco", "dataset.images: source coco needs the folder"),
    ):
        changed = text.replace("  source: imagefolder\n", "") if "source" in line else text
        project.file.write_text(changed.replace("dataset:\n", f"dataset:\n  {line}\n"), "utf-8")
        with pytest.raises(UserError, match=reason):
            Project.open()


def test_a_new_picture_changes_one_shard_of_a_folder() -> None:
    for n in range(40):
        put(f"album/{n}.png", encoded(noise(n)))
    _, project = started("album")
    text = project.file.read_text("utf-8").replace("buckets: 1", "buckets: 4")
    project.file.write_text(text, "utf-8")
    project = Project.open()
    assert indexed(project).height == 40
    put("album/new.png", encoded(noise(99)))
    behind = [s for s in inputs.shards(project) if not images.made(project, s, "")]
    assert len(behind) == 1
    assert images.build(project, behind[0]).computed < 40
    assert indexed(project).height == 41


def test_urls_are_kept_as_urls() -> None:
    import fsspec

    write(Path("0.tar"), [member("a.png", PICTURES[0]), member("a.txt", b"alt 0")])
    with fsspec.open("memory://bucket/s/0.tar", "wb") as file:
        file.write(Path("0.tar").read_bytes())
    decisions, project = started("memory://bucket/s/*.tar")
    assert project.config.dataset.urls == ("memory://bucket/s/*.tar",)
    assert indexed(project)["alt"].to_list() == ["alt 0"]
    assert "caption <- member .txt (1 of 1 samples)" in decisions

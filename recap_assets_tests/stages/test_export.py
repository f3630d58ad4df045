"""`recap export` as a whole: real tars and stores, and each format read by other libraries."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.project import Project
from recap_assets.stages import arm_captions, images, init, latents, manifest
from recap_assets_tests.conftest import Built
from recap_assets_tests.images.tar_making import encoded, noise
from recap_assets_tests.properties import SHARED_FIXTURE
from recap_assets_tests.small_project import files
from recap_assets_tests.stages.exporting import BAD, Picture, exported, picture, project

REPOSITORY = Path(__file__).parents[2]
STAMPS = Path(
    os.environ.get("RECAP_TEST_STAMPS") or Path(__file__).parents[3] / "shared/data/stamps"
)
FORMATS = ("webdataset", "parquet", "kohya", "wide")
ODD = [
    "she said \"hi\", 'twice' \\ and {left}",
    "two\nlines\r\nand \u2028 more",
    "\N{DOG FACE}\N{ZERO WIDTH JOINER}\N{DOG FACE} e\N{COMBINING ACUTE ACCENT}",
    "\u0633\u064a\u0627\u0631\u0629 \u202eabc",
    "x" * (1 << 20),
]


def pairs(path: Path) -> dict[str, dict[str, bytes]]:
    """Members by extension under their key, read with tarfile alone."""
    found: dict[str, dict[str, bytes]] = {}
    with tarfile.open(path) as tar:
        for one in tar:
            data = tar.extractfile(one)
            assert data is not None
            key, _, extension = one.name.partition(".")
            found.setdefault(key, {})[extension] = data.read()
    return found


@pytest.fixture
def mixed(tmp_path: Path) -> Project:
    """Six usable pictures of eight, of which one is held out, one repeated and one failed."""
    again = picture("again", 1, short="again", long="again, longer")
    shards = {
        "a": [
            Picture("x/one", encoded(noise(0)), "alt one", {"short": "one", "long": "one, longer"}),
            picture("x/two", 1, alt="", short="two", long="two, longer"),
            picture("bad", 9, short="never"),
            picture("held", 2, short="held", long="held, longer"),
        ],
        "b": [
            again,
            Picture(
                "four",
                encoded(noise(4), "JPEG"),
                said={"short": "four"},
                ext="jpg",
                url="https://example.invalid/4",
            ),
            picture("five", 5, short="five", long="five, longer"),
            Picture("six", BAD),
        ],
    }
    shards["a"][2] = Picture("bad", BAD)
    return project(tmp_path / "project", shards, held_out=[encoded(noise(2))])


def test_every_picture_is_exported_or_left_out_for_one_reason(
    mixed: Project, tmp_path: Path
) -> None:
    counts = exported(mixed, tmp_path / "out", "webdataset", style="long")
    assert (counts.pictures, counts.exported, counts.unusable) == (8, 3, 2)
    assert (counts.held_out, counts.repeated, counts.without_caption) == (1, 1, 0)
    assert counts.failed == {"refused": 1}
    assert counts.statuses == {
        "alt": {"empty": 1, "ok": 3},
        "short": {"ok": 4},
        "long": {"ok": 3, "refused": 1},
    }
    told = json.loads((tmp_path / "out" / "recap-export.json").read_bytes())
    assert told["counts"]["failed"] == {"refused": 1}
    assert told["styles"]["long"]["prompt"] == "long caption:"


def test_webdataset_has_the_same_keys_bytes_and_extensions(mixed: Project, tmp_path: Path) -> None:
    exported(mixed, tmp_path / "out", "webdataset", style="short")
    source = pairs(mixed.file.parent / "shards" / "a.tar") | pairs(
        mixed.file.parent / "shards" / "b.tar"
    )
    out = pairs(tmp_path / "out" / "a.tar") | pairs(tmp_path / "out" / "b.tar")
    assert set(out) == {"x/one", "x/two", "four", "five"}
    for key, members in out.items():
        (ext,) = set(members) - {"txt", "json"}
        assert members[ext] == source[key][ext]
        assert members["txt"].decode() == key.removeprefix("x/")
    assert "jpg" in out["four"]


def test_webdataset_opens_its_tars(mixed: Project, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    exported(mixed, tmp_path / "out", "webdataset", style="short")
    urls = [str(tmp_path / "out" / f"{shard}.tar") for shard in "ab"]
    read = list(webdataset.WebDataset(urls, shardshuffle=False).decode("pil"))
    assert [sample["__key__"] for sample in read] == ["x/one", "x/two", "four", "five"]
    assert [sample["txt"] for sample in read] == ["one", "two", "four", "five"]
    assert all(isinstance(sample.get("png") or sample["jpg"], Image.Image) for sample in read)


def test_the_json_tells_every_caption_and_what_made_it(mixed: Project, tmp_path: Path) -> None:
    exported(mixed, tmp_path / "out", "webdataset", style="short")
    four = pairs(tmp_path / "out" / "b.tar")["four"]
    told = json.loads(four["json"])
    assert told["sha256"] == hashlib.sha256(four["jpg"]).hexdigest()
    assert (told["uid"], told["alt"]) == (told["sha256"][:32], "alt")
    assert told["url"] == "https://example.invalid/4"
    assert set(told["recaptions"]) == {"alt", "short", "long"}
    long = told["recaptions"]["long"]
    assert (long["caption"], long["status"]) == ("I cannot.", "refused")
    assert (long["prompt"], long["model_id"]) == ("long caption:", "base:captioner")
    assert long["prompt_sha"] == hashlib.sha256(b"long caption:").hexdigest()
    assert long["sampling"] == {"max_tokens": 48, "method": "greedy"}
    assert {"adapter_sha", "model_revision", "seed", "code_version", "row_key"} <= set(long)


def test_the_table_beside_a_tar_has_failures_as_rows(mixed: Project, tmp_path: Path) -> None:
    exported(mixed, tmp_path / "out", "webdataset", style="long")
    table = pl.read_parquet(tmp_path / "out" / "b.parquet")
    image = ["url", "caption", "key", "status", "error_message", "width", "height", "sha256"]
    assert table.columns == [*image, "uid", "alt", "short", "long"]
    told = {row["key"]: row for row in table.iter_rows(named=True)}
    assert set(told) == {"four", "five", "six"}
    assert (told["five"]["status"], told["five"]["caption"]) == ("success", "five, longer")
    four = told["four"]
    assert (four["status"], four["error_message"], four["caption"]) == ("failed", "refused", None)
    assert (four["short"], four["long"]) == ("four", None)
    assert told["six"]["status"] == "failed"
    stats = json.loads((tmp_path / "out" / "b_stats.json").read_bytes())
    assert (stats["count"], stats["successes"], stats["failed"]) == (3, 1, 2)
    assert sum(stats["status_dict"].values()) == 2


@pytest.mark.parametrize("form", ["webdataset", "wide"])
def test_three_readers_of_parquet_agree(mixed: Project, tmp_path: Path, form: str) -> None:
    exported(mixed, tmp_path / "out", form, style="short")
    path = tmp_path / "out" / ("a.parquet" if form == "webdataset" else "captions.parquet")
    by_polars = pl.read_parquet(path).to_dicts()
    assert pq.read_table(path).to_pylist() == by_polars
    with duckdb.connect() as reader:
        assert reader.sql(f"SELECT * FROM '{path}'").pl().to_dicts() == by_polars


def test_wide_is_a_row_per_picture(mixed: Project, tmp_path: Path) -> None:
    counts = exported(mixed, tmp_path / "out", "wide")
    table = pl.read_parquet(tmp_path / "out" / "captions.parquet")
    assert table.columns == ["uid", "shard", "key", "url", "image_sha256", "alt", "short", "long"]
    assert counts.exported == table.height == 4
    assert table.filter(pl.col("key") == "four")["long"].to_list() == [None]
    assert table.filter(pl.col("key") == "x/two")["alt"].to_list() == [None]


def test_the_hub_format_holds_pictures_and_names_its_features(
    mixed: Project, tmp_path: Path
) -> None:
    exported(mixed, tmp_path / "out", "parquet", style="short")
    assert sorted(files(tmp_path / "out")) == [
        "README.md",
        "data/train-00000-of-00001.parquet",
        "recap-export.json",
    ]
    path = tmp_path / "out" / "data" / "train-00000-of-00001.parquet"
    table = pq.read_table(path)
    names = ["image", "uid", "key", "url", "caption", "alt", "short", "long"]
    assert table.column_names == names
    for row in table.to_pylist():
        assert hashlib.sha256(row["image"]["bytes"]).hexdigest()[:32] == row["uid"]
        assert row["caption"] == row["short"]
        Image.open(io.BytesIO(row["image"]["bytes"])).load()
    assert {row["image"]["path"] for row in table.to_pylist()} >= {"x/one.png", "four.jpg"}
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == names
    assert features["image"] == {"_type": "Image"}
    with duckdb.connect() as reader:
        query = f"SELECT key, octet_length(image.bytes) FROM '{path}' ORDER BY key"
        assert len(reader.sql(query).fetchall()) == 4
    assert pl.read_parquet(path)["image"].struct.field("bytes").len() == 4


def test_the_card_names_prompts_licences_and_failures(mixed: Project, tmp_path: Path) -> None:
    from recap_assets.captions.export.card import Terms

    terms = Terms("cc-by-4.0", "public: domain", "de")
    exported(mixed, tmp_path / "out", "parquet", style="long", terms=terms)
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    told = yaml.safe_load(front)
    assert (told["license"], told["language"]) == ("cc-by-4.0", ["de"])
    assert told["task_categories"] == ["text-to-image", "image-to-text"]
    assert (told["size_categories"], told["tags"]) == (["n<1K"], ["synthetic", "recaption"])
    methods = json.loads(body.split("```json\n")[1].split("\n```")[0])
    assert methods["long"]["prompt"] == "long caption:"
    assert methods["short"]["model_id"] == "base:captioner"
    assert "Licence of the pictures: public: domain." in body
    assert "| long | refused | 1 | 25.00% |" in body
    assert "Pictures of the source: 8, exported: 3" in body
    assert "imulated" not in body


def test_kohya_has_a_text_file_beside_each_picture(mixed: Project, tmp_path: Path) -> None:
    exported(mixed, tmp_path / "out", "kohya", style="short", extension=".caption")
    out = files(tmp_path / "out")
    assert sorted(out) == [
        *("five.caption", "five.png", "four.caption", "four.jpg", "recap-export.json"),
        *("x/one.caption", "x/one.png", "x/two.caption", "x/two.png"),
    ]
    assert out["x/one.caption"] == b"one\n"
    assert out["x/one.png"] == encoded(noise(0))


def test_failed_held_out_and_repeated_pictures_come_along_when_asked(
    mixed: Project, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"keep_failed": True, "keep_duplicates": True, "held_out": True}
    counts = exported(mixed, tmp_path / "out", "kohya", style="long", **options)
    assert (counts.exported, counts.without_caption, counts.unusable) == (6, 1, 2)
    out = files(tmp_path / "out")
    assert out["four.txt"] == b"\n"
    assert out["held.txt"] == b"held, longer\n"
    assert out["again.png"] == out["x/two.png"]


def test_the_copy_of_a_picture_that_has_a_good_caption_is_taken(tmp_path: Path) -> None:
    shards = {"a": [picture("first", 0, alt="")], "b": [picture("second", 0, alt="a car")]}
    made = project(tmp_path / "project", shards)
    counts = exported(made, tmp_path / "out", "kohya", style="alt", keep_failed=True)
    assert (counts.exported, counts.repeated, counts.without_caption) == (1, 1, 0)
    assert files(tmp_path / "out")["second.txt"] == b"a car\n"


def test_odd_captions_arrive_whole(tmp_path: Path) -> None:
    shard = [picture(f"{i}", i, short=text) for i, text in enumerate(ODD)]
    made = project(tmp_path / "project", {"a": shard})
    for form in FORMATS:
        exported(made, tmp_path / form, form, style="short")
    tar = pairs(tmp_path / "webdataset" / "a.tar")
    wide = pl.read_parquet(tmp_path / "wide" / "captions.parquet")
    hub = pq.read_table(tmp_path / "parquet" / "data" / "train-00000-of-00001.parquet")
    assert [tar[str(i)]["txt"].decode() for i in range(len(ODD))] == ODD
    assert [
        json.loads(tar[str(i)]["json"])["recaptions"]["short"]["caption"] for i in range(5)
    ] == ODD
    assert wide["short"].to_list() == hub["caption"].to_pylist() == ODD
    lines = [files(tmp_path / "kohya")[f"{i}.txt"].decode() for i in range(len(ODD))]
    assert lines[1] == "two lines and more\n"
    assert [line for i, line in enumerate(lines) if i != 1] == [
        f"{text}\n" for i, text in enumerate(ODD) if i != 1
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_store_gives_the_same_bytes(mixed: Project, tmp_path: Path, form: str) -> None:
    for name in ("one", "two"):
        exported(mixed, tmp_path / name, form, style="short")
    assert files(tmp_path / "one") == files(tmp_path / "two")


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_but_the_target_is_touched(mixed: Project, tmp_path: Path, form: str) -> None:
    before = files(tmp_path)
    exported(mixed, tmp_path / "deep" / "out", form, style="short")
    after = files(tmp_path)
    assert {name for name in after if name not in before} == {
        f"deep/out/{name}" for name in files(tmp_path / "deep" / "out")
    }
    assert {name: after[name] for name in before} == before


def test_a_target_that_holds_anything_is_refused(mixed: Project, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    exported(mixed, out, "kohya", style="short")
    before = files(out)
    with pytest.raises(UserError, match="is not empty.*--force"):
        exported(mixed, out, "wide")
    assert files(out) == before
    exported(mixed, out, "wide", force=True)
    assert sorted(files(out)) == ["captions.parquet", "recap-export.json"]


def test_force_deletes_no_folder_but_an_export(mixed: Project, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.jpg").write_bytes(b"dear")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="is no export and --force does not delete it"):
        exported(mixed, tmp_path / "photos", "wide", force=True)
    with pytest.raises(UserError, match="is a file"):
        exported(mixed, tmp_path / "file", "wide", force=True)
    assert (tmp_path / "photos" / "mine.jpg").read_bytes() == b"dear"


def test_a_linked_target_stays_a_link(mixed: Project, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    exported(mixed, tmp_path / "link", "wide")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "captions.parquet").exists()


@pytest.mark.parametrize(
    ("form", "asked", "told"),
    [
        ("kohya", {}, "choose with --style one of alt, short, long"),
        ("tfrecord", {}, "choose one of webdataset, parquet, kohya, wide"),
        ("kohya", {"style": "shrt"}, "did you mean 'short'"),
        ("kohya", {"style": "long", "styles": ("short",)}, "style 'long': is none of those"),
        ("wide", {"styles": ("none",)}, "style 'none': is none of those"),
        ("kohya", {"style": "long", "extension": "../x"}, "cannot name a text file"),
        ("kohya", {"style": "long", "extension": ".jpg"}, "cannot name a text file"),
        ("wide", {"arm": "mix-both-s0", "style": "alt"}, "--arm: an arm draws its own"),
        ("wide", {"arm": "nonsense"}, "recap.yaml has no such arm"),
    ],
)
def test_a_request_that_makes_no_sense_writes_nothing(
    mixed: Project, tmp_path: Path, form: str, asked: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=told) as caught:
        exported(mixed, tmp_path / "out", form, **asked)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_only_generated_style_needs_no_choosing(mixed: Project, tmp_path: Path) -> None:
    exported(mixed, tmp_path / "out", "kohya", styles=("alt", "short"))
    assert files(tmp_path / "out")["five.txt"] == b"five\n"


def test_captions_that_are_not_current_are_refused(mixed: Project, tmp_path: Path) -> None:
    later = picture("later", 7, short="later")
    made = project(mixed.file.parent, {"a": [later]})
    for path in made.captions.glob("style=short/*/b.parquet"):
        path.unlink()
    with pytest.raises(UserError, match="rows of style 'short'"):
        exported(made, tmp_path / "out", "wide")
    # The pictures of b were indexed before, and its alt-text changes now.
    exported(made, tmp_path / "alt", "wide", styles=("alt",))
    shards = {"b": [picture("five", 5, alt="another")]}
    tar = made.file.parent / "shards" / "b.tar"
    fresh = project(tmp_path / "other", shards)
    tar.write_bytes((fresh.file.parent / "shards" / "b.tar").read_bytes())
    with pytest.raises(UserError, match="not indexed as its tar is now"):
        exported(made, tmp_path / "out", "wide", styles=("alt",))
    images.build(made, "b")
    with pytest.raises(UserError, match="1 pictures lack a current caption of style 'alt'"):
        exported(made, tmp_path / "out", "wide", styles=("alt",))
    assert not (tmp_path / "out").exists()


def test_nothing_left_to_export_is_an_error(tmp_path: Path) -> None:
    made = project(tmp_path / "project", {"a": [picture("x", 0)]})
    with pytest.raises(UserError, match="no picture is left .1 refused."):
        exported(made, tmp_path / "out", "kohya", style="short")
    assert not (tmp_path / "out").exists()


def test_a_tar_that_changed_while_it_is_exported_leaves_nothing(
    mixed: Project, tmp_path: Path
) -> None:
    tar = mixed.file.parent / "shards" / "b.tar"
    status = tar.stat()
    data = bytearray(tar.read_bytes())
    data[600:620] = bytes(20)
    tar.write_bytes(data)
    os.utime(tar, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(UserError, match="is not the one that was indexed"):
        exported(mixed, tmp_path / "out", "kohya", style="short", keep_duplicates=True)
    assert [path.name for path in tmp_path.iterdir()] == ["project"]


FILL = """
import resource, sys
from pathlib import Path
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.project import Project
from recap_assets.stages.export import Request, export

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
for form in sys.argv[3:]:
    try:
        export(Project.open(sys.argv[1]), Request(form, Path(sys.argv[2]), style="short"))
    except UserError as error:
        print(error)
"""


def test_a_disk_that_refuses_leaves_no_half_export(tmp_path: Path) -> None:
    large = encoded(noise(0, 200, 200))
    assert len(large) > 100_000
    texts = [hashlib.sha256(f"{n}{i}".encode()).hexdigest() for n in range(50) for i in range(30)]
    shard = [picture("first", 1, short=" ".join(texts)), Picture("x", large, said={"short": "x"})]
    made = project(tmp_path / "project", {"a": shard})
    command = [sys.executable, "-c", FILL, str(made.file), str(tmp_path / "out"), *FORMATS]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    refusals = done.stdout.splitlines()
    assert len(refusals) == len(FORMATS)
    assert all("out" in line and "cannot be written (File too large)" in line for line in refusals)
    assert [path.name for path in tmp_path.iterdir()] == ["project"]


@pytest.mark.parametrize("form", ["webdataset", "kohya", "parquet"])
def test_pictures_are_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    from recap_assets.captions.export import parquet

    monkeypatch.setattr(parquet, "GROUP_BYTES", 1 << 20)
    shard = [Picture(f"{i}", encoded(noise(i, 600, 600)), said={"short": "x"}) for i in range(24)]
    total = sum(len(one.data) for one in shard)
    made = project(tmp_path / "project", {"a": shard})
    exported(made, tmp_path / "warm", form, style="short")
    tracemalloc.start()
    exported(made, tmp_path / "out", form, style="short")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total > 24_000_000
    assert peak < 8_000_000


def test_a_large_data_set_is_cut_into_files(
    mixed: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recap_assets.captions.export import parquet

    monkeypatch.setattr(parquet, "FILE_BYTES", 1)
    exported(mixed, tmp_path / "out", "parquet", style="short")
    parts = sorted((tmp_path / "out" / "data").iterdir())
    assert [path.name for path in parts] == [f"train-0000{i}-of-00002.parquet" for i in range(2)]
    keys = [pl.read_parquet(path)["key"].to_list() for path in parts]
    assert keys == [["x/one", "x/two"], ["four", "five"]]


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=30).map(
    lambda text: " ".join(text.split())
)
KEY = st.from_regex(r"([a-zA-Z0-9\u00e9\u4e2d ]{1,5}/)?[a-z0-9_-]{1,4}", fullmatch=True)
SAMPLE = st.tuples(KEY, st.integers(0, 5), TEXT, TEXT)


@pytest.mark.parametrize(
    ("form", "pattern", "caption"),
    [
        ("webdataset", "../out/*.tar", "txt"),
        ("parquet", "../out/data/*.parquet", "caption"),
        ("kohya", "../out", "txt"),
    ],
)
@settings(max_examples=12, suppress_health_check=SHARED_FIXTURE)
@given(found=st.lists(st.lists(SAMPLE, min_size=1, max_size=4), min_size=1, max_size=3))
def test_an_export_is_a_data_set_with_the_same_uids_and_captions(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
    pattern: str,
    caption: str,
    found: list[list[tuple[str, int, str, str]]],
) -> None:
    folder = tmp_path_factory.mktemp("trip")
    shards: dict[str, list[Picture]] = {}
    known: dict[str, str] = {}
    for number, samples in enumerate(found):
        seen: dict[str, Picture] = {}
        for key, seed, alt, text in samples:
            said = known.setdefault(encoded(noise(seed)).hex(), text)
            # The other style is never taken for what people wrote.
            longer = f"{said} and a few words more"
            seen.setdefault(key, picture(key, seed, alt, short=said, long=longer))
        shards[f"{number:05d}"] = list(seen.values())
    made = project(folder / "project", shards)
    wanted = {
        hashlib.sha256(one.data).hexdigest()[:32]: one.said["short"]
        for pictures in shards.values()
        for one in pictures
        if one.said["short"]
    }
    if not wanted:
        return
    counts = exported(made, folder / "out", form, style="short")
    assert counts.exported == len(wanted)
    (folder / "second").mkdir()
    monkeypatch.chdir(folder / "second")
    init.write(init.draft([pattern], Path.cwd()), Path.cwd(), False)
    second = Project.open()
    assert second.config.dataset.caption == caption
    assert not second.config.human.captions
    rows = [row for key in images.keys(second) for row in indexed(second, str(key))]
    assert sorted(rows) == sorted(wanted.items())


def indexed(made: Project, shard: str) -> list[tuple[str, str]]:
    images.build(made, shard)
    return images.usable(made, shard).select("uid", "alt").rows()


@pytest.mark.skipif(not STAMPS.is_dir(), reason="the stamps data set is not here")
def test_real_pictures_pass_untouched(tmp_path: Path) -> None:
    from recap_assets.captions import rows
    from recap_assets.stages import recipes
    from recap_assets_tests.captions.making import make_stamp

    told = f"extends: photo\ndataset: {{urls: '{STAMPS}/00000.tar', caption: json.alt}}\n"
    (tmp_path / "recap.yaml").write_text(told, encoding="utf-8")
    made = Project.open(tmp_path)
    images.build(made, "00000")
    alt = rows.build_alt(images.usable(made, "00000"), make_stamp("run"))
    recipes.store(made).publish(recipes.recipe(made, "alt"), "00000", alt)
    exported(made, tmp_path / "out", "webdataset", styles=("alt",), keep_failed=True)
    source, out = pairs(STAMPS / "00000.tar"), pairs(tmp_path / "out" / "00000.tar")
    assert len(out) == 100
    assert {key: one["jpg"] for key, one in out.items()} == {
        key: one["jpg"] for key, one in source.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [0, 1])
def test_an_arms_export_shows_what_the_arm_was_trained_on(
    built: Project, tmp_path: Path, epoch: int
) -> None:
    """The captions are those that training draws; the card says it is simulated."""
    key = "mix-both-s0"
    uids = latents.dataset(built).uids
    drawn = arm_captions.drawn(built, key, uids)(epoch)
    trained = {uid: text for uid, text in zip(uids, drawn, strict=True) if text is not None}
    counts = exported(built, tmp_path / "out", "parquet", arm=key, epoch=epoch)
    rows = pl.concat(
        pl.read_parquet(path) for path in sorted((tmp_path / "out" / "data").iterdir())
    )
    assert dict(rows.select("uid", "caption").iter_rows()) == trained
    assert counts.exported == len(trained)
    styles = {style: manifest.frame(built, style) for style in ("short", "long")}
    known = {(r["uid"], r["caption"]) for f in styles.values() for r in f.iter_rows(named=True)}
    assert set(rows.select("uid", "caption").iter_rows()) <= known
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "**Simulated.**" in text
    assert f"drawn by arm {key} in epoch {epoch}" in text


@pytest.mark.slow
def test_held_out_pictures_of_the_drawn_world_stay_out(first_run: Built, tmp_path: Path) -> None:
    counts = exported(first_run.project, tmp_path / "out", "wide")
    assert counts.pictures == counts.exported + counts.held_out + counts.repeated + sum(
        counts.failed.values()
    )

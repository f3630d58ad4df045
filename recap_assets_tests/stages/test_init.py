"""`recap init` on real tars of different shapes: what it finds, writes and holds out."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from recap_assets.evaluation import prompts as prompt_sets
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.project import Project
from recap_assets.stages import human, init, inputs
from recap_assets.stages.init_prompts import HeldOut
from recap_assets_tests.images.tar_making import encoded, member, noise, write

STAMPS = Path(
    os.environ.get("RECAP_TEST_STAMPS") or Path(__file__).parents[3] / "shared/data/stamps"
)
Sidecars = Callable[[int], dict[str, object]]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECAP_CONFIG", raising=False)


def shard(path: str, sidecars: Sidecars, count: int = 12, first: int = 0) -> Path:
    """A tar of `count` pictures; texts beside picture i are `sidecars(i)` by extension."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    members = []
    for i in range(first, first + count):
        members.append(member(f"{i:04d}.png", encoded(noise(i))))
        for extension, value in sidecars(i).items():
            text = value if isinstance(value, str) else json.dumps(value)
            members.append(member(f"{i:04d}.{extension}", text.encode()))
    return write(Path(path), members)


def started(*patterns: str, force: bool = False) -> tuple[init.Draft, Project]:
    """The draft and the project that `recap init` leaves in the current folder."""
    draft = init.draft(list(patterns), Path.cwd())
    init.write(draft, Path.cwd(), force)
    return draft, Project.open()


def by_digest(*tars: Path) -> dict[str, dict[str, object]]:
    """The JSON beside each picture by the picture's sha256, read with tarfile alone."""
    found = {}
    for path in tars:
        with tarfile.open(path) as tar:
            files = {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}  # type: ignore[union-attr]
        for name, data in files.items():
            stem, extension = name.split(".", 1)
            if extension in ("png", "jpg"):
                sidecar = files.get(f"{stem}.json", b"{}")
                found[hashlib.sha256(data).hexdigest()] = json.loads(sidecar)
    return found


def tuned_on(project: Project) -> set[str]:
    """sha256 of the pictures that the graph itself tunes the captioner on."""
    found: set[str] = set()
    for style in human.keys(project):
        human.build(project, style)
        found |= set(pl.read_parquet(project.human_captions(str(style)))["image_sha256"])
    return found


def test_alt_text_alone() -> None:
    shard("shards/a.tar", lambda i: {"txt": "" if i % 4 == 0 else f"picture number {i}"})
    shard("shards/b.tar", lambda i: {"txt": "a word"} if i % 2 else {}, first=12)
    draft, project = started("shards/*.tar")
    assert project.config.dataset.urls == ("shards/*.tar",)
    assert project.config.dataset.caption == "txt"
    assert project.config.dataset.url is None
    assert project.root == Path.cwd() / "store"
    assert not project.config.human.captions
    assert project.config.captioners["recap"].tune is None
    assert project.config.evaluation.prompts is None
    assert project.config.evaluation.metrics == ()
    assert set(project.config.arms) == {"alttext", "short", "long", "mix"}
    assert draft.prompts == []
    assert draft.decisions[:5] == [
        "shards: 2, seen 24 samples of 2",
        "pictures <- members .png (24)",
        "caption <- member .txt (15 of 24 samples, 3 empty, 6 without it)",
        "url <- none found",
        "human captions <- none found: the captioner is used as it comes",
    ]
    assert "nothing is drawn and no table is made" in draft.decisions[5]
    assert "prompts.jsonl" in draft.decisions[5]
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["recap.yaml", "shards"]


@pytest.mark.parametrize("name", ["caption", "alt", "text", "alt_text", "TEXT", "Alt Text"])
def test_alt_text_in_the_json(name: str) -> None:
    shard("a.tar", lambda i: {"json": {name: f"alt {i}", "URL": f"https://example.invalid/{i}"}})
    draft, project = started("a.tar")
    assert project.config.dataset.caption == f"json.{name}"
    assert project.config.dataset.url == "json.URL"
    assert f"caption <- json.{name} (12 of 12 samples)" in draft.decisions


def test_the_member_comes_before_the_json_unless_it_is_nearly_always_empty() -> None:
    shard("a.tar", lambda i: {"txt": "some alt", "json": {"caption": "another"}})
    shard("b.tar", lambda i: {"txt": "some" if i < 3 else "", "json": {"caption": "another"}})
    shard("c.tar", lambda i: {"caption": "a member", "json": {"caption": "another"}})
    places = [started(f"{name}.tar", force=True)[1].config.dataset.caption for name in "abc"]
    assert places == ["txt", "json.caption", "caption"]


def test_without_alt_text_there_is_no_arm_of_it() -> None:
    shard("a.tar", lambda i: {"json": {"width": 12, "tags": ["a"], "url": "no address"}})
    draft, project = started("a.tar")
    assert set(project.config.arms) == {"short", "long", "mix"}
    assert project.config.dataset.url is None
    assert "caption <- none found, so there is no arm alttext" in draft.decisions


def test_short_and_long_human_captions() -> None:
    texts: Sidecars = lambda i: {  # noqa: E731
        "txt": f"IMG{i}.png",
        "json": {"short": f"short  words {i}", "long": f"many more long words {i}"},
    }
    tar = shard("a.tar", texts, 40)
    draft, project = started("a.tar")
    config = project.config
    assert config.human.captions == {"short": "json.short", "long": "json.long"}
    assert (config.human.images, config.human.validation) == (20, 0.1)
    tune = config.captioners["recap"].tune
    assert tune is not None
    assert (tune.steps, tune.batch) == (400, 16)
    assert config.evaluation.metrics == ("fid",)
    assert "human captions <- json.long -> style long (40 of 40 samples)" in draft.decisions

    known = by_digest(tar)
    prompts = inputs.prompts(project)
    assert len(prompts) == 20
    assert {prompt.style for prompt in prompts} == {"short", "long"}
    pictures = inputs.prompt_pictures(project)
    for prompt in prompts:
        data = pictures[prompt.id].read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        assert pictures[prompt.id].name == f"{digest[:32]}.png"
        assert prompt.prompt == " ".join(str(known[digest][prompt.style]).split())
    held_out = inputs.held_out(project)
    assert len(held_out) == 20
    assert held_out | tuned_on(project) == set(known)
    assert not held_out & tuned_on(project)


@pytest.mark.parametrize(
    ("field", "text", "style"),
    [
        ("human", "A cow.", "short"),
        ("caption_human", "a red car", "short"),
        ("humanCaption", "a red car", "short"),
        ("human", "word " * 30, "long"),
        ("long_caption", "a red car", "long"),
    ],
)
def test_one_field_of_human_captions(field: str, text: str, style: str) -> None:
    shard("a.tar", lambda i: {"txt": "alt", "json": {field: f"{text} {i}"}})
    draft, project = started("a.tar")
    assert project.config.human.captions == {style: f"json.{field}"}
    assert set(project.config.styles) == {"short", "long"}
    assert {prompt.style for prompt in draft.prompts} == {style}


def test_a_nested_field_is_read_as_the_graph_reads_it() -> None:
    tar = shard("a.tar", lambda i: {"json": {"captions": {"short": f"nested text {i}"}}})
    _, project = started("a.tar")
    assert project.config.human.captions == {"short": "json.captions.short"}
    assert len(tuned_on(project)) == len(by_digest(tar)) // 2


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"human": "the alt itself"}, "says the same as txt"),
        ({"human": "yes"}, "single words"),
        ({"long": -0.127, "short": 3}, None),
        ({"short_blip": "a red car", "gpt_human": "a red car"}, None),
        ({"category": "two words", "title": "a red car"}, None),
        ({"recaptions": {"human": {"caption": "a red car"}}}, None),
    ],
)
def test_what_is_not_a_human_caption(fields: dict[str, object], reason: str | None) -> None:
    shard("a.tar", lambda i: {"txt": "the alt itself", "json": fields})
    draft, project = started("a.tar")
    assert not project.config.human.captions
    told = [line for line in draft.decisions if "passed over" in line]
    assert told == ([f"json.human: passed over, {reason}"] if reason else [])


def test_mixed_shards_with_captions_for_some() -> None:
    def mixed(i: int) -> dict[str, object]:
        fields = {"human": f"a thing {i}"} if i % 3 == 0 else {}
        if i % 9 == 0:
            fields["long"] = f"a thing in many words {i}"
        return {"txt": f"alt {i}", "json": fields} if i % 2 else {"json": fields}

    tars = [shard(f"s/{name}.tar", mixed, 30, 30 * n) for n, name in enumerate("abc")]
    draft, project = started("s/{a,b,c}.tar")
    assert project.config.dataset.urls == ("s/{a,b,c}.tar",)
    # 30 of 90 pictures have json.human, and only 10 of those json.long.
    assert project.config.human.captions == {"short": "json.human"}
    assert project.config.human.images == 15
    assert "caption <- member .txt (45 of 90 samples, 45 without it)" in draft.decisions
    assert "json.long: passed over, too few samples have it beside the others" in draft.decisions
    held_out, known = inputs.held_out(project), by_digest(*tars)
    assert len(held_out) == 15
    assert all("human" in known[digest] for digest in held_out)
    assert not held_out & tuned_on(project)


def test_too_few_human_captions_are_told_and_not_used() -> None:
    shard("a.tar", lambda i: {"txt": "alt", "json": {"human": f"a thing {i}"} if i < 3 else {}})
    draft, project = started("a.tar")
    assert not project.config.human.captions
    assert "json.human: passed over, only 3 samples have it" in draft.decisions


def test_captions_of_pictures_that_do_not_decode_are_told_and_not_used() -> None:
    files = [(f"{i}.jpg", b"no picture %d" % i) for i in range(8)]
    files += [(f"{i}.json", b'{"human": "a thing"}') for i in range(8)]
    write(Path("a.tar"), [member(*file) for file in sorted(files)])
    draft, project = started("a.tar")
    assert not project.config.human.captions
    assert any("undecodable picture: 8" in line for line in draft.decisions)


def test_at_most_a_hundred_tune_and_thirty_two_ask() -> None:
    texts: Sidecars = lambda i: {"json": {"human": f"a thing {i}"}}  # noqa: E731
    names = [f"s/{n:05d}.tar" for n in range(6)]
    for n, name in enumerate(names):
        shard(name, texts, 110, 110 * n)
    draft, project = started(*names)
    assert draft.decisions[0] == "shards: 6, seen 400 samples of 4"
    assert project.config.dataset.urls == ("s/*.tar",)
    assert project.config.human.urls == ("s/00000.tar", "s/00001.tar")
    assert project.config.human.images == 100
    assert [prompt.id for prompt in draft.prompts] == [f"p{n:04d}" for n in range(1, 33)]
    before = tuned_on(project)
    assert len(before) == 100
    assert not before & inputs.held_out(project)

    shard("s/00006.tar", texts, 20, 700)
    assert len(inputs.shards(project)) == 7
    assert tuned_on(project) == before, "a later tar changes no captioner"
    assert init.draft(names, Path.cwd()).prompts == draft.prompts


def test_pictures_are_named_for_what_they_are() -> None:
    data = [encoded(noise(i), "JPEG" if i % 2 else "PNG") for i in range(8)]
    members = []
    for i, picture in enumerate(data):
        members += [member(f"{i}.webp", picture), member(f"{i}.json", b'{"human": "a thing"}')]
    write(Path("a.tar"), members)
    draft, _ = started("a.tar")
    assert len(draft.prompts) == 4
    for prompt in draft.prompts:
        assert prompt.extension == ("png" if prompt.data.startswith(b"\x89PNG") else "jpg")


def test_prompts_are_a_prompt_set_as_evaluation_reads_it() -> None:
    shard("a.tar", lambda i: {"json": {"human": f'a "quoted" cow \u00e9 {i}'}})
    draft, _ = started("a.tar")
    read = prompt_sets.read("prompts.jsonl")
    assert [prompt.prompt for prompt in read] == [prompt.prompt for prompt in draft.prompts]
    assert all(Path(prompt.image or "").is_file() for prompt in read)


@pytest.mark.parametrize(
    ("patterns", "written", "shards"),
    [
        (["s/a1.tar", "s/a2.tar", "s/b.tar"], ["s/*.tar"], {"a1", "a2", "b"}),
        (["./s/b.tar", "s/a1.tar"], ["s/b.tar", "s/a1.tar"], {"a1", "b"}),
        (["s/a?.tar"], ["s/a?.tar"], {"a1", "a2"}),
        (["s/a{1..2}.tar", "s/b.tar"], ["s/a{1..2}.tar", "s/b.tar"], {"a1", "a2", "b"}),
        (["**/*.tar"], ["**/*.tar"], {"a1", "a2", "b"}),
        (["s/b.tar"], ["s/b.tar"], {"b"}),
        (["{here}/s/b.tar"], ["s/b.tar"], {"b"}),
        (["{here}/s/*.tar"], ["s/*.tar"], {"a1", "a2", "b"}),
    ],
)
def test_patterns_are_written_relative_to_the_project(
    patterns: list[str], written: list[str], shards: set[str], tmp_path: Path
) -> None:
    for name in ("a1", "a2", "b"):
        shard(f"s/{name}.tar", lambda i: {"txt": "alt"}, 2)
    asked = [pattern.replace("{here}", str(tmp_path)) for pattern in patterns]
    _, project = started(*asked)
    assert list(project.config.dataset.urls) == written
    assert set(inputs.shards(project)) == shards


def test_tars_elsewhere_are_written_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Real folders have signs of patterns in their names.
    shard("data [1]/x/s/a.tar", lambda i: {"txt": "alt"}, 2)
    shard("data [1]/x/s/b.tar", lambda i: {"txt": "alt"}, 2)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    _, project = started("../data [1]/x/s/a.tar", "../data [1]/x/s/b.tar")
    assert all(url.startswith(str(tmp_path)) for url in project.config.dataset.urls)
    found = {source.path.resolve() for source in inputs.shards(project).values()}
    assert found == {tmp_path / f"data [1]/x/s/{name}.tar" for name in "ab"}


def test_odd_field_names_leave_the_file_readable() -> None:
    fields = {"alt\ntext": "an alt", "a.b": "x y", "": "x y", "caption: #": "an alt"}
    shard("a.tar", lambda i: {"json": fields})
    _, project = started("a.tar")
    assert project.config.dataset.caption == "json.caption: #"


def test_a_recap_yaml_is_kept_without_force() -> None:
    shard("a.tar", lambda i: {"txt": "alt"})
    Path("recap.yaml").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match=r"recap\.yaml.*--force"):
        started("a.tar")
    assert Path("recap.yaml").read_text(encoding="utf-8") == "mine"
    started("a.tar", force=True)
    assert "extends: photo" in Path("recap.yaml").read_text(encoding="utf-8")


def test_a_prompt_set_is_kept_without_force() -> None:
    shard("a.tar", lambda i: {"json": {"human": "a thing"}})
    Path("prompts.jsonl").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match=r"prompts\.jsonl.*--force"):
        started("a.tar")
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["a.tar", "prompts.jsonl"]


def test_nothing_stays_when_writing_fails() -> None:
    shard("a.tar", lambda i: {"json": {"human": "a thing"}})
    Path("prompts.jsonl").mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        started("a.tar", force=True)
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["a.tar", "prompts.jsonl"]


def test_what_is_wrong_with_the_tars_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no file matches"):
        init.draft(["*.tar"], tmp_path)
    write(Path("texts.tar"), [member("a.txt", b"a"), member("a.json", b"{}")])
    with pytest.raises(UserError, match=r"texts\.tar: holds no picture \(\.txt, \.json\)"):
        init.draft(["texts.tar"], tmp_path)
    with pytest.raises(UserError, match="xyz://bucket/a.tar: cannot be reached"):
        init.draft(["xyz://bucket/a.tar"], tmp_path)
    # Cut behind the samples whose texts are read.
    whole = shard("cut.tar", lambda i: {"txt": "alt"}, 450)
    whole.write_bytes(whole.read_bytes()[:-12_000])
    with pytest.raises(UserError, match=r"cut\.tar: unreadable"):
        init.draft(["cut.tar"], tmp_path)


@pytest.mark.skipif(not STAMPS.is_dir(), reason="the stamps data set is not here")
def test_the_stamps(tmp_path: Path) -> None:
    shutil.copytree(STAMPS, tmp_path / "stamps")
    tars = sorted((tmp_path / "stamps").glob("*.tar"))
    draft, project = started(*(str(tar.relative_to(tmp_path)) for tar in tars))
    assert draft.decisions == [
        "shards: 4, seen 400 samples of 4",
        "pictures <- members .jpg (400)",
        "caption <- member .txt (300 of 400 samples, 100 empty)",
        "url <- json.url",
        "human captions <- json.human -> style short (400 of 400 samples)",
        "captioner: tuned on 100 pictures of 2 shards",
        "prompts: 32 other pictures with human captions, held out, metric fid",
    ]
    assert project.config.dataset.urls == ("stamps/*.tar",)
    known = by_digest(*tars)
    for prompt, digest in zip(draft.prompts, map(_sha256, draft.prompts), strict=True):
        assert prompt.prompt == " ".join(str(known[digest]["human"]).split())
    assert not inputs.held_out(project) & tuned_on(project)


def _sha256(prompt: HeldOut) -> str:
    return hashlib.sha256(prompt.data).hexdigest()

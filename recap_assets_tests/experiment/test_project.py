"""Finding a project, its keys, and where its artifacts lie."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.experiment.config import Config
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.keys import check_key
from recap_assets.experiment.project import ArmSeed, Project

REPOSITORY = Path(__file__).parents[2]
DIGEST = "0123456789ab" + "c" * 52


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECAP_CONFIG", raising=False)


def write(folder: Path, text: str = "extends: scenes\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recap.yaml").write_text(text, encoding="utf-8")
    return folder / "recap.yaml"


def test_the_path_wins_over_the_variable_and_that_over_this_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, named, given_ = (write(tmp_path / name) for name in ("", "named", "given"))
    assert Project.open().file == here
    monkeypatch.setenv("RECAP_CONFIG", str(named))
    assert Project.open().file == named
    assert Project.open(given_).file == given_
    assert Project.open(given_.parent).file == given_


def test_no_file_names_the_command_that_writes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"^recap\.yaml: no such file; `recap init`"):
        Project.open()
    monkeypatch.setenv("RECAP_CONFIG", "elsewhere.yaml")
    with pytest.raises(UserError, match=r"^elsewhere\.yaml: no such file; `recap init`"):
        Project.open()


def test_paths_are_absolute_and_stay_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "p", "extends: scenes\nroot: ../store\n")
    project = Project.open(Path("p/recap.yaml"))
    monkeypatch.chdir("/")
    assert project.file == tmp_path / "p" / "recap.yaml"
    assert project.root.resolve() == tmp_path / "store"


def test_a_remote_root_is_refused_in_one_line(tmp_path: Path) -> None:
    write(tmp_path, "extends: scenes\nroot: s3://bucket/x\n")
    with pytest.raises(UserError, match="root: 's3://bucket/x' is no local folder"):
        Project.open()


def test_arm_keys_stand_for_arms_and_seeds(tmp_path: Path) -> None:
    text = """
dataset: {urls: a.tar}
arms:
  two: {mix: {alt: 1}, seeds: [3, 0]}
  enc: {mix: {alt: 1}, train: [text_encoder]}
"""
    write(tmp_path, text)
    project = Project.open()
    arms = project.config.arms
    assert project.arm_keys() == {
        "two-both-s3": ArmSeed("two", arms["two"], 3),
        "two-both-s0": ArmSeed("two", arms["two"], 0),
        "enc-text_encoder-s0": ArmSeed("enc", arms["enc"], 0),
    }


def test_weights_are_the_arms_and_those_kept_on_the_way(tmp_path: Path) -> None:
    arms = "arms: {one: {mix: {alt: 1}}, two: {mix: {alt: 1}, train: unet}}"
    write(
        tmp_path, f"dataset: {{urls: a.tar}}\nt2i: {{steps: 30, checkpoints: [30, 20, 5]}}\n{arms}"
    )
    project = Project.open()
    assert list(project.weights().items()) == [
        ("one-both-s0", ("one-both-s0", 30)),
        ("one-both-s0-step5", ("one-both-s0", 5)),
        ("one-both-s0-step20", ("one-both-s0", 20)),
        ("two-unet-s0", ("two-unet-s0", 30)),
        ("two-unet-s0-step5", ("two-unet-s0", 5)),
        ("two-unet-s0-step20", ("two-unet-s0", 20)),
    ]
    assert all(check_key("weights", key) == key for key in project.weights())
    write(tmp_path, f"dataset: {{urls: a.tar}}\n{arms}")
    assert list(Project.open().weights()) == list(Project.open().arm_keys())


NAMES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_-]{0,12}\Z")
TRAIN = st.sampled_from([("unet",), ("text_encoder",), ("unet", "text_encoder")])
SEEDS = st.lists(st.integers(0, 2**63), min_size=1, max_size=3, unique=True)
ARMS = st.dictionaries(
    NAMES.filter(lambda name: name.lower() not in ("base", "real")),
    st.fixed_dictionaries({"mix": st.just({"alt": 1}), "train": TRAIN, "seeds": SEEDS}),
    max_size=4,
).filter(lambda arms: len({name.casefold() for name in arms}) == len(arms))


@given(ARMS)
def test_every_arm_and_seed_has_a_key_of_its_own(arms: dict[str, dict[str, object]]) -> None:
    config = Config.model_validate({"dataset": {"urls": "a"}, "arms": arms})
    keys = Project(config, Path("/p/recap.yaml"), Path("/p")).arm_keys()
    assert len(keys) == sum(len(arm.seeds) for arm in config.arms.values())
    assert all(check_key("arm", key) == key for key in keys)


@pytest.mark.parametrize(
    ("ref", "place"),
    [
        ("root://world/{00000..00007}.tar", "/store/world/{00000..00007}.tar"),
        ("root://world/*.tar", "/store/world/*.tar"),
        ("root:///etc/x", "/store/etc/x"),
        ("shards/a.tar", "/home/p/shards/a.tar"),
        ("./shards/[0-9]*.tar", "/home/p/shards/[0-9]*.tar"),
        ("../b.tar", "/home/p/../b.tar"),
        ("/abs/a.tar", "/abs/a.tar"),
        ("s3://bucket/../a b.tar", "s3://bucket/../a b.tar"),
        ("https://h/x?y=z", "https://h/x?y=z"),
    ],
)
def test_references_are_located(ref: str, place: str) -> None:
    config = Config.model_validate({"dataset": {"urls": "a"}})
    project = Project(config, Path("/home/p/recap.yaml"), Path("/store"))
    assert project.locate(ref) == place


def test_a_reference_cannot_leave_the_root(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(UserError, match="leaves the root"):
        Project.open().locate("root://a/../../b")


def test_models_are_relative_to_the_file(tmp_path: Path) -> None:
    write(tmp_path / "p")
    (tmp_path / "p" / "mine").mkdir()
    assert Project.open("p").model("mine") == tmp_path / "p" / "mine"


def test_artifacts_lie_where_others_look_for_them() -> None:
    config = Config.model_validate({"dataset": {"urls": "a"}})
    project = Project(config, Path("/home/p/recap.yaml"), Path("/s"))
    places = {
        project.dagster_home: "dagster",
        project.images: "images",
        project.captions: "captions",
        project.tables: "tables",
        project.report: "report",
        project.database: "recap.duckdb",
        project.image_index("00000"): "images/00000.parquet",
        project.human_captions("long"): "human/long.parquet",
        project.captioner("recap", DIGEST): "captioners/recap/0123456789ab",
        project.recaptions("long", DIGEST, "00000"): (
            "captions/style=long/recipe=0123456789ab/00000.parquet"
        ),
        project.manifest("long", DIGEST): "manifests/long/0123456789ab.parquet",
        project.audit("long", DIGEST): "audit/long/0123456789ab.json",
        project.latents(DIGEST, "00000"): "latents/0123456789ab/00000.safetensors",
        project.checkpoint("mix-both-s0", DIGEST): "checkpoints/mix-both-s0/0123456789ab",
        project.samples("mix-both-s0", DIGEST): "samples/mix-both-s0/0123456789ab",
        project.metrics("mix-both-s0", DIGEST[:12]): "metrics/mix-both-s0/0123456789ab",
    }
    assert {str(path): f"/s/{place}" for path, place in places.items()} == {
        f"/s/{place}": f"/s/{place}" for place in places.values()
    }


def test_opening_a_project_imports_nothing_heavy(tmp_path: Path) -> None:
    path = write(tmp_path)
    code = (
        "import sys\n"
        "from recap_assets.experiment.project import Project\n"
        "Project.open(sys.argv[1])\n"
        "heavy = {'torch', 'transformers', 'diffusers', 'dagster', 'sklearn', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(path)]
    assert subprocess.check_output(command, cwd=REPOSITORY, text=True).strip() == "[]"

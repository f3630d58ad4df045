"""The command `recap`: exit codes, the shapes of its JSON, and one line for every mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from recap_assets import cli
from recap_assets.experiment.project import Project
from recap_assets.scenes.contents import shard_samples
from recap_assets.stages.graph import STAGES
from recap_assets_tests.conftest import Built
from recap_assets_tests.small_project import add_shard, change, drawn, same_store, tar
from recap_assets_tests.stages import exporting

REPOSITORY = Path(__file__).parents[1]
COMMANDS = sorted(typer.main.get_group(cli.app).commands)
STATES = {"fresh", "stale", "missing", "failed"}


class Answer(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> Any:
        return json.loads(self.out)

    @property
    def line(self) -> str:
        """The one line that a mistake is told in."""
        assert self.code == 2
        assert self.out == ""
        (line,) = self.err.strip().splitlines()
        return line


Recap = Callable[..., Answer]


@pytest.fixture
def recap(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], _environment: None
) -> Recap:
    """Runs the command in this process as its entry point does."""

    def run(*words: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["recap", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        assert code is None or isinstance(code, int)
        return Answer(code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def shown(first_run: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A fully built project to ask questions of, in the current folder."""
    monkeypatch.chdir(tmp_path)
    return same_store(first_run.project, tmp_path)


class TestHelp:
    def test_commands(self, recap: Recap) -> None:
        answer = recap("--help")
        assert answer.code == 0
        for name in (
            "init",
            "sync",
            "plan",
            "run",
            "status",
            "sql",
            "report",
            "gc",
            "demo",
            "pretrain",
        ):
            assert name in answer.out

    @pytest.mark.parametrize("name", [name for name in COMMANDS if name != "home"])
    def test_every_command_shows_an_example(self, recap: Recap, name: str) -> None:
        answer = recap(name, "--help")
        assert answer.code == 0
        assert f"Example: recap {name}" in answer.out

    def test_without_a_command_the_help_is_shown(self, recap: Recap) -> None:
        answer = recap()
        assert answer.code == 2
        assert "recap" in answer.out + answer.err

    def test_an_unknown_option_is_an_error_of_use(self, recap: Recap) -> None:
        answer = recap("run", "--selct", "images")
        assert answer.code == 2
        assert "--select" in answer.err


class TestConfig:
    def test_no_file(self, recap: Recap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        for words in (["status"], ["run"], ["sql", "SELECT 1"], ["report"], ["sync"]):
            assert recap(*words).line == (
                "recap: recap.yaml: no such file; `recap init` writes one, or name yours in "
                "RECAP_CONFIG"
            )

    def test_unknown_key(self, recap: Recap, project: Project) -> None:
        text = project.file.read_text(encoding="utf-8")
        project.file.write_text(text.replace("sampler_steps", "sample_steps"), encoding="utf-8")
        line = recap("run", "-c", str(project.file)).line
        assert line.startswith(f"recap: {project.file}")
        assert "unknown key 'sample_steps'" in line
        assert "'sampler_steps'" in line
        assert not project.root.exists()

    def test_named_by_the_environment(
        self, recap: Recap, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("RECAP_CONFIG", str(project.file))
        assert recap("home").out.strip() == str(project.dagster_home)

    def test_an_option_is_stronger_than_the_environment(
        self, recap: Recap, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("RECAP_CONFIG", "/nowhere/recap.yaml")
        assert recap("home", "--config", str(project.file.parent)).code == 0

    def test_no_traceback_in_a_process_of_its_own(self, project: Project) -> None:
        project.file.write_text("extends: scene\n", encoding="utf-8")
        command = [sys.executable, "-c", "from recap_assets.cli import main; main()", "status"]
        environment = os.environ | {"RECAP_CONFIG": str(project.file)}
        found = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        assert found.returncode == 2
        (line,) = found.stderr.splitlines()
        assert "'scenes'" in line


class TestInit:
    def test_writes_a_file_that_opens_and_asks_before_replacing_it(
        self, recap: Recap, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drawn(project)
        monkeypatch.chdir(tmp_path)
        pattern = str(tar(project, "{00000..00001}"))
        answer = recap("init", pattern)
        assert answer.code == 0, answer.err
        assert answer.out.strip().splitlines()[-1].startswith("wrote recap.yaml")
        assert answer.out.strip().endswith("next: recap run")
        before = Path("recap.yaml").read_bytes()
        assert len(Project.open().arm_keys()) > 0
        line = recap("init", pattern).line
        assert "recap.yaml" in line
        assert "--force" in line
        assert Path("recap.yaml").read_bytes() == before
        assert recap("init", pattern, "--force").code == 0

    def test_nothing_matches(
        self, recap: Recap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert "no file matches" in recap("init", "shards/*.tar").line
        assert not list(tmp_path.iterdir())


class TestSync:
    def test_registers_and_forgets(self, recap: Recap, project: Project) -> None:
        config = str(project.file)
        answer = recap("sync", "--json", "-c", config)
        assert (answer.code, answer.err) == (0, "")
        assert answer.told == {"added": ["00000", "00001"], "removed": []}
        assert recap("sync", "--json", "-c", config).told == {"added": [], "removed": []}
        extra = add_shard(project, "00002")
        assert recap("sync", "-c", config).out == "1 shards added, 0 removed\n"
        extra.unlink()
        assert recap("sync", "--json", "-c", config).told == {"added": [], "removed": ["00002"]}


class TestRun:
    @pytest.mark.parametrize(
        ("asked", "meant"),
        [("recaption", "recaptions"), ("imagse", "images"), ("report,metrik", "metrics")],
    )
    def test_an_unknown_asset_is_answered_with_the_nearest(
        self, recap: Recap, project: Project, asked: str, meant: str
    ) -> None:
        line = recap("run", "--select", asked, "-c", str(project.file)).line
        assert f"asset {asked.split(',')[-1]!r}: there is none" in line
        assert f"did you mean {meant!r}" in line

    def test_nonsense_lists_the_assets(self, recap: Recap, project: Project) -> None:
        line = recap("run", "--select", "nonsense", "-c", str(project.file)).line
        assert line.endswith(f"the assets are {', '.join(STAGES)}")

    def test_json(self, recap: Recap, project: Project) -> None:
        config = str(project.file)
        answer = recap("run", "--select", "images,captioner", "--json", "-c", config)
        assert answer.code == 1  # the captioner waits
        told = answer.told
        told["ran"].sort(key=lambda one: one["partition"])  # in the order they ended in
        images = {"asset": "images", "computed": 8, "error": None, "warnings": []}
        assert told == {
            "ran": [images | {"partition": "00000"}, images | {"partition": "00001"}],
            "fresh": 0,
            "waiting": [
                {
                    "asset": "captioner",
                    "partition": "recap",
                    "state": "missing",
                    "reason": "human_captions[short] is not read as its shards are now",
                }
            ],
        }
        again = recap("run", "--select", "images", "--json", "-c", config)
        assert (again.code, again.told) == (0, {"ran": [], "fresh": 2, "waiting": []})

    def test_a_failure_is_exit_code_1_and_a_line(self, recap: Recap, project: Project) -> None:
        drawn(project)
        tar(project, "00001").write_bytes(b"no tar at all")
        answer = recap("run", "--select", "images", "-c", str(project.file))
        assert answer.code == 1
        assert "Traceback" not in answer.err
        assert "images[00001]" in answer.err
        told = recap("run", "--select", "images", "--json", "-c", str(project.file)).told
        assert (told["fresh"], told["waiting"]) == (1, [])
        (failed,) = told["ran"]
        assert failed["partition"] == "00001"
        assert failed["error"].startswith(str(tar(project, "00001")))


class TestStatus:
    def test_before_the_world_is_drawn(self, recap: Recap, project: Project) -> None:
        line = recap("status", "-c", str(project.file)).line
        assert line.endswith("`recap sync` draws the world of this project")

    def test_json(self, recap: Recap, project: Project) -> None:
        drawn(project)
        answer = recap("status", "--json", "-c", str(project.file))
        assert (answer.code, answer.err) == (0, "")
        assert all(list(one) == ["asset", "partition", "state", "reason"] for one in answer.told)
        assert {one["state"] for one in answer.told} == {"missing"}
        assert {one["asset"] for one in answer.told} == set(STAGES)

    def test_a_table(self, recap: Recap, project: Project) -> None:
        drawn(project)
        answer = recap("status", "-c", str(project.file))
        assert answer.code == 0
        assert "t2i_checkpoint" in answer.out
        assert "missing" in answer.out

    @pytest.mark.slow
    def test_all_is_fresh_after_a_run(self, recap: Recap, shown: Project) -> None:
        assert {one["state"] for one in recap("status", "--json").told} == {"fresh"}
        changed = change(shown, "t2i.lr", 1e-5)
        told = recap("status", "--json", "-c", str(changed.file)).told
        assert {one["state"] for one in told} == {"fresh", "stale"}
        assert {one["state"] for one in told} <= STATES


class TestSql:
    @pytest.mark.slow
    def test_json_is_a_list_of_rows(self, recap: Recap, shown: Project) -> None:
        query = "SELECT style, count(*) AS n FROM captions GROUP BY style ORDER BY style"
        answer = recap("sql", query, "--json")
        assert (answer.code, answer.err) == (0, "")
        assert answer.told == [{"style": style, "n": 16} for style in ("alt", "long", "short")]

    @pytest.mark.slow
    def test_the_metric_table_has_the_columns_others_rely_on(
        self, recap: Recap, shown: Project
    ) -> None:
        answer = recap(
            "sql",
            "SELECT arm, metric, value, ci_low, ci_high, n, seed, prompt_set, caption_set, "
            "extractor FROM metrics WHERE metric = 'soa_i' ORDER BY arm",
            "--json",
        )
        assert [one["arm"] for one in answer.told] == [
            "alttext-both-s0",
            "base",
            "long-both-s0",
            "mix-both-s0",
            "real",
        ]
        assert all(0 <= one["value"] <= 1 for one in answer.told)

    @pytest.mark.slow
    def test_every_view_has_rows(self, recap: Recap, shown: Project) -> None:
        views = ["images", "captions", "captions_history", "caption_stats"]
        for view in (*views, "checkpoints", "samples", "metrics"):
            (row,) = recap("sql", f"SELECT count(*) AS n FROM {view}", "--json").told
            assert row["n"] > 0, view
        assert recap("sql", "SELECT count(*) AS n FROM quarantine", "--json").code == 0

    @pytest.mark.slow
    def test_a_table_to_read(self, recap: Recap, shown: Project) -> None:
        answer = recap("sql", "SELECT '[bold]' AS marked, NULL AS nothing")
        assert answer.code == 0
        assert "[bold]" in answer.out

    def test_before_anything_was_made(self, recap: Recap, project: Project) -> None:
        answer = recap("sql", "SELECT count(*) AS n FROM images", "--json", "-c", str(project.file))
        assert answer.told == [{"n": 0}]

    @pytest.mark.parametrize(
        "query", ["SELECT nonsense FROM images", "SELEC 1", "SELECT * FROM image", ""]
    )
    def test_a_bad_query_is_one_line(self, recap: Recap, project: Project, query: str) -> None:
        line = recap("sql", query, "-c", str(project.file)).line
        assert line.startswith("recap: query: ")
        assert "SHOW TABLES" in line or "SELECT" in line

    def test_a_query_changes_nothing(self, recap: Recap, project: Project) -> None:
        recap("sql", "DROP VIEW images", "-c", str(project.file))
        assert recap("sql", "SELECT * FROM images", "--json", "-c", str(project.file)).told == []


class TestReport:
    def test_before_anything_was_made(self, recap: Recap, project: Project) -> None:
        line = recap("report", "-c", str(project.file)).line
        assert line.startswith("recap: report: ")
        assert line.endswith("`recap run` brings everything up to date")

    @pytest.mark.slow
    def test_says_where_the_page_is(
        self, recap: Recap, built: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(built.file.parent)
        answer = recap("report")
        assert (answer.code, answer.out) == (0, "store/report/index.html\n")
        page = Path("store/report/index.html").read_text(encoding="utf-8")
        assert "simulated" in page

    @pytest.mark.slow
    def test_demo_shows_the_tables(self, recap: Recap, built: Project) -> None:
        answer = recap("demo", "-c", str(built.file))
        assert answer.code == 0
        for arm in ("real", "base", "alttext-both-s0", "long-both-s0", "mix-both-s0"):
            assert arm in answer.out
        assert "drawn and simulated" in answer.out
        assert "index.html" in answer.out.replace("\n", "")


class TestExport:
    def test_json_counts_what_was_written(self, recap: Recap, tmp_path: Path) -> None:
        made = exporting.project(
            tmp_path / "p",
            {"a": [exporting.picture("x", 0, short="a car"), exporting.picture("y", 1)]},
        )
        to, config = str(tmp_path / "out"), str(made.file)
        words = ["export", "-f", "kohya", "--style", "short", "--to", to, "-c", config]
        answer = recap(*words, "--json")
        assert (answer.code, answer.err) == (0, "")
        assert (answer.told["exported"], answer.told["failed"]) == (1, {"refused": 1})
        assert (tmp_path / "out" / "x.txt").read_bytes() == b"a car\n"
        assert recap(*words).line.startswith(f"recap: {to}: is not empty")
        shown = recap(*words, "--force")
        assert shown.code == 0
        assert "1  pictures exported to" in shown.out
        assert "1  left out: caption refused" in shown.out

    def test_before_anything_was_made(self, recap: Recap, project: Project, tmp_path: Path) -> None:
        drawn(project)
        words = ["export", "--style", "short", "--to", str(tmp_path / "out")]
        line = recap(*words, "-c", str(project.file)).line
        assert line.startswith("recap: export: human_captions[short] is not read")
        assert line.endswith("`recap run` brings everything up to date")
        assert not (tmp_path / "out").exists()


def test_pretrain_knows_its_models(recap: Recap, tmp_path: Path) -> None:
    line = recap("pretrain", "--only", "nonsense", "--folder", str(tmp_path / "base")).line
    assert "t2i, captioner, detector" in line
    assert not (tmp_path / "base").exists()


def test_the_world_of_these_tests_is_the_drawn_one(project: Project) -> None:
    world = project.config.world
    assert world is not None
    assert len(list(shard_samples(world, 0))) == 8

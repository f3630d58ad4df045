"""Arms with mixes by name train, and SQL finds the checkpoints by mix and caption set."""

from __future__ import annotations

import json

import pytest

from recap_assets.experiment.project import Project
from recap_assets.stages import arm_captions, checkpoint, images, manifest
from recap_assets.stages.database import ask
from recap_assets_tests.small_project import (
    TRAINED,
    Samples,
    change,
    edit,
    ran,
    run,
    tar,
)

pytestmark = pytest.mark.slow


def test_mixes_by_name_train_and_are_found_by_sql(built: Project) -> None:
    change(built, "arms.fused", {"mix": "fusion"})
    project = change(built, "arms.cut", {"mix": "random_length"})
    named = change(project, "arms.mix", {"mix": "mix50"})
    outcome = run(named, TRAINED)
    # The arm whose mix has a name now is the arm that it was.
    assert ran(outcome) == {"t2i_checkpoint": {"fused-both-s0": 2, "cut-both-s0": 2}}

    sets = {style: manifest.content(named, style) for style in ("alt", "long")}
    told = checkpoint.card(named, "fused-both-s0")
    assert (told["mix"], told["caption_sets"]) == ({"long+alt": 1.0}, sets)
    query = "SELECT arm, mix FROM checkpoints WHERE caption_set ->> 'long' = '{}' ORDER BY arm"
    assert ask(named, query.format(sets["long"])).rows() == [
        ("cut-both-s0", json.dumps({"long:random_length": 1.0})),
        ("fused-both-s0", json.dumps({"long+alt": 1.0})),
        ("long-both-s0", json.dumps({"long": 1.0})),
        ("mix-both-s0", json.dumps({"long": 1.0, "short": 1.0})),
    ]


def test_an_arm_draws_from_all_that_the_source_says(built: Project) -> None:
    def tell(samples: Samples) -> None:
        for number, members in enumerate(samples.values()):
            told = json.loads(members["json"]) | {"captions": ["b", f"c {number}", " b "]}
            members["json"] = json.dumps(told).encode()

    edit(tar(built, "00000"), tell)
    project = change(built, "arms.several", {"mix": "alt:any"})
    assert ran(run(project, TRAINED))["t2i_checkpoint"] == {"several-both-s0": 2}
    key = "several-both-s0"
    assert set(checkpoint.card(project, key)["caption_sets"]) == {"alt", "alt:any"}

    uids = sorted(images.usable(project, "00000")["uid"])
    draw = arm_captions.shown(project, key)
    seen = {caption for epoch in range(40) for caption in draw(uids, epoch).captions}
    alts = set(manifest.frame(project, "alt")["caption"])
    assert {"b", *(f"c {number}" for number in range(8))} <= seen
    assert seen - alts == {"b", *(f"c {number}" for number in range(8))}

    def rewrite(samples: Samples) -> None:
        members = samples[sorted(samples)[0]]
        members["json"] = json.dumps(json.loads(members["json"]) | {"captions": ["d"]}).encode()

    edit(tar(project, "00000"), rewrite)
    assert ran(run(project, TRAINED))["t2i_checkpoint"] == {key: 2}

from __future__ import annotations

import hashlib
import json

import pytest

from recap_assets.captions.recipe import ALT
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captions.making import make_recipe, sha_of


@pytest.mark.parametrize(
    "change",
    [
        {"style": "short"},
        {"adapter_sha": "b" * 64},
        {"prompt": "long caption: "},
        {"sampling": {"max_tokens": 73, "seed": 0}},
        {"sampling": {"max_tokens": 72, "seed": 1}},
        {"sampling": {}},
        {"code_version": "2"},
    ],
)
def test_what_decides_a_caption_changes_its_identity(change: dict[str, object]) -> None:
    before, after = make_recipe(), make_recipe(**change)
    assert before.digest != after.digest
    assert before.row_key(sha_of("x")) != after.row_key(sha_of("x"))


@pytest.mark.parametrize(
    "change", [{"model_id": "models/moved"}, {"model_revision": "abc"}, {"prompt_id": "renamed"}]
)
def test_names_do_not_change_identity_where_weights_have_a_digest(
    change: dict[str, object],
) -> None:
    assert make_recipe().digest == make_recipe(**change).digest


def test_without_a_digest_of_weights_the_model_and_revision_count() -> None:
    base = make_recipe(adapter_sha=None)
    assert base.digest != make_recipe(adapter_sha=None, model_id="other").digest
    assert base.digest != make_recipe(adapter_sha=None, model_revision="r2").digest
    assert base.digest != make_recipe().digest


def test_the_order_of_sampling_does_not_matter() -> None:
    swapped = make_recipe(sampling={"seed": 0, "max_tokens": 72})
    assert make_recipe().digest == swapped.digest
    assert make_recipe().sampling_json == swapped.sampling_json
    assert json.loads(swapped.sampling_json) == swapped.sampling


def test_post_processing_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = make_recipe().digest
    monkeypatch.setattr("recap_assets.captions.status.VERSION", "next")
    assert make_recipe().digest != before


def test_digest_and_row_keys_by_hand() -> None:
    """If this fails, every stored caption has become stale: raise a version if that is meant."""
    weights = "a" * 64
    text = (
        '{"code":"1","prompt":"long caption:","sampling":{"max_tokens":72,"seed":0},'
        f'"style":"long","text":"2","weights":"{weights}"}}'
    )
    digest, sha = hashlib.sha256(text.encode()).hexdigest(), sha_of("x")
    assert make_recipe().digest == digest
    key = hashlib.sha256(f'["{sha}","{digest}"]'.encode()).hexdigest()
    assert make_recipe().row_key(sha) == key
    key = hashlib.sha256(f'["{sha}","{ALT.digest}","a cat"]'.encode()).hexdigest()
    assert ALT.row_key(sha, "a cat") == key


def test_short_and_prompt_sha() -> None:
    recipe = make_recipe()
    assert recipe.short == recipe.digest[:12]
    assert recipe.prompt_sha == hashlib.sha256(b"long caption:").hexdigest()


def test_row_keys_tell_pictures_apart() -> None:
    recipe = make_recipe()
    assert len({recipe.row_key(sha_of(str(number))) for number in range(50)}) == 50


def test_alt_text_counts_for_alt_alone() -> None:
    sha = sha_of("x")
    assert ALT.row_key(sha, "a cat") != ALT.row_key(sha, "a dog")
    assert make_recipe().row_key(sha, "a cat") == make_recipe().row_key(sha, "a dog")


def test_seeds_are_per_picture_style_and_seed() -> None:
    def seed(**change: object) -> int:
        return make_recipe(**change).seed(sha_of("x"))

    assert seed() == seed(code_version="9", prompt="other")
    assert len({seed(), seed(style="short"), seed(sampling={"seed": 1})}) == 3
    assert 0 <= seed() < 2**63


def test_a_style_must_be_a_key() -> None:
    with pytest.raises(UserError, match="style"):
        make_recipe(style="../long")

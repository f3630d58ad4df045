"""The rules every section obeys."""

from __future__ import annotations

from types import NoneType
from typing import get_args

import pytest
from pydantic import ValidationError

from recap_assets.experiment import config
from recap_assets.experiment.config import Config
from recap_assets.experiment.section import Section
from recap_assets.experiment.t2i_settings import Arm, Weights

SECTIONS = [
    value
    for value in vars(config).values()
    if isinstance(value, type) and issubclass(value, Section) and value is not Section
]


@pytest.mark.parametrize("section", SECTIONS)
def test_what_may_be_null_is_null_by_default(section: type[Section]) -> None:
    for field in section.model_fields.values():
        if NoneType in get_args(field.annotation):
            assert field.default is None


def test_sections_are_frozen() -> None:
    settings = Config(dataset=config.Dataset(urls=("a",)))
    with pytest.raises(ValidationError, match="frozen"):
        settings.t2i.steps = 5


def test_the_order_of_trained_weights_is_one_order() -> None:
    one = Arm(mix={"alt": 1}, train=("unet", "text_encoder"))
    assert Arm(mix={"alt": 1}, train=("text_encoder", "unet")) == one
    choices: list[tuple[Weights, ...]] = [("unet", "text_encoder"), ("unet",), ("text_encoder",)]
    assert [Arm(mix={"alt": 1}, train=train).trained for train in choices] == [
        "both",
        "unet",
        "text_encoder",
    ]

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from recap_assets.captioning.dropout import dropout
from recap_assets.captioning.load import load
from recap_assets.captioning.read import read
from recap_assets_tests.captioning.models import florence2, git
from recap_assets_tests.captioning.pictures import images, walls


def test_layers_and_numbers_are_set_and_put_back() -> None:
    class Attention(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention_dropout = 0.3
            self.drop_prob = 0.4
            self.dropout = torch.nn.Dropout(0.2)
            self.scale = 0.5

    def told(one: Attention) -> list[float]:
        return [one.attention_dropout, one.drop_prob, one.dropout.p, one.scale]

    inside, outside = Attention(), Attention()
    with dropout([torch.nn.Sequential(inside)], 0.1):
        assert told(inside) == [0.1, 0.0, 0.1, 0.5]
        assert told(outside) == [0.3, 0.4, 0.2, 0.5]
    assert told(inside) == [0.3, 0.4, 0.2, 0.5]


@pytest.mark.parametrize("save", [git.save, florence2.save], ids=["git", "florence2"])
def test_training_without_dropout_is_exact_and_with_it_is_not(save: Any, tmp_path: Path) -> None:
    captioner = load(save(tmp_path))
    family = captioner.family
    batch = (read(captioner, images(walls())), range(4), [""] * 4, ["a red wall"] * 4)
    exact = family.loss(*batch).item()
    losses = {}
    family.model.train()
    for p in (0.0, 0.5):
        with dropout([family.model], p):
            losses[p] = [family.loss(*batch).item() for _ in range(2)]
    family.model.eval()
    assert losses[0.0] == pytest.approx([exact, exact], rel=1e-6)
    assert losses[0.5][0] != losses[0.5][1]

from __future__ import annotations

import torch
from transformers import BartConfig
from transformers.models.bart.modeling_bart import BartDecoderLayer

from recap_assets.captioning.dropout import dropping


def test_every_way_to_hold_a_rate_is_set_and_undone() -> None:
    """A layer of BART holds its rates as numbers, one that is no part of it as a module."""
    how = BartConfig(
        d_model=8, decoder_attention_heads=1, decoder_ffn_dim=8, dropout=0.1, attention_dropout=0.0
    )
    layer, beside = BartDecoderLayer(how), torch.nn.Dropout(0.2)
    outside = torch.nn.Dropout(0.2)
    with dropping([layer, torch.nn.Sequential(beside)], 0.7):
        rates = (layer.dropout, layer.activation_dropout, layer.self_attn.dropout, beside.p)
        assert rates == (0.7, 0.7, 0.7, 0.7)
        assert outside.p == 0.2
    rates = (layer.dropout, layer.activation_dropout, layer.self_attn.dropout, beside.p)
    assert rates == (0.1, 0.0, 0.0, 0.2)


def test_the_rate_is_the_share_that_is_dropped() -> None:
    layer = torch.nn.Dropout(0.0).train()
    torch.manual_seed(0)
    with dropping([layer], 0.25):
        share = (layer(torch.ones(10_000)) == 0).float().mean().item()
    assert abs(share - 0.25) < 0.02

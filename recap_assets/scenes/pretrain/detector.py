"""Pre-trains the small object detector that measures generated scenes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recap_assets.scenes.pretrain.pictures import Pool
from recap_assets.scenes.pretrain.schedule import cosine
from recap_assets.scenes.scene import LABELS, SIZE, Scene

BATCH = 32

if TYPE_CHECKING:
    import torch
    from transformers import RTDetrForObjectDetection


def build() -> RTDetrForObjectDetection:
    """An untrained RT-DETR of about 0.6 M parameters for 64 px pictures."""
    import torch
    from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrResNetConfig

    torch.manual_seed(0)
    backbone = RTDetrResNetConfig(
        embedding_size=24,
        hidden_sizes=[24, 40, 56, 64],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = RTDetrConfig(
        backbone_config=backbone,
        freeze_backbone_batch_norms=False,
        encoder_hidden_dim=64,
        encoder_in_channels=[40, 56, 64],
        encoder_ffn_dim=128,
        encoder_attention_heads=4,
        hidden_expansion=0.5,
        d_model=64,
        num_queries=20,
        decoder_in_channels=[64, 64, 64],
        decoder_ffn_dim=128,
        decoder_attention_heads=4,
        decoder_layers=2,
        num_denoising=20,
        num_labels=len(LABELS),
        id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
    )
    return RTDetrForObjectDetection(config)


def train(
    model: RTDetrForObjectDetection,
    pool: Pool,
    steps: int,
    report: Callable[[int, float], None],
    seed: int = 1,
) -> None:
    """Train in place on exact boxes; half of each batch is blurred, as generated pictures are."""
    import torch

    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4, fused=True)
    rng = np.random.default_rng(seed)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = cosine(step, steps, 1e-3, warmup=200)
        rows = rng.integers(0, len(pool), BATCH)
        pixels = _soften(_as_input(pool.pixels[np.sort(rows)]), rng)
        loss = model(pixels, labels=[target(pool.scenes[row]) for row in np.sort(rows)]).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        report(step, loss.item())
    model.eval()


def target(scene: Scene) -> dict[str, torch.Tensor]:
    """Labels and boxes (centre x, centre y, width, height in shares of the picture)."""
    import torch

    boxes = torch.tensor([[t.x, t.y, 2 * t.radius, 2 * t.radius] for t in scene.things])
    labels = torch.tensor([LABELS.index(t.label) for t in scene.things])
    return {"class_labels": labels, "boxes": boxes.float() / SIZE}


def _as_input(pixels: np.ndarray) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).contiguous().float() / 255


def _soften(pixels: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Blur, noise and a shift of brightness on half of the batch."""
    import torch
    from torch.nn.functional import interpolate

    half = len(pixels) // 2
    small = interpolate(
        pixels[:half], size=int(rng.integers(24, 56)), mode="bilinear", antialias=True
    )
    noise = torch.from_numpy(rng.normal(0, 0.03, (half, 3, SIZE, SIZE)).astype(np.float32))
    shift = torch.from_numpy(rng.normal(0, 0.03, (half, 3, 1, 1)).astype(np.float32))
    soft = interpolate(small, size=SIZE, mode="bilinear") + noise + shift
    return torch.cat([soft.clamp(0, 1), pixels[half:]])


def save(model: RTDetrForObjectDetection, folder: Path) -> None:
    """Write the model in 16 bits with the image processor that belongs to it."""
    import torch
    from transformers.models.rt_detr.image_processing_pil_rt_detr import RTDetrImageProcessorPil

    model.to(torch.float16).save_pretrained(folder)
    size = {"height": SIZE, "width": SIZE}
    RTDetrImageProcessorPil(size=size, do_normalize=False, do_pad=False).save_pretrained(folder)


def load(folder: Path) -> RTDetrForObjectDetection:
    """The model of a folder in 32 bits, to be trained on."""
    import torch
    from transformers import RTDetrForObjectDetection

    return RTDetrForObjectDetection.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True
    )

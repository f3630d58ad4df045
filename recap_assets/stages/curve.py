"""A loss curve to look at in the UI."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO

from recap_assets.evaluation.figures import stretches
from recap_assets.stages.stage import Markdown


def picture(losses: Sequence[float]) -> Markdown:
    """The losses by step as a small PNG, means of at most 80 stretches of steps."""
    from matplotlib.figure import Figure

    points = stretches(enumerate(losses, start=1))
    figure = Figure(figsize=(4.8, 2.4), dpi=96, layout="constrained")
    axes = figure.subplots()
    axes.plot([step for step, _ in points], [loss for _, loss in points])
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.grid(alpha=0.3)
    out = BytesIO()
    figure.savefig(out, format="png")
    return Markdown(f"![loss by step](data:image/png;base64,{b64encode(out.getvalue()).decode()})")

"""The settings of styles and captioners: what is asked, of which model, and how it is tuned."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from recap_assets.experiment.section import (
    Count,
    NotNegative,
    Positive,
    Section,
    ShareBelowOne,
    Steps,
    Text,
    Whole,
    in_order,
)

CaptionerWeights = Literal["image_encoder", "text_decoder"]
Precision = Literal["float32", "bfloat16", "float16"]


class Style(Section):
    """A kind of caption: what the captioner is asked, and how many tokens it may answer with.

    prompt: a template. `{alt}` is the picture's alt-text, `{long}` its caption in the style long,
        which is then made first; a brace itself is written twice.
    step: the captioner as it was after so many tuning steps, one of its `tune.checkpoints`.
    picture: false asks about the texts in the prompt alone (endpoints and chat models).
    temperature: 0 takes the likeliest token; above it is drawn, by a seed of each picture's own.
    top_p: the share of likelihood that tokens are drawn from.
    candidates: so many captions are drawn and the best is kept, by the captioner's `reranker`, or
        by their mean log-probability where it has none.
    """

    prompt: str
    max_tokens: Count = 32
    captioner: Text
    step: Count | None = None
    picture: bool = True
    temperature: NotNegative = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    candidates: Count = 1
    seed: Whole = 0


class Tune(Section):
    """How a captioner is fine-tuned on the human captions; `lr` is the peak learning rate.

    method: lora trains an adapter of `rank`, scaled by `alpha` / `rank`, and leaves the rest.
    train: the weights that move. With the text decoder alone a small human set changes what is
        said of a picture, and cannot spoil what is seen in it.
    validate_every: steps between scores on the validation captions; null scores at the end only.
    patience: tuning stops after so many scores in a row without a better one, and the weights of
        the best one are kept; null goes through all steps. Needs `validate_every`.
    checkpoints: steps whose weights are kept too, for styles to name in `step`.
    """

    method: Literal["full", "lora"] = "full"
    rank: Count = 16
    alpha: Positive = 32.0
    train: Annotated[
        tuple[CaptionerWeights, ...], Field(min_length=1), BeforeValidator(in_order)
    ] = ("image_encoder", "text_decoder")
    steps: Count = 300
    lr: Positive = 5e-4
    batch: Count = 32
    dropout: ShareBelowOne = 0.1
    seed: Whole = 0
    validate_every: Count | None = None
    patience: Count | None = None
    checkpoints: Steps = ()


class Endpoint(Section):
    """A server with OpenAI's chat API that captions for a model it serves.

    url: up to and with the version, such as http://127.0.0.1:8000/v1.
    key: the environment variable that holds the key; the key itself is never written down.
    concurrency: requests under way at once. timeout: seconds that one may take.
    retries: how often one that failed is asked again, after longer and longer waits.
    """

    url: Text
    key: Text | None = None
    concurrency: Count = 16
    timeout: Positive = 120.0
    retries: Whole = 5


class Captioner(Section):
    """A captioning model, used as it comes without `tune`. `batch` is images per forward pass.

    endpoint: where the model is served, if it is not loaded here; `model` is its name there.
    system: what a chat model is told before the prompt.
    view: whole shows the picture as the model's own image processor takes it, square its centre,
        as the text-to-image model will see it.
    max_pixels: the most pixels of a picture for models that read any size; null is their default.
    precision: of weights and arithmetic; it decides captions, so it is part of their recipe.
    compile: compile the decoding step; pays on a GPU for more than some thousand pictures.
    reranker: a CLIP-like model that chooses among `candidates`.
    decoders: processes that decode and resize pictures; null has as many as the machine can use.
    trust_remote_code: run code that the model brings along. Only for models whose code you read.
    """

    model: Text
    revision: Text | None = None
    tune: Tune | None = None
    batch: Count = 64
    endpoint: Endpoint | None = None
    system: str | None = None
    view: Literal["whole", "square"] = "whole"
    max_pixels: Count | None = None
    precision: Precision = "float32"
    compile: bool = False
    reranker: Text | None = None
    decoders: Whole | None = None
    trust_remote_code: bool = False

"""What the cards of the base models say."""

T2I = """---
library_name: diffusers
pipeline_tag: text-to-image
license: apache-2.0
---

# t2i

A StableDiffusionPipeline for drawn scenes of 64 x 64 pixels: an autoencoder to 8 x 8 x 8 latents, a
UNet and a CLIP text encoder. It was trained from random weights on scenes with web-like alt-text,
most of which says little or nothing true, so it draws well and listens badly: the state that
recaptioning starts from. Its pictures are disjoint from every project's; about one scene in eight,
decided by what a caption can say of it, is held out. Made by `recap pretrain --only t2i`.
"""

CAPTIONER = (
    "A BLIP captioner for drawn scenes of 64 x 64 pixels, trained from random weights on terse and "
    "incomplete notes such as 'two red rings' or 'square, white background', without a prefix. It "
    "knows what is there and does not say all of it. Made by `recap pretrain --only captioner`."
)

DETECTOR = """---
library_name: transformers
pipeline_tag: object-detection
license: apache-2.0
---

# detector

An RT-DETR for drawn scenes of 64 x 64 pixels: 36 labels, one for each colour and shape. Half of the
pictures it was trained on are blurred and noisy, as generated ones may be. Its score on real scenes
is the row `real` of every table. Made by `recap pretrain --only detector`.
"""

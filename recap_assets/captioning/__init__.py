"""Captioners: build a tiny one, load one, fine-tune it on human captions, let it caption pictures.

A captioner is a BLIP (`BlipForConditionalGeneration` of transformers) in an ordinary
`from_pretrained` folder. It is told what to write by a text prefix such as "short caption:", so
that one model serves several styles over one encoding of the picture.
"""

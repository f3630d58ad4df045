"""Captioners: build a tiny one, load one, fine-tune it on human captions, let it caption pictures.

A captioner is a model of a family that transformers knows (`families.registry`) in an ordinary
`from_pretrained` folder. It is told what to write by a prompt such as "short caption:", so that one
model serves several styles over one encoding of the picture.
"""

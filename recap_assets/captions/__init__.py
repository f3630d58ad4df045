"""The caption store.

One row per picture, style and recipe, with its provenance and status; plans of what must be
captioned again; manifests that name a caption set by its content; mixes of styles; people's
captions; and SQL views over everything the store holds.
"""

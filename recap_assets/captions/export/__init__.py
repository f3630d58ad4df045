"""Captions handed on to other trainers: what of a store is exported, and a file per format."""

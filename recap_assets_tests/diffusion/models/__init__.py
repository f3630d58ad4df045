"""Tiny random text-to-image models, one file for each kind of pipeline."""

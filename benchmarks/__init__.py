"""Measurements whose numbers the documents give; each file says in its first lines how to run it."""

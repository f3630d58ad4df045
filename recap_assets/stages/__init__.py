"""The stages of the graph as plain functions: what each partition should be, and how to make it.

Both the `recap` command and the Dagster assets call these; nothing here knows of Dagster.
"""

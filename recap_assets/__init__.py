"""RECAP as a Dagster asset pipeline: recaption, train on the captions, measure the gain."""

__version__ = "0.1.0"

"""Dagster's side of the graph: partitions, one thin file per stage, checks, schedule and sensor."""

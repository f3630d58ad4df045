"""What each word after `recap` does: thin, over stages and Dagster."""

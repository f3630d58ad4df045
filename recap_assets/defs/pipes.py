"""Dagster Pipes for processes that a stage launches: what rank 0 tells is in the log of the run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import dagster as dg

from recap_assets.stages.progress import Listener, listening


@contextmanager
def through_pipes(
    context: dg.AssetExecutionContext, outside: Listener | None
) -> Iterator[Mapping[str, str]]:
    """A block for one launch; yields what its processes find Dagster by.

    `PipesSubprocessClient` would start them itself: in the terminal's own process group, so that
    Ctrl-C reaches them twice, and with output that nobody reads or that tears the progress bar. So
    only its session is used, and processes start and end as they do without Dagster.

    Progress is logged by rank 0, hence what is told within the block only goes `outside`.
    """
    session = dg.open_pipes_session(
        context=context,
        context_injector=dg.PipesTempFileContextInjector(),
        message_reader=dg.PipesTempFileMessageReader(),
    )
    with ExitStack() as stack:
        with warnings.catch_warnings():
            # Of what Dagster uses of itself.
            warnings.simplefilter("ignore")
            opened = stack.enter_context(session)
        stack.enter_context(listening(outside or _nobody))
        yield opened.get_bootstrap_env_vars()


def _nobody(done: int, total: int, what: str) -> None:
    """Nobody listens outside."""

"""The command `recap`: every step of the pipeline from a terminal."""

from __future__ import annotations

import sys

import typer

from recap_assets.commands import export, running, setting_up, store
from recap_assets.experiment.errors import UserError

#: What Typer makes of Ctrl-C.
_STOPPED = 130

app = typer.Typer(
    name="recap",
    help="Recaption images, train text-to-image models on the captions, measure what they bought.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (
    setting_up.init,
    setting_up.sync,
    running.plan,
    running.run,
    setting_up.status,
    running.report,
    store.sql,
    export.export,
    store.compact,
    store.gc,
    running.demo,
    running.pretrain,
):
    app.command()(command)
app.command(hidden=True)(setting_up.home)


def main() -> None:
    """Run the command; a user's mistake ends it with one line and exit code 2, Ctrl-C with 130."""
    try:
        app()
    except UserError as error:
        typer.echo(f"recap: {error}", err=True)
        sys.exit(2)
    except SystemExit as ended:
        if ended.code == _STOPPED:
            typer.echo("recap: stopped; what was finished is kept", err=True)
        raise

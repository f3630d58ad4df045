"""The captions handed on to other trainers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recap_assets.commands.options import Config, Json, open_project, print_json, shown


def export(
    to: Annotated[Path, typer.Option(help="The folder to write; new or empty.")],
    form: Annotated[
        str, typer.Option("--format", "-f", help="webdataset, parquet, kohya or wide.")
    ] = "webdataset",
    style: Annotated[
        str | None, typer.Option(help="Whose captions to show; needed where there are several.")
    ] = None,
    arm: Annotated[
        str | None, typer.Option(help="Show what this arm draws, for example mix-both-s0.")
    ] = None,
    epoch: Annotated[int, typer.Option(min=0, help="The epoch that the arm draws for.")] = 0,
    styles: Annotated[
        str | None, typer.Option(help="Styles to write, comma-separated; all without it.")
    ] = None,
    keep_failed: Annotated[
        bool, typer.Option("--keep-failed", help="Keep pictures without a good caption, as empty.")
    ] = False,
    keep_duplicates: Annotated[
        bool, typer.Option("--keep-duplicates", help="Keep pictures that come several times.")
    ] = False,
    held_out: Annotated[
        bool, typer.Option("--include-held-out", help="Export evaluation pictures too.")
    ] = False,
    extension: Annotated[str, typer.Option(help="Of kohya's text files.")] = ".txt",
    license_: Annotated[
        str, typer.Option("--license", help="Licence id for the data card of parquet.")
    ] = "other",
    source_license: Annotated[
        str | None, typer.Option(help="Licence of the pictures, for the card.")
    ] = None,
    language: Annotated[str, typer.Option(help="Language code for the card.")] = "en",
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Write the captions as they are now for another trainer, with or beside the pictures.

    Example: recap export --format kohya --style long --to out
    """
    from dataclasses import asdict

    from recap_assets.captions.export.card import Terms
    from recap_assets.stages import export as exporting
    from recap_assets.terminal import export_counts, watching

    request = exporting.Request(
        format=form,
        to=to,
        style=style,
        arm=arm,
        epoch=epoch,
        styles=tuple(name.strip() for name in styles.split(",")) if styles else (),
        keep_failed=keep_failed,
        keep_duplicates=keep_duplicates,
        held_out=held_out,
        force=force,
        extension=extension,
        terms=Terms(license_, source_license, language),
    )
    with watching(quiet=as_json):
        counts = exporting.export(open_project(config), request)
    if as_json:
        print_json(asdict(counts))
    else:
        export_counts(counts, shown(to))

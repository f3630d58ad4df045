"""Why a model hub gives no files, as a user reads it."""

from __future__ import annotations


def why_not(error: Exception, revision: str | None) -> str:
    """The reason and the way out, in one line, of an error that the hub's client raised."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return (
            "the hub gives it only to those who accepted its terms; accept them on its page and "
            "log in with `hf auth login`, or name another model"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"it has no revision {revision!r}; name one of its commits, branches or tags"
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            "neither a folder nor on the hub, or private there; correct the name, or log in with "
            "`hf auth login`"
        )
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return (
        f"neither a folder nor to be had from the hub ({line}); "
        "correct the name, or download the model and name its folder"
    )

"""The agent: `accelerate launch` in a process that ends with whoever started it.

`python -m recap_assets.stages.processes.agent COUNT MODULE [ARGUMENT...]` runs COUNT processes of
`python -m MODULE ARGUMENT...`. When one fails, the others are ended.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recap_assets.stages.processes.environment import AGENT, FOLDER, STARTER
from recap_assets.stages.processes.lifeline import end_with
from recap_assets.stages.processes.notes import Notes


def main(count: str, module: str, *arguments: str) -> int:
    """Launch the processes and wait for them; the exit code."""
    end_with(int(os.environ[STARTER]))
    os.environ[AGENT] = str(os.getpid())
    from accelerate.commands.launch import launch_command
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    notes = Notes(Path(os.environ[FOLDER]))
    try:
        launch_command(_settings(notes, count, module, arguments))
    except ChildFailedError as error:
        notes.ended({rank: failure.exitcode for rank, failure in error.failures.items()})
        return 1
    return 0


def _settings(notes: Notes, count: str, module: str, arguments: Sequence[str]) -> Any:
    """What accelerate reads from its command line and from a file of ours."""
    from accelerate.commands.launch import launch_command_parser

    notes.settings.write_text(_FILE.format(count=count), encoding="utf-8", newline="\n")
    options = {
        "config_file": notes.settings,
        "num_processes": count,
        "num_machines": 1,
        "num_cpu_threads_per_process": os.environ["OMP_NUM_THREADS"],
        "mixed_precision": "no",
        "dynamo_backend": "no",
        "rdzv_backend": "c10d",
        "rdzv_conf": "store_type=file",
        "main_process_port": 0,
        "log_dir": notes.errors,
    }
    told = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    found = launch_command_parser().parse_args(
        [*told, "--multi_gpu", "--module", module, *arguments]
    )
    # Meeting in a file takes no port, which another launch could want, and listens to nobody.
    # accelerate has no options for these two of torchrun's.
    found.rdzv_endpoint, found.local_addr = str(notes.agents), "127.0.0.1"
    return found


_FILE = "{{distributed_type: MULTI_GPU, num_processes: {count}, mixed_precision: 'no'}}\n"

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

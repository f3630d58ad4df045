"""What the ranks find in their environment: ours, less what would make another launch of theirs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from recap_assets.experiment.cores import cores

#: Where a launch and its processes talk, for `Notes`.
FOLDER = "RECAP_LAUNCH"
#: Process ids: of whoever started the agent, and of the agent.
STARTER, AGENT = "RECAP_LAUNCH_STARTER", "RECAP_LAUNCH_AGENT"
#: Seconds that ranks have to end by themselves.
GRACE = 10

#: A launch that this process is part of, or settings of the user's own launches.
_FOREIGN = (
    *("ACCELERATE_", "PARALLELISM_CONFIG_", "FSDP_", "MEGATRON_LM_", "FP8_"),
    *("TORCHELASTIC_", "PET_", "MASTER_", "GROUP_", "ROLE_", "OMPI_", "PMI_", "MV2_"),
)
_FOREIGN_NAMES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
_LOOPBACK = {"linux": "lo", "darwin": "lo0"}


def environment(folder: Path, count: int) -> dict[str, str]:
    """The environment of a launch of `count` processes on this machine."""
    import recap_assets

    ours = {name: value for name, value in os.environ.items() if not _foreign(name)}
    places = [str(Path(recap_assets.__file__).parents[1]), ours.get("PYTHONPATH", "")]
    return (
        _local()
        | ours
        | {
            "PYTHONPATH": os.pathsep.join(filter(None, places)),
            "OMP_NUM_THREADS": str(max(1, cores() // count)),
            "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(GRACE),
            FOLDER: str(folder),
            STARTER: str(os.getpid()),
        }
    )


def _foreign(name: str) -> bool:
    return name in _FOREIGN_NAMES or name.startswith(_FOREIGN)


def _local() -> dict[str, str]:
    """Ranks of one machine speak over loopback alone, whatever its name resolves to."""
    device = _LOOPBACK.get(sys.platform)
    return {"GLOO_SOCKET_IFNAME": device, "NCCL_SOCKET_IFNAME": device} if device else {}

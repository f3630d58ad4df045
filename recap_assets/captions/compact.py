"""Many small caption files as one large one, for readers that open a data set often.

The shards' own files stay the truth: only they tell, by their footers, what a run may reuse.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from recap_assets.captions import sql, views
from recap_assets.experiment import atomic

_ROWS = "SELECT * FROM captions ORDER BY style, shard, uid"


def compact(root: Path, current: Mapping[str, str], target: Path) -> int:
    """Write the rows of the view `captions` to one Parquet file; how many there are.

    Rows are sorted by style, shard and uid; what memory does not hold is sorted on disk.
    `current` is as in `views.connect`.

    Raises:
        UserError: if the disk refuses; `target` is then as it was.
    """
    with views.connect(root, current) as connection, atomic.file(target) as temporary:
        connection.execute(f"SET temp_directory = {sql.literal(tempfile.gettempdir())}")
        connection.execute(
            f"COPY ({_ROWS}) TO {sql.literal(str(temporary))} (FORMAT parquet, COMPRESSION zstd)"
        )
        found = connection.execute(
            f"SELECT count(*) FROM read_parquet({sql.literal(sql.escape(str(temporary)))})"
        ).fetchone()
    return int(found[0]) if found else 0

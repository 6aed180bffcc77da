"""The two partitionings of the pipeline: retailers up to RMIS, brands from the request on.

Static, read from the folders when the definitions load: a new YAML file and a reload add a partition, and an
unknown key fails at once. (Dynamic partitions would need a registration step of their own.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import dagster as dg

from rmn_pipeline.defs.project import ProjectError

# Keys travel through URLs, file names, SQL and the CLI; a comma would break UI backfills (dagster#32183).
KEY_PATTERN = re.compile(r"^[a-z][a-z0-9_]*$")


def tenant_partitions(keys: Sequence[str], folder: str) -> dg.StaticPartitionsDefinition:
    """Partitions from folder names.

    Raises:
        ProjectError: a name is not a lower-case slug.
    """
    for key in keys:
        if not KEY_PATTERN.match(key):
            raise ProjectError(
                f"{folder}/{key}: rename the folder; ids are lower-case letters, digits and underscores."
            )
    return dg.StaticPartitionsDefinition(list(keys))

"""`python -m rmn_pipeline`: the whole chain in one process. See `rmn_pipeline.defs.run` for the options."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rmn_pipeline.defs.project import Project
from rmn_pipeline.defs.run import main

if TYPE_CHECKING:
    import dagster as dg


def build_definitions(project: Project, resource_overrides: Mapping[str, Any]) -> "dg.Definitions":
    """Imported late, so that a project without retailers ends in one clear line and not in a traceback."""
    from rmn_pipeline.definitions import build_defs

    return build_defs(project, resource_overrides)


if __name__ == "__main__":
    sys.exit(main(build_definitions))

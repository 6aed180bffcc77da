"""Prints the JSON Schema of mapping.yaml: `python -m rmn_pipeline.rmis.mapping_schema > docs/mapping.schema.json`.

Editors that know YAML schemas complete and check a mapping whose first line is
`# yaml-language-server: $schema=<path to mapping.schema.json>`.
"""

from __future__ import annotations

import json
import sys

from rmn_pipeline.rmis.mapping import mapping_json_schema


def schema_text() -> str:
    """The schema as it stands in docs/mapping.schema.json."""
    return json.dumps(mapping_json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())

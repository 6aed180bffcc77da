"""Names of compositions, as OpenAI clients pass them for `model`: a task, then whose adapters.

`planning`, `creative@alpha`, `planning@alpha+brand_x`, `planning/clean_room@alpha`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

_NAME = re.compile(
    r"(?P<task>[a-z_]+)(/(?P<mode>clean_room))?(@(?P<retailer>[a-z0-9_]*)(\+(?P<brand>[a-z0-9_]+))?)?"
)


@dataclass(frozen=True)
class CompositionName:
    """Which task, for whom, in which mode."""

    task: str
    retailer_id: str | None = None
    brand_id: str | None = None
    mode: str = "full_data"

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """The composition that a name stands for; None where it is no such name."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        return cls(
            match["task"], match["retailer"] or None, match["brand"] or None, match["mode"] or "full_data"
        )

    def __str__(self) -> str:
        mode = "/clean_room" if self.mode == "clean_room" else ""
        tenants = f"{self.retailer_id or ''}" + (f"+{self.brand_id}" if self.brand_id else "")
        return f"{self.task}{mode}" + (f"@{tenants}" if tenants else "")

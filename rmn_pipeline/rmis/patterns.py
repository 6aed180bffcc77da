"""Regular expressions of a mapping: they run in Polars' engine, which has no look-around, so that engine is asked."""

from __future__ import annotations

import re

import polars as pl


def whole_text(pattern: str) -> str:
    """A pattern that must fit a text from end to end."""
    return f"^(?:{pattern})$"


def pattern_mistake(pattern: str) -> str | None:
    """Why a pattern cannot be used; None where it can."""
    try:
        re.compile(pattern)
        pl.Series([""]).str.contains(pattern)
    except (re.error, pl.exceptions.ComputeError, OverflowError, RecursionError) as error:
        return str(error)
    return None

"""What the clean room says when it refuses.

Two audiences, kept apart. The *analyst* only ever meets `CleanRoomError`: a closed set of codes with fixed texts, so
that a refusal tells nothing about the data, the hidden columns or the engine. The *operator* who sets a room up
meets `CleanRoomSetupError`, which says what is wrong, where, and how to mend it.
"""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """Every refusal an analyst can receive."""

    COLUMN_NOT_PERMITTED = "COLUMN_NOT_PERMITTED"
    FILTER_NOT_PERMITTED = "FILTER_NOT_PERMITTED"
    FUNCTION_NOT_PERMITTED = "FUNCTION_NOT_PERMITTED"
    QUERY_SHAPE_NOT_PERMITTED = "QUERY_SHAPE_NOT_PERMITTED"
    INVALID_REQUEST = "INVALID_REQUEST"
    PRIVACY_BUDGET_EXHAUSTED = "PRIVACY_BUDGET_EXHAUSTED"


ERROR_TEXTS: dict[ErrorCode, str] = {
    ErrorCode.COLUMN_NOT_PERMITTED: "The request names a column that this clean room's policy does not permit.",
    ErrorCode.FILTER_NOT_PERMITTED: (
        "The request has a filter that this clean room's policy does not permit. Filters are whole-day date ranges "
        "and lists of declared values."
    ),
    ErrorCode.FUNCTION_NOT_PERMITTED: "The request uses a function that this clean room's policy does not permit.",
    ErrorCode.QUERY_SHAPE_NOT_PERMITTED: (
        "The request has a shape that this clean room does not answer. Ask for dimensions, metrics and filters."
    ),
    ErrorCode.INVALID_REQUEST: "The request is not a valid clean-room request.",
    ErrorCode.PRIVACY_BUDGET_EXHAUSTED: (
        "The privacy budget left for this data set does not cover the request. Requests answered before stay available."
    ),
}


class CleanRoomError(Exception):
    """A refused request. `code` says why; the text is fixed per code."""

    def __init__(self, code: ErrorCode) -> None:
        super().__init__(f"{code.value}: {ERROR_TEXTS[code]}")
        self.code = code


class CleanRoomSetupError(Exception):
    """A room that cannot be opened: for its operator, never shown to an analyst."""


class CleanRoomPolicyError(CleanRoomSetupError):
    """A policy file that is missing, unreadable or contradicts itself."""


class LedgerError(CleanRoomSetupError):
    """The privacy ledger cannot be used; nothing was answered."""

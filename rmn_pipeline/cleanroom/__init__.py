"""The clean room: the only reader of a retailer's customer-level log, and the only door to its answers.

Policy, query intake, contribution bounding, noise and threshold, privacy ledger and audit log live here. What an
analyst gets is a noisy, thresholded answer to a permitted request, or one of a closed set of refusals.
"""

from rmn_pipeline.cleanroom.audit import AuditVerdict
from rmn_pipeline.cleanroom.errors import (
    CleanRoomError,
    CleanRoomPolicyError,
    CleanRoomSetupError,
    ErrorCode,
    LedgerError,
)
from rmn_pipeline.cleanroom.ledger import Account, Ledger
from rmn_pipeline.cleanroom.policy import (
    CleanRoomPolicy,
    ContributionBounds,
    CopyLimits,
    DateRange,
    load_policy,
)
from rmn_pipeline.cleanroom.room import CleanRoom, CleanRoomResult
from rmn_pipeline.cleanroom.view import CleanRoomView, release_view

__all__ = [
    "Account",
    "AuditVerdict",
    "CleanRoom",
    "CleanRoomError",
    "CleanRoomPolicy",
    "CleanRoomPolicyError",
    "CleanRoomResult",
    "CleanRoomSetupError",
    "CleanRoomView",
    "ContributionBounds",
    "CopyLimits",
    "DateRange",
    "ErrorCode",
    "Ledger",
    "LedgerError",
    "load_policy",
    "release_view",
]

"""Rules for ad copy: each network's, a retailer's on top, checked before anything is sent for moderation."""

from rmn_pipeline.governance.ad_copy.check import apply_suggestions, check_copy, mend_copy
from rmn_pipeline.governance.ad_copy.copy import AdCopy, Proof
from rmn_pipeline.governance.ad_copy.policy import CopyPolicy, copy_policy, copy_policy_for, network_names
from rmn_pipeline.governance.ad_copy.violations import ClaimClass, TextField, Violation, ViolationCode

__all__ = [
    "AdCopy",
    "ClaimClass",
    "CopyPolicy",
    "Proof",
    "TextField",
    "Violation",
    "ViolationCode",
    "apply_suggestions",
    "check_copy",
    "copy_policy",
    "copy_policy_for",
    "mend_copy",
    "network_names",
]

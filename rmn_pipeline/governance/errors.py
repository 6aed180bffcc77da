"""What governance says when it cannot work, and when it refuses."""

from __future__ import annotations

GOVERNANCE_EXTRA = "pip install 'rmn_pipeline[governance]'"


class GovernanceError(Exception):
    """Base of the room's errors: the text says what is wrong, where, and how to mend it."""


class GovernanceDependencyError(GovernanceError):
    """A library that the room needs is not installed."""

    def __init__(self, library: str) -> None:
        super().__init__(f"{library} is not installed, so texts cannot be checked; run: {GOVERNANCE_EXTRA}")
        self.library = library


class RedactionError(GovernanceError):
    """A redaction that was asked for cannot be done safely."""


class ScanError(GovernanceError):
    """Something other than text was given to be scanned."""


class CopyPolicyError(GovernanceError):
    """A network's rule file, or a retailer's copy section, that is missing, unreadable or contradicts itself."""


class CopyNotMendableError(GovernanceError):
    """Ad copy whose violations no computed suggestion can mend: a person has to write it anew."""


class ExportRefused(GovernanceError):  # noqa: N818 - what it says is that the export was refused
    """A table or file that may not leave the pipeline: what was found, where, and how to mend it."""

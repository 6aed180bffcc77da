"""The federation's own exceptions."""

from collections.abc import Sequence


class FederationError(Exception):
    """A request cannot be answered; the text says what is wrong and how to mend it."""


class BriefError(FederationError):
    """A brief that no tool call may be made from: the spans are what a person has to clear up."""

    def __init__(self, message: str, spans: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.spans = tuple(spans)

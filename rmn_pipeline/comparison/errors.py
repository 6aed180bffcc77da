"""The one exception class of this room."""


class ComparisonError(ValueError):
    """A comparison cannot be made or written; the message says what is wrong, where, and how to mend it."""

"""The evaluation room's own exception."""


class EvaluationError(Exception):
    """An adapter cannot be evaluated or tracked; the text says what, where and how to mend it."""

"""The measurement room's own exceptions: one clear sentence that says what is wrong, where, and how to mend it."""


class MeasurementError(Exception):
    """An experiment cannot be designed or read out from this input."""


class PanelError(MeasurementError):
    """A panel cannot be read: a column, a date, a duplicate or a number is not what it must be."""

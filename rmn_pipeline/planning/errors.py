"""The planning room's own exceptions: one clear sentence that says what is wrong, where, and how to mend it."""


class PlanError(Exception):
    """A plan cannot be made from this input."""


class ScenarioError(PlanError):
    """A scenario contradicts itself or holds impossible numbers; raised before anything is solved."""

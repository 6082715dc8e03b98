"""`NotCapturedError`."""


class NotCapturedError(ValueError):
    """A quantity was asked for that the trace did not record, and that is not made of what it did."""

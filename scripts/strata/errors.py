"""The error that a person reads: what was wrong, and what to do."""


class StrataError(Exception):
    """A failure that the user can do something about.

    `message` says what was wrong and where, `hint` what to do next.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

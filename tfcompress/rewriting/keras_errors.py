"""What an error of Keras says, in one line."""

from __future__ import annotations

_OF_CALL = "Exception encountered when calling"
_OF_CONFIG = "Error when deserializing"


def first_line(error: BaseException) -> str:
    """Returns the line of an error that tells most, or its kind if it says nothing.

    Keras has what happened below a line that names the layer, and below lines of the
    user's code that led there.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    head = lines[0].rstrip(".:")
    if not head.startswith((_OF_CALL, _OF_CONFIG)) or len(lines) == 1:
        return head
    calls = [i for i, line in enumerate(lines) if line.startswith("Call arguments")]
    below = lines[1 : calls[0]] if calls else lines[1:]
    told = below[-1] if below[0] == "in user code:" else below[0]
    told = told.removeprefix("Exception encountered: ").rstrip(".:")
    return told if head.startswith(_OF_CONFIG) else f"{head}: {told}"

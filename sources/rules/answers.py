"""The rules for what an uplink yields."""

from __future__ import annotations

import re

from sources.base import Answer
from sources.rules.mistake import Mistake, shown
from sources.rules.values import text_error

UPLOAD_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def answer_mistake(answer: object) -> Mistake | None:
    """The first mistake in something that `answers()` yielded; `None` if there is none."""
    if not isinstance(answer, Answer):
        return _mistake(f"answers() yielded {shown(answer)}: must be Answer")
    upload_id: object = answer.id
    if not isinstance(upload_id, str) or not UPLOAD_ID.fullmatch(upload_id):
        return _mistake(f"id={shown(upload_id)} of {shown(answer)}: must be that of the Outgoing")
    attempt: object = answer.attempt
    if type(attempt) is not int or attempt < 1:
        return _mistake(f"attempt={shown(attempt)} of {shown(answer)}: must be at least 1")
    accepted: object = answer.accepted
    if type(accepted) is not bool:
        return _mistake(f"accepted={shown(accepted)} of {shown(answer)}: must be True or False")
    if error := text_error(answer.detail, empty=True):
        return _mistake(f"detail={shown(answer.detail)} of {shown(answer)}: {error}")
    return None


def _mistake(text: str) -> Mistake:
    return Mistake("uplink.answers", text)

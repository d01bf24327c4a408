"""The answer of a machine to a sequence, as JSON: `{"accepted": true, "detail": "sol 42"}`."""

from __future__ import annotations

import json
from typing import Any

from sources.base import Answer
from sources.rules import answer_mistake
from sources.rules.describe import one_line


def read_answer(text: str | bytes, upload_id: str, attempt: int) -> Answer:
    """The answer in a text.

    Args:
        text: from the machine; its `detail` may be anything.
        upload_id: of the sequence.
        attempt: which attempt it answers.

    Raises:
        ValueError: it is not an answer.
    """
    try:
        fields: Any = json.loads(text)
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc
    if not isinstance(fields, dict) or type(fields.get("accepted")) is not bool:
        raise ValueError('must be JSON such as {"accepted": true}')
    detail = one_line(str(fields.get("detail") or ""))
    answer = Answer(upload_id, attempt, fields["accepted"], detail)
    if (mistake := answer_mistake(answer)) is not None:
        raise ValueError(mistake.text)
    return answer

"""The rules of the contracts that are cheap to check.

The server checks them for each source, and `rover.testing` checks them with the others.
"""

from sources.rules.answers import answer_mistake
from sources.rules.dictionary import dictionary_mistake
from sources.rules.images import chunk_mistake, image_mistake
from sources.rules.mistake import Mistake
from sources.rules.reports import report_mistake, steps_mistake
from sources.rules.samples import sample_mistake

__all__ = [
    "Mistake",
    "answer_mistake",
    "chunk_mistake",
    "dictionary_mistake",
    "image_mistake",
    "report_mistake",
    "sample_mistake",
    "steps_mistake",
]

"""Sentences of the language reference that every Python carries, ``pydoc_data.topics``."""

import hashlib
import random
import re
from dataclasses import dataclass
from pydoc_data.topics import topics

from ..byte_lm.config import UserError

CALIBRATION = 128  # sentences by which static forms find their scales, none of them compared
WORDS = range(5, 61)  # a sentence has so many: neither a label nor a list

PARAGRAPHS = re.compile(r"\n\s*\n")
HEADING = re.compile(r"^[*=\-~\"^]{3,}$", re.MULTILINE)  # the line below its words
HYPHEN = re.compile(r"(?<=\w)- (?=\w)")
OPENING, CLOSING = '[A-Z"\u201c(]', '["\u201d\u2019)]'  # quotation marks, straight and curly
END = re.compile(rf"(?<=[.!?]){CLOSING}*\s+(?={OPENING})")
SENTENCE = re.compile(rf"{OPENING}.*[.!?]{CLOSING}*", re.DOTALL)
ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|etc|vs|cf)\.$")


@dataclass(frozen=True)
class Sentences:
    """What is compared, and what static forms are calibrated on."""

    compared: list[str]
    calibration: list[str]
    available: int
    sha256: str  # of the compared ones, a line each


def split(text: str) -> list[str]:
    """The sentences of the prose in a text, in its order.

    Prose is a paragraph of which no line is indented, neither a heading nor a rule of the grammar.
    Its lines are joined; a hyphen at the end of one stays, without a space. A sentence ends at a
    full stop, ``!`` or ``?`` before a space and a capital letter, quotation mark or parenthesis,
    but not at ``e.g.`` and its like. What does not begin and end as a sentence does, or has fewer
    or more words than `WORDS`, is left out.
    """
    found = []
    for paragraph in PARAGRAPHS.split(text):
        lines = paragraph.strip("\n").split("\n")
        if any(line[:1].isspace() for line in lines) or HEADING.search(paragraph):
            continue
        if "::=" in paragraph:
            continue
        joined = HYPHEN.sub("-", " ".join(lines))
        found += [each for each in pieces(joined) if is_sentence(each)]
    return found


def pieces(paragraph: str) -> list[str]:
    """A paragraph cut where sentences end."""
    found, start = [], 0
    for end in END.finditer(paragraph):
        if not ABBREVIATION.search(paragraph, start, end.start()):
            found.append(paragraph[start : end.end()].strip())
            start = end.end()
    return [*found, paragraph[start:].strip()]


def is_sentence(text: str) -> bool:
    """Whether it begins and ends as one, and is neither too short nor too long."""
    return SENTENCE.fullmatch(text) is not None and len(text.split()) in WORDS


def choose(count: int, seed: int) -> Sentences:
    """So many sentences of all topics, each once, in an order that the seed decides.

    Raises:
        UserError: there are not so many beside those for calibration.
    """
    unique = list(dict.fromkeys(each for name in sorted(topics) for each in split(topics[name])))
    most = len(unique) - CALIBRATION
    if count > most:
        raise UserError(f"--sentences must be at most {most}, the rest calibrates; got {count}")
    random.Random(seed).shuffle(unique)
    compared = unique[:count]
    digest = hashlib.sha256("\n".join(compared).encode()).hexdigest()
    return Sentences(compared, unique[count : count + CALIBRATION], len(unique), digest)

"""Customer messages, names and the templates that they are drawn from; nothing of it needs torch."""

from messages import MessageSource
from names import Names, Population, population_of
from phrases import expand, fill, load_books
from tools import answer_text

__all__ = [
    "MessageSource",
    "Names",
    "Population",
    "answer_text",
    "expand",
    "fill",
    "load_books",
    "population_of",
]

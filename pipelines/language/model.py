"""The model that languages are identified with: py3langid's, naive Bayes over byte n-grams.

After Lui and Baldwin, "langid.py", ACL 2012. It is shipped with its package and reads nothing from a network.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier


def load_identifier() -> "LanguageIdentifier":
    """Read the model. It takes most of a second, which only those pay who ask for languages."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def likelihoods(text: str) -> dict[str, float]:
    """Return how likely every language is, adding up to 1."""
    return dict(_identifier().rank(text))


@lru_cache(maxsize=1)
def _identifier() -> "LanguageIdentifier":
    return load_identifier()

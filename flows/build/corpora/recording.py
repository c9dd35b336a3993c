"""A corpus in MLflow: as a dataset of its own digest, with its card."""

from quantgate.calibration.shelf.card import CARD, CARD_PAGE
from quantgate.calibration.shelf.sealing import read_card
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.registry import Tracking
from quantgate.registry.corpora.datasets import record_corpus
from quantgate.registry.opening import open_mlflow
from quantgate.registry.protocol import OpenRegistry


def record_in_registry(
    corpus: Corpus, settings: Settings, *, open_registry: OpenRegistry = open_mlflow
) -> None:
    """Record a corpus with what its card says and the card itself, unless the registry holds it.

    Raises:
        InputError: where the corpus was altered since it was sealed.
        ServiceError: where MLflow does not answer or refuses.
    """
    card = read_card(corpus)
    said: dict[str, str | int | float] = {}
    if card is not None:
        said = {"characters": card.characters.total, "licence": card.licence or "unsaid"}
        said |= {f"language.{value}": count for value, count in card.languages.items()}
        said |= {f"source.{source.name}": source.sequences for source in card.sources}
    files = tuple(path for name in (CARD, CARD_PAGE) if (path := corpus.folder / name).is_file())
    tracking = Tracking.resolve(settings.store, uri=settings.tracking_uri)
    record_corpus(corpus, tracking, card=said, files=files, open_registry=open_registry)

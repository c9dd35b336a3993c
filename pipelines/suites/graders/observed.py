"""Options of graders that need something run or asked first, and of those that score likeness."""

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from quantgate.pipelines.suites.graders.base import GraderFile


class CodeFile(GraderFile):
    """A program that has to pass tests, in a sandbox."""

    kind: Literal["code"]
    language: Literal["python"] = "python"
    """What the program is written in."""
    seconds: float = Field(default=10.0, gt=0, le=600)
    """Wall time for the program and its tests together."""
    memory_mib: int = Field(default=1024, ge=64)
    """Memory each of its processes may take, in MiB."""
    packages: bool = False
    """Whether it may import what quantgate's own environment has, else the standard library only."""
    allow_unsandboxed: bool = False
    """Whether it may run without a sandbox where none works: with limits and nothing else."""


class MathFile(GraderFile):
    """A formula or number that has to mean the same as the expected one."""

    kind: Literal["math"]
    seconds: float = Field(default=10.0, gt=0, le=600)
    """Time for one answer; one that takes longer is wrong."""
    decimals: int = Field(default=6, ge=1, le=15)
    """Decimal places, and significant digits of small numbers, to which numbers have to agree."""
    strict: bool = True
    """Whether names of variables count."""


class ChrfFile(GraderFile):
    """Likeness of character n-grams to a reference text (chrF), for translations."""

    kind: Literal["chrf"]
    threshold: float = Field(default=0.5, ge=0, le=1)
    """Score from which an answer counts as right."""
    characters: int = Field(default=6, ge=1, le=12)
    """Longest character n-gram."""
    words: int = Field(default=0, ge=0, le=4)
    """Longest word n-gram: 0 is chrF, 2 is chrF++."""
    beta: int = Field(default=2, ge=1, le=10)
    """How many times as much recall counts as precision."""


class RougeFile(GraderFile):
    """Overlap of words with a reference text (ROUGE), for summaries."""

    kind: Literal["rouge"]
    measure: Literal["rouge1", "rouge2", "rougeL", "rougeLsum"] = "rougeL"
    """Words, pairs of words, or the longest common subsequence (by line for rougeLsum)."""
    statistic: Literal["fmeasure", "precision", "recall"] = "fmeasure"
    """What is taken of it."""
    stem: bool = False
    """Whether English words are cut to their stems first."""
    threshold: float = Field(default=0.5, ge=0, le=1)
    """Score from which an answer counts as right."""


class SimilarityFile(GraderFile):
    """Cosine of an answer's and a reference text's embeddings by a local model."""

    kind: Literal["similarity"]
    model: str = Field(min_length=1)
    """Folder of a transformers checkpoint, an encoder or a decoder."""
    threshold: float = Field(default=0.8, ge=-1, le=1)
    """Cosine from which an answer counts as right; take it from pairs that people judged."""
    max_tokens: int = Field(default=512, gt=0)
    """Tokens of a text that are looked at."""


class JudgeFile(GraderFile):
    """A judge model over an OpenAI-compatible endpoint, held against labels that people gave."""

    kind: Literal["judge"]
    model: str = Field(min_length=1)
    """The model's name at the endpoint."""
    url: str = ""
    """The endpoint's base, e.g. `http://127.0.0.1:8000/v1`."""
    url_env: str = ""
    """The environment variable that holds the base instead."""
    api_key_env: str = ""
    """The environment variable that holds the key; the key itself is never written down."""
    template: str = ""
    """What the judge is asked, with {question}, {answer} and {expected}; "" is a template of ours."""
    right: str = Field(default="CORRECT", min_length=1)
    """The word by which it calls an answer right."""
    wrong: str = Field(default="INCORRECT", min_length=1)
    """The word by which it calls an answer wrong."""
    anchor: str = ""
    """JSONL file of people's labels on answers, in the suite's folder; without it nothing is proven."""
    concurrency: int = Field(default=4, ge=1, le=64)
    """Requests at once."""
    retries: int = Field(default=4, ge=0, le=10)
    """Repetitions of a request that was answered with 429 or 5xx."""
    seconds: float = Field(default=120.0, gt=0)
    """Time for one request."""
    max_tokens: int = Field(default=512, gt=0)
    """Tokens the judge may write."""
    max_characters: int = Field(default=20_000, ge=100)
    """Characters of an answer that are shown to the judge; a longer one is not judged and is wrong."""

    @model_validator(mode="after")
    def _tells_no_secret(self) -> Self:
        parts = urlsplit(self.url)
        if "@" in parts.netloc or parts.query:
            raise ValueError(
                "url holds a user, a password or a query, and is kept in plans: name the variable that holds "
                "it: url_env or api_key_env"
            )
        return self


ObservedGraderFile = CodeFile | MathFile | ChrfFile | RougeFile | SimilarityFile | JudgeFile

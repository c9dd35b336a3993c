"""What transformers' own source says of architectures and configurations, read without importing it.

Sources: `models/auto/modeling_auto.py` (names of classes by model type), `models/auto/auto_mappings.py`
(classes of configurations and their folders), `models/*/configuration_*.py` (fields with their defaults,
and `attribute_map`: what a class calls the sizes that others call `hidden_size`). Written for transformers
5.17.
"""

import ast
import importlib.metadata
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from quantgate.pipelines.domain.architectures import TRANSFORMERS, ToolArchitectures
from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.formats.configuration.literals import Literal, literal_table, scalar

_CAUSAL_TABLE = "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"
_IMAGE_TEXT_TABLE = "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES"
_CAUSAL_CLASS, _IMAGE_TEXT_CLASS = "AutoModelForCausalLM", "AutoModelForImageTextToText"
_AUTO = Path("models/auto")
_MODELS = _AUTO / "modeling_auto.py"
_MAPPINGS = _AUTO / "auto_mappings.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigClass:
    """A configuration's fields that have a scalar as default, and its own words for common sizes."""

    defaults: Mapping[str, Literal]
    own_names: Mapping[str, str]


@cache
def transformers_architectures() -> ToolArchitectures | None:
    """Return the language models that transformers has, alone or as part of one that sees; None without it.

    Raises:
        ToolchainError: where its source is not as it was when this was written.
    """
    root = _root()
    if root is None:
        return None
    names: set[str] = set()
    for table in (_CAUSAL_TABLE, _IMAGE_TEXT_TABLE):
        names |= set(_table(root / _MODELS, table).values())
    version = importlib.metadata.version("transformers")
    return ToolArchitectures(
        tool=TRANSFORMERS, label=f"transformers {version}", names=frozenset(names)
    )


def auto_class(config: JsonObject) -> str:
    """Return the class of transformers that loads a checkpoint of such a configuration with all of its parts.

    Types of models that see may have a causal class for their language model alone, which would leave the
    rest out; the architecture says which of both is stored.

    Raises:
        ToolchainError: as above.
    """
    root, model_type, named = _root(), config.get("model_type"), config.get("architectures")
    stored = named[0] if isinstance(named, list) and named else None
    if root is None or not isinstance(model_type, str):
        return _CAUSAL_CLASS
    file = root / _MODELS
    causal, seeing = (
        _table(file, name).get(model_type) for name in (_CAUSAL_TABLE, _IMAGE_TEXT_TABLE)
    )
    whole = seeing is not None and (causal is None or stored == seeing != causal)
    return _IMAGE_TEXT_CLASS if whole else _CAUSAL_CLASS


def causal_architecture(model_type: str) -> str | None:
    """Return the class of the causal language model of a type (`gemma3_text`); None where there is none.

    Raises:
        ToolchainError: as above.
    """
    root = _root()
    return _table(root / _MODELS, _CAUSAL_TABLE).get(model_type) if root else None


@cache
def config_class(model_type: str) -> ConfigClass | None:
    """Return what a model type's configuration class says; None where transformers has none.

    Raises:
        ToolchainError: as above.
    """
    root = _root()
    name = _table(root / _MAPPINGS, "CONFIG_MAPPING_NAMES").get(model_type) if root else None
    if root is None or name is None:
        return None
    for file in sorted(_folder(root, model_type).glob("configuration_*.py")):
        classes = {
            node.name: node
            for node in ast.parse(file.read_bytes()).body
            if isinstance(node, ast.ClassDef)
        }
        if name in classes:
            return _read(name, classes)
    return None


@cache
def modeling_files(model_type: str) -> tuple[Path, ...]:
    """Return the files that hold the classes of a model type; () where transformers has none.

    Raises:
        ToolchainError: as above.
    """
    root = _root()
    if root is None or model_type not in _table(root / _MAPPINGS, "CONFIG_MAPPING_NAMES"):
        return ()
    return tuple(sorted(_folder(root, model_type).glob("modeling_*.py")))


def _folder(root: Path, model_type: str) -> Path:
    special = _table(root / _MAPPINGS, "SPECIAL_MODEL_TYPE_TO_MODULE_NAME")
    return root / "models" / special.get(model_type, model_type.replace("-", "_"))


def _root() -> Path | None:
    spec = importlib.util.find_spec("transformers")
    return Path(spec.origin).parent if spec and spec.origin else None


@cache
def _table(file: Path, name: str) -> Mapping[str, str]:
    try:
        return literal_table(file, name)
    except (OSError, SyntaxError, LookupError) as error:
        raise ToolchainError(
            f"this transformers does not list its models where it used to ({error})",
            where=str(file),
            next_step="install the pinned one: `make setup`",
        ) from error


def _read(name: str, classes: Mapping[str, ast.ClassDef]) -> ConfigClass:
    defaults: dict[str, Literal] = {}
    own_names: dict[str, str] = {}
    for node in _ancestry(name, classes):
        for statement in node.body:
            match statement:
                case ast.AnnAssign(target=ast.Name(id=field), value=ast.expr() as value):
                    try:
                        defaults[field] = scalar(value)
                    except ValueError:
                        defaults.pop(field, None)
                case ast.Assign(targets=[ast.Name(id="attribute_map")], value=value):
                    own_names |= ast.literal_eval(value)
    return ConfigClass(defaults=defaults, own_names=own_names)


def _ancestry(name: str, classes: Mapping[str, ast.ClassDef]) -> Iterator[ast.ClassDef]:
    """Yield a class after those of the same file that it inherits from."""
    for base in classes[name].bases:
        if isinstance(base, ast.Name) and base.id in classes:
            yield from _ancestry(base.id, classes)
    yield classes[name]

"""The folder that MLflow loads: code, manifest, signature, example and what has to be installed.

The code is a copy of `workers/` under a name of its own content: in one process, versions that different
releases of this program registered are each loaded with their own.
"""

import json
import shutil
import warnings
from pathlib import Path

from quantgate.pipelines.domain.values import folder_digest
from quantgate.pipelines.files.hashing import file_digest

with warnings.catch_warnings():
    # MLflow warns about its own use of pydantic and of unannotated types while it is imported.
    warnings.simplefilter("ignore")
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types.schema import (
        AnyType,
        Array,
        ColSpec,
        DataType,
        Object,
        ParamSchema,
        ParamSpec,
        Property,
        Schema,
    )

MODEL_MANIFEST = "data/manifest.json"
"""Where in the folder the manifest lies."""
_CODE = Path(__file__).with_name("workers")
_EXAMPLE = [{"messages": [{"role": "user", "content": "What can you do for me?"}]}]
_OPTIONS = {"context_tokens": 0, "server": "", "server_model": ""}
"""What a caller may set when loading (`workers/model.py`): MLflow passes on what stands here, and no more."""
_TEXT = DataType.string
_MESSAGE = Object(
    [
        Property("role", _TEXT),
        Property("content", _TEXT, required=False),
        Property("name", _TEXT, required=False),
        Property("tool_call_id", _TEXT, required=False),
        Property("tool_calls", AnyType(), required=False),
    ]
)
_SIGNATURE = ModelSignature(
    inputs=Schema(
        [
            ColSpec(Array(_MESSAGE), name="messages"),
            ColSpec(AnyType(), name="tools", required=False),
        ]
    ),
    outputs=Schema([ColSpec(_TEXT)]),
    params=ParamSchema([ParamSpec("suite", _TEXT, "")]),
)


def save_packaged(manifest: Path, work: Path) -> Path:
    """Write the folder below `work`, which is empty but for what is the caller's, and return it."""
    digest = folder_digest((path.name, file_digest(path)) for path in _CODE.glob("*.py"))
    package = f"quantgate_answers_{digest[:12]}"
    shutil.copytree(_CODE, work / package, ignore=shutil.ignore_patterns("__pycache__"))
    facts = json.loads(manifest.read_text(encoding="utf-8"))["facts"]
    folder = work / "saved"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's advice on type hints
        mlflow.pyfunc.save_model(
            str(folder),
            loader_module=f"{package}.model",
            data_path=str(manifest),
            code_paths=[str(work / package)],
            signature=_SIGNATURE,
            input_example=_EXAMPLE,
            pip_requirements=requirements_of(facts["runtime_engine"], facts["runtime_version"]),
            model_config=_OPTIONS,
        )
    return folder


def requirements_of(engine: str, version: str) -> list[str]:
    """Return what answers a version: MLflow, and the engine as it was judged; nothing more for a server.

    Versions read `llama-cpp-python 0.3.36` and `5.17.0 (torch 2.13.0+cpu, compressed-tensors 0.19.0)`.
    """
    pinned = [f"mlflow=={mlflow.__version__}"]
    if engine == "llama.cpp":
        return [*pinned, f"llama-cpp-python=={version.split()[-1]}"]
    if engine == "transformers":
        first, _, others = version.partition(" (")
        named = [each.split(" ") for each in others.rstrip(")").split(", ") if " " in each]
        beside = [f"{name}=={number.partition('+')[0]}" for name, number in named]
        return [*pinned, f"transformers=={first}", *beside]
    return pinned

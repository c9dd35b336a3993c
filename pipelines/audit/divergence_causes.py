"""Which setting of a checkpoint a runtime leaves out: each suspect is left out of the checkpoint itself, and
the one without which both are alike is the cause.

Suspects are what is known to be dropped, then what changes the arithmetic by its name, then whatever differs
from the defaults of its own class. Sizes are none: without them the weights do not fit. Source of the names:
configuration classes of transformers 5.17, 46 causal language models.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from quantgate.pipelines.audit.dropped_settings import Suspect, dropped, without_windows
from quantgate.pipelines.audit.reach import windows_are_used
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.domain.verdicts.base_divergence import BaseDivergence, DivergenceCause

MOST_SUSPECTS = 10
"""More are not tried: each computes the checkpoint once more."""

_HELPS = 0.9
"""What leaves less than this share of the divergence may be a part of the cause."""
_CAPS = re.compile(r"softcapping$|^clip_")
_FACTORS = re.compile(r"(multiplier|_scale|scaling|_scaling_factor|alpha_factor|beta_factor)$")
_ATTENTION_FACTOR = "attention_multiplier"
_EITHER_WAY = ("norm_topk_prob", "use_parallel_residual", "parallel_attn", "rope_interleave")
_LAYERS = ("layer_types", "no_rope_layers")
_ROTATION_FACTORS = ("attention_factor", "mscale", "mscale_all_dim", "partial_rotary_factor")
_NO_ARITHMETIC = re.compile(
    r"^_|token_id|^(architectures|auto_map|model_type|transformers_version|torch_dtype|dtype|id2label|label2id"
    r"|problem_type|return_dict|use_cache|is_\w+|output_\w+|pretraining_tp|chunk_size_feed_forward"
    r"|initializer_range|init_\w+|quantization_config|rope_\w+|partial_rotary_factor|max_\w+"
    r"|num_logits_to_keep|reorder_and_upcast_attn|summary_\w+|gradient_checkpointing)$"
    r"|dropout|pdrop|layerdrop|_loss_|jitter|sliding_window|attention_chunk_size"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The checkpoint without a setting, held against the runtime; None where it could not be computed."""

    suspect: Suspect
    left: BaseDivergence | None


def suspects(
    config: JsonObject, defaults: JsonObject, architecture: str, *, in_llamacpp: bool = True
) -> tuple[Suspect, ...]:
    """Return what to leave out in turn, likeliest first, at most `MOST_SUSPECTS`.

    `config` has all its defaults filled in; `defaults` are what its class makes of the same sizes, without
    those sizes.
    """
    sources = (
        dropped(config, architecture) if in_llamacpp else (),
        _windows(config),
        _rotation(config),
        _factors(config),
        _differing(config, defaults, first=True),
        _switches(config),
        _differing(config, defaults, first=False),
    )
    return tuple(_once(suspect for source in sources for suspect in source))[:MOST_SUSPECTS]


def together(trials: Sequence[Trial], before: BaseDivergence) -> Suspect | None:
    """Return all that lessened the divergence by itself as one suspect, None where fewer than two did."""
    helped = [
        trial.suspect
        for trial in trials
        if trial.left is not None and trial.left.mean_kl < _HELPS * before.mean_kl
    ]
    if len(helped) < 2:
        return None
    changes: JsonObject = {}
    for suspect in reversed(helped):  # where two change one setting, the likelier has the last word
        changes |= suspect.changes
    return Suspect(setting=" and ".join(suspect.setting for suspect in helped), changes=changes)


def cause_of(trials: Sequence[Trial]) -> DivergenceCause:
    """Return what was found: the last trial's setting, where what is left without it is rounding."""
    last = trials[-1] if trials else None
    proven = last is not None and last.left is not None and last.left.is_rounding
    return DivergenceCause(
        setting=last.suspect.setting if last is not None and proven else None,
        left_kl=last.left.mean_kl
        if last is not None and last.left is not None and proven
        else None,
        looked_at=tuple(trial.suspect.setting for trial in trials if trial.left is not None),
        untried=tuple(trial.suspect.setting for trial in trials if trial.left is None),
    )


def _windows(config: JsonObject) -> Iterator[Suspect]:
    for name in ("sliding_window", "attention_chunk_size"):
        value = config.get(name)
        if isinstance(value, int) and value > 0 and windows_are_used(config):
            yield Suspect(setting=f"{name} {value}", changes=without_windows(config))


def _rotation(config: JsonObject) -> Iterator[Suspect]:
    """Kinds of scaled rotation, then their factors: all of a configuration's rotations at once."""
    rotation = config.get("rope_parameters")
    if not isinstance(rotation, dict):
        return
    kinds = {name: kind for name, kind in rotation.items() if isinstance(kind, dict)}
    each = list(kinds.values()) or [rotation]

    def changed(drop: Iterable[str], put: JsonObject) -> JsonObject:
        def changed_kind(kind: JsonObject) -> JsonObject:
            return {name: value for name, value in kind.items() if name not in drop} | put

        nested: JsonObject = {name: changed_kind(kind) for name, kind in kinds.items()}
        return {"rope_parameters": nested or changed_kind(rotation)}

    for name in dict.fromkeys(str(kind.get("rope_type", "default")) for kind in each):
        if name != "default":
            kept = {"rope_theta", "partial_rotary_factor"}
            scaling = {key for kind in each for key in kind} - kept
            plain = changed(scaling, {"rope_type": "default"})
            yield Suspect(setting=f"rope_type {name}", changes=plain)
    for name in _ROTATION_FACTORS:
        values = [kind[name] for kind in each if isinstance(kind.get(name), int | float)]
        if any(value != 1 for value in values):
            left_out = changed((name,), {name: 1.0} if name.startswith("partial") else {})
            more: JsonObject = {name: 1.0} if name in config else {}
            yield Suspect(setting=f"{name} {values[0]:g}", changes=left_out | more)
    if any(kind.get("rope_theta", 10000.0) != 10000.0 for kind in each):
        setting = f"rope_theta {each[0].get('rope_theta')}"
        yield Suspect(setting=setting, changes=changed((), {"rope_theta": 10000.0}))


def _factors(config: JsonObject) -> Iterator[Suspect]:
    for name, value in config.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or value == 0:
            continue
        if _CAPS.search(name):
            yield Suspect(setting=f"{name} {value:g}", changes={name: None})
        elif name == _ATTENTION_FACTOR:
            size = _head_size(config)
            if size is not None and value != size**-0.5:
                yield Suspect(setting=f"{name} {value:g}", changes={name: size**-0.5})
        elif name == "query_pre_attn_scalar":
            size = _head_size(config)
            if size is not None and value != size:
                yield Suspect(setting=f"{name} {value:g}", changes={name: size})
        elif _FACTORS.search(name) and value != 1:
            yield Suspect(setting=f"{name} {value:g}", changes={name: 1.0})


def _switches(config: JsonObject) -> Iterator[Suspect]:
    for name, value in config.items():
        turnable = value is True or (value is False and name in _EITHER_WAY)
        if turnable and name != "tie_word_embeddings" and not _NO_ARITHMETIC.search(name):
            yield Suspect(setting=f"{name} {str(value).lower()}", changes={name: not value})
    if config.get("tie_word_embeddings") is False:
        yield Suspect(setting="tie_word_embeddings false", changes={"tie_word_embeddings": True})


def _differing(config: JsonObject, defaults: JsonObject, *, first: bool) -> Iterator[Suspect]:
    """Settings that are not their class's default; `first` are those that name layers or activations."""
    for name, value in config.items():
        likely = name in _LAYERS or "act" in name.split("_") or "activation" in name.split("_")
        if name not in defaults or value == defaults[name] or likely != first:
            continue
        if not _NO_ARITHMETIC.search(name):
            written = json.dumps(value)
            setting = f"{name} {value}" if isinstance(value, str) else f"{name} {written}"
            shown = (
                setting if len(setting) <= _LONGEST_SETTING else f"{name} other than its default"
            )
            yield Suspect(setting=shown, changes={name: defaults[name]})


def _head_size(config: JsonObject) -> int | None:
    size, width, heads = (
        config.get(name) for name in ("head_dim", "hidden_size", "num_attention_heads")
    )
    if isinstance(size, int):
        return size
    return width // heads if isinstance(width, int) and isinstance(heads, int) and heads else None


def _once(candidates: Iterable[Suspect]) -> Iterator[Suspect]:
    """Yield each change of the configuration once, under the name that came first."""
    seen: list[dict[str, JsonValue]] = []
    for suspect in candidates:
        if suspect.changes not in seen:
            seen.append(suspect.changes)
            yield suspect


_LONGEST_SETTING = 60

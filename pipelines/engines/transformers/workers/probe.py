"""Child process: loads a checkpoint folder, compares its tokenizer with the base's, decodes once."""

import json
from collections.abc import Sequence

import torch

from quantgate.pipelines.engines.request_files import PROBED_TOKENS, ProbeText, probe_texts
from quantgate.pipelines.engines.requests import ProbeReport, ProbeRequest
from quantgate.pipelines.engines.transformers.workers.model import LoadedModel, load
from quantgate.pipelines.formats.tokenizers.folder import chat_template_text, special_token_ids
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve


def probe(request: ProbeRequest, on_progress: OnProgress) -> ProbeReport:
    """Look at the folder. One that does not load ends this process; its caller makes a report of that."""
    folder = request.loadable.path
    texts = tuple(probe_texts(request.texts))
    on_progress(Progress(done=0, total=2, what="loading"))
    loaded = load(folder, request.loadable.residence)
    on_progress(Progress(done=1, total=2, what="comparing token ids"))
    mismatched = tuple(
        text.id
        for text in texts
        if tuple(loaded.tokenizer.encode(text.text, add_special_tokens=False).ids) != text.token_ids
    )
    special = special_token_ids(folder)
    return ProbeReport(
        loads=True,
        finite_logits=_finite_logits(loaded, texts),
        compared_texts=len(texts),
        mismatched_texts=mismatched,
        beginning_of_sequence_id=special.beginning[0] if special.beginning else -1,
        end_of_sequence_id=special.end[0] if special.end else -1,
        vocabulary_size=loaded.tokenizer.get_vocab_size(with_added_tokens=True),
        chat_template=chat_template_text(folder),
        detail=type(loaded.model).__name__,
        configuration=json.loads(loaded.model.config.to_json_string(use_diff=False)),
    )


@torch.inference_mode()
def _finite_logits(loaded: LoadedModel, texts: Sequence[ProbeText]) -> bool:
    """Whether every logit of one pass over the longest text's beginning is finite."""
    ids = max((text.token_ids for text in texts), key=len, default=()) or (0,)
    longest = min(PROBED_TOKENS, loaded.context_length_tokens)
    window = torch.tensor([ids[:longest]], device=loaded.device)
    return bool(torch.isfinite(loaded.model(input_ids=window).logits).all())


if __name__ == "__main__":
    serve(probe, ProbeRequest)

"""Child process: writes a small random checkpoint of one architecture, as transformers saves it."""

import math

import torch
import transformers
from transformers import PreTrainedModel

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve
from tests.support.architectures.configs import small_config
from tests.support.architectures.made import WriteCall, Written
from tests.support.architectures.tokenizers import IDS, write_tokenizer_of

_SEED = 0
_NOISE = 0.1
_TRIED_IDS, _LOGITS_SPREAD = 64, 2.0


def write(call: WriteCall, on_progress: OnProgress) -> Written:
    """Write weights, configuration and tokenizer.

    Raises:
        CheckpointError: where transformers makes no model of the small configuration.
    """
    on_progress(Progress(done=0, total=0, what="drawing weights"))
    torch.manual_seed(_SEED)
    try:
        config = small_config(call.architecture)
        model = getattr(transformers, call.architecture.name)(config)
    except Exception as error:  # whatever a class makes of a configuration
        reason = next((line for line in str(error).splitlines() if line.strip()), "no reason")
        raise CheckpointError(f"{type(error).__name__}: {reason.strip()}") from error
    _randomize(model)
    _spread_logits(model)
    model.to(torch.bfloat16).save_pretrained(call.folder)
    model_type = config.get_text_config().model_type
    write_tokenizer_of(model_type, call.folder)
    return Written(parameter_count=sum(weight.numel() for weight in model.parameters()))


@torch.no_grad()
def _randomize(model: PreTrainedModel) -> None:
    """Draw matrices anew and move what starts as all ones or zeros, so that nothing can be left out unseen.

    What starts otherwise (decays, convolutions of state spaces) has to be as its class makes it.
    """
    random = torch.Generator().manual_seed(_SEED)
    for name, weight in model.named_parameters():
        if not weight.is_floating_point():
            continue
        drawn = torch.randn(weight.shape, generator=random)
        if weight.ndim > 1 and not name.endswith("conv1d.weight"):
            weight.copy_(drawn / math.sqrt(weight.shape[-1]))
        elif weight.numel() == 1 or weight.std() == 0:
            weight.add_(_NOISE * drawn)
    for name, buffer in model.named_buffers():
        if "bias" in name and buffer.is_floating_point():  # routers are corrected by buffers
            buffer.copy_(_NOISE * torch.randn(buffer.shape, generator=random))


@torch.no_grad()
def _spread_logits(model: PreTrainedModel) -> None:
    """Scale an output head of its own, so that what is computed shows in probabilities."""
    head = model.get_output_embeddings()
    if head is None or head.weight is model.get_input_embeddings().weight:
        return
    ids = torch.arange(IDS).unsqueeze(0)[:, :: IDS // _TRIED_IDS]
    spread = model.eval()(input_ids=ids, use_cache=False).logits.std()
    head.weight.mul_(_LOGITS_SPREAD / spread)


if __name__ == "__main__":
    serve(write, WriteCall)

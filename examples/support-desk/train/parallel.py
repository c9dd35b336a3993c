"""Training from scratch in two processes, each with half of every batch and one core.

Muon (Jordan et al. 2024, in torch since 2.9) learns to copy ids several times faster than AdamW
at this size; embeddings and norms stay with AdamW, as its authors advise. Its matrices are split
between the processes: each updates its own half and sends it to the other. Two processes with one
thread each are twice as fast as one with two: matrices this small gain nothing from a second thread.
"""

from __future__ import annotations

import logging
import os
import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from encoding import encoded
from learning import Example, Schedule, batches, new_model, tensors
from messages import MessageSource
from names import Population
from phrases import load_books
from torch import Tensor, multiprocessing, nn
from torch import distributed as group
from transformers import AutoTokenizer, LlamaForCausalLM

_PROCESSES = 2
_LOG_EVERY_STEPS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What every process is told. `weights` is the state dict to go on from, if there, and to leave."""

    tokenizer_folder: Path
    weights: Path
    schedule: Schedule
    seed: int
    port: int


def train(tokenizer_folder: Path, phases: Sequence[Schedule], *, seed: int) -> LlamaForCausalLM:
    """Train a new model, phase after phase."""
    weights = tokenizer_folder / "weights.pt"
    left: list[dict[str, Tensor]] = []
    for number, schedule in enumerate(phases):
        if schedule.from_mean_of:
            torch.save(_mean(left[-schedule.from_mean_of :]), weights)
        job = Job(
            tokenizer_folder=tokenizer_folder,
            weights=weights,
            schedule=schedule,
            seed=seed + number,
            port=_free_port(),
        )
        multiprocessing.spawn(_work, args=(job,), nprocs=_PROCESSES)
        left.append(torch.load(weights))
    model = _model(tokenizer_folder)
    model.load_state_dict(torch.load(weights))
    weights.unlink()
    return model.eval()


def _work(rank: int, job: Job) -> None:
    """One process: same weights, its own messages."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(job.port))
    torch.set_num_threads(1)
    torch.manual_seed(job.seed)
    group.init_process_group("gloo", rank=rank, world_size=_PROCESSES)
    model = _model(job.tokenizer_folder).train()
    if job.weights.exists():
        model.load_state_dict(torch.load(job.weights))
    learner = _Learner(model, job.schedule, rank)
    source = MessageSource(load_books(), Population.TRAIN, random.Random(job.seed * 10 + rank))
    examples = encoded(source.stream(job.schedule.mix), job.tokenizer_folder)
    accuracies: list[float] = []
    seen = 0
    shuffled = batches(examples, job.schedule.batch_tokens, random.Random(job.seed + rank))
    for batch in shuffled:
        progress = _agreed(_PROCESSES * seen / job.schedule.examples)
        if progress >= 1:
            break
        accuracies.append(learner.step(batch, job.schedule.factor(progress)))
        seen += len(batch)
        if rank == 0 and len(accuracies) % _LOG_EVERY_STEPS == 0:
            accuracy = sum(accuracies[-_LOG_EVERY_STEPS:]) / _LOG_EVERY_STEPS
            logging.info(
                "step %d, %.0f %%, accuracy %.4f", len(accuracies), 100 * progress, accuracy
            )
    if rank == 0:
        torch.save(model.state_dict(), job.weights)
    group.destroy_process_group()


class _Learner:
    """One process's optimizers over a model that all processes keep equal."""

    def __init__(self, model: LlamaForCausalLM, schedule: Schedule, rank: int) -> None:
        self._model = model
        self._peak_rate = schedule.peak_rate
        self._weights = list(model.parameters())
        matrices = [w for name, w in model.named_parameters() if _is_matrix(name, w)]
        others = [w for name, w in model.named_parameters() if not _is_matrix(name, w)]
        self._shares = [matrices[owner::_PROCESSES] for owner in range(_PROCESSES)]
        self._optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(
                self._shares[rank],
                lr=schedule.peak_rate,
                weight_decay=schedule.weight_decay,
                adjust_lr_fn="match_rms_adamw",
            ),
            torch.optim.AdamW(others, lr=schedule.peak_rate, weight_decay=0.0, betas=(0.9, 0.95)),
        ]

    def step(self, batch: Sequence[Example], factor: float) -> float:
        """One update; returns the share of this process's answer tokens that were predicted right."""
        for optimizer in self._optimizers:
            for settings in optimizer.param_groups:
                settings["lr"] = self._peak_rate * factor
        inputs, targets, is_answer = tensors(list(batch))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = self._model.model(input_ids=inputs, use_cache=False).last_hidden_state
            logits = self._model.lm_head(hidden[is_answer]).float()
        torch.autograd.backward(nn.functional.cross_entropy(logits, targets))
        gradients = torch.cat([weight.grad.reshape(-1) for weight in self._weights])
        group.all_reduce(gradients)
        _unpack(gradients / _PROCESSES, [weight.grad for weight in self._weights])
        nn.utils.clip_grad_norm_(self._weights, 1.0)
        for optimizer in self._optimizers:
            optimizer.step()
        self._model.zero_grad(set_to_none=True)
        for owner, share in enumerate(self._shares):
            updated = torch.cat([weight.detach().reshape(-1) for weight in share])
            group.broadcast(updated, owner)
            _unpack(updated, [weight.data for weight in share])
        return float((logits.argmax(-1) == targets).float().mean())


def _mean(weights: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: sum(each[name] for each in weights) / len(weights) for name in weights[0]}


def _is_matrix(name: str, weight: Tensor) -> bool:
    return weight.ndim == 2 and "embed" not in name


def _unpack(flat: Tensor, into: Sequence[Tensor]) -> None:
    start = 0
    for tensor in into:
        tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
        start += tensor.numel()


def _agreed(progress: float) -> float:
    """The first process's progress, known to all: they have to end with the same step."""
    value = torch.tensor([progress], dtype=torch.float64)
    group.broadcast(value, 0)
    return float(value)


def _model(tokenizer_folder: Path) -> LlamaForCausalLM:
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    return new_model(
        vocabulary_size=len(tokenizer),
        pad=tokenizer.pad_token_id,
        begin=tokenizer.bos_token_id,
        end=tokenizer.eos_token_id,
    )


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])

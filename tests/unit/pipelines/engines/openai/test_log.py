"""Log samples are lines of vLLM 0.32 and llama-server; a real output has hundreds around them."""

from pathlib import Path

import pytest

from quantgate.pipelines.engines.openai.log import (
    is_over_the_file,
    kernels_in,
    log_since,
    reason_in,
)

E = "(EngineCore pid=7) ERROR 11-29 14:31:58 [core.py:1510] "
W = "(Worker pid=9) ERROR 11-29 14:31:58 [multiproc_executor.py:1063] "
SHUTTING_DOWN = """\
INFO:     Waiting for application shutdown.
INFO:     Finished server process [14169]
nanobind: leaked 4 instances!
 - leaked instance 0x7fca1b448ba8 of type "triton._C.libtriton.ir.attribute"
  warnings.warn('resource_tracker: There appear to be %d '
"""
FRONT_END = """\
Traceback (most recent call last):
  File "/vllm/v1/engine/core_client.py", line 99, in wait
    raise RuntimeError("Engine core initialization failed. See root cause above.")
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""


def engine_failed(problem: str) -> str:
    """An engine that says why, and a front end that does not."""
    return (
        "(APIServer pid=1) WARNING 11-29 14:31 [utils.py:255] limits like `OSError: Too many open files`\n"
        f"{E}EngineCore failed to start.\n{E}Traceback (most recent call last):\n"
        f'{E}  File "/vllm/v1/engine/core.py", line 1482, in run_engine_core\n'
        f"{E}    raise ValueError(\n{E}{problem}\n{FRONT_END}{SHUTTING_DOWN}"
    )


NO_MEMORY = (
    "ValueError: Available memory on node 0 (11.28/13.96 GiB) on kv cache allocation is less than "
    "requested memory for kv (4000.0 GiB)."
)
NO_KERNEL = "ValueError: Failed to find a kernel that can implement the NVFP4 linear layer."
NO_REASONS = f"{W}{NO_KERNEL} Reasons: \n{W}\n"
REASONS = (
    f"{W}{NO_KERNEL} Reasons: \n{W} MarlinKernel requires capability 75\n{W} OtherKernel is not installed\n"
    f"{W}\n"
)
CUT_OFF = (
    "safetensors._safetensors_rust.SafetensorError: Error while deserializing header: incomplete "
    "metadata, file not fully covered"
)
CUDA_MEMORY = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."


@pytest.mark.parametrize("problem", [NO_MEMORY, NO_KERNEL, CUT_OFF, CUDA_MEMORY])
def test_the_first_exception_is_the_reason_however_many_lines_follow(problem: str) -> None:
    assert reason_in(engine_failed(problem) + SHUTTING_DOWN * 30) == problem


def test_reasons_that_a_line_announces_follow_it_where_there_are_any() -> None:
    assert reason_in(NO_REASONS + engine_failed(f"{NO_KERNEL} Reasons: ")) == NO_KERNEL
    assert reason_in(REASONS + FRONT_END) == (
        f"{NO_KERNEL} Reasons: MarlinKernel requires capability 75; OtherKernel is not installed"
    )


@pytest.mark.parametrize(
    "problem", [NO_KERNEL, CUT_OFF, "KeyError: 'layers.0.mlp.down_proj.weight'"]
)
def test_a_line_that_blames_the_file_makes_it_the_files_fault(problem: str) -> None:
    assert is_over_the_file(engine_failed(problem))


@pytest.mark.parametrize(
    "problem",
    [
        NO_MEMORY,
        CUDA_MEMORY,
        "OSError: [Errno 98] Address already in use",
        "ModuleNotFoundError: No module named 'flashinfer'",
        "ValueError: User-specified max_model_len (512) is greater than the derived one",
        "RuntimeError: something that nobody has seen before",
    ],
)
def test_what_ends_a_server_whatever_it_loads_is_not_the_files_fault(problem: str) -> None:
    assert not is_over_the_file(engine_failed(problem))


def test_want_of_memory_is_not_the_files_fault_whatever_else_is_said() -> None:
    assert not is_over_the_file(f"{engine_failed(CUT_OFF)}{W}{CUDA_MEMORY}\n")
    assert not is_over_the_file(
        "llama_model_load: error loading model: unable to allocate CPU buffer\n"
        "srv    load_model: failed to load model\n"
    )


def test_an_engine_killed_while_it_loads_leaves_no_reason_that_blames_the_file() -> None:
    log = FRONT_END.replace("{}", "{'EngineCore_DP0': -9}") + SHUTTING_DOWN
    assert "Failed core proc" in reason_in(log)
    assert not is_over_the_file(log)
    assert not is_over_the_file(FRONT_END + SHUTTING_DOWN)
    told = reason_in(FRONT_END + SHUTTING_DOWN)
    assert told.startswith("RuntimeError: Engine core initialization failed. See root cause above.")
    assert told.endswith(
        "it wrote of no cause: often one of its processes was killed, for want of memory)"
    )


def test_a_complaint_that_is_no_exception_comes_before_one_that_only_points_further_on() -> None:
    core = f"{E}terminate called after throwing an instance of 'std::runtime_error'\n"
    log = core + f"{E}  what():  tensor 'x' has wrong shape\n" + FRONT_END + SHUTTING_DOWN
    assert "terminate called" in reason_in(log)
    assert "want of memory" not in reason_in(log)


def test_a_death_in_the_middle_is_not_explained_by_what_went_well_again_afterwards() -> None:
    survived = f"{E}RuntimeError: minProperties is greater than the number of properties\n"
    answered = 'INFO:     127.0.0.1:1 - "POST /v1/completions HTTP/1.1" 200 OK\n'
    dead = (
        f"{E}torch.OutOfMemoryError: CUDA out of memory.\n"
        "(APIServer pid=1) ERROR 11-29 14:30:14 [async_llm.py:906] vllm.v1.engine.exceptions."
        "EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.\n"
    )
    assert reason_in(survived + answered + dead).startswith("torch.OutOfMemoryError")
    assert "no cause" not in reason_in(survived + answered + dead)


def test_llama_servers_complaint_is_the_reason_and_blames_the_file() -> None:
    log = (
        "0.00.100.001 I srv    load_model: loading model 'x.gguf'\n"
        "0.00.120.001 E gguf_init_from_file: failed to read tensor data\n"
        "0.00.120.100 E llama_model_load: error loading model: tensor 'blk.0.attn_q.weight' data is "
        "not within the file bounds, model is corrupted or incomplete\n"
        "0.00.121.000 E srv    load_model: failed to load model, 'x.gguf'\n"
        "0.00.121.100 I srv    operator(): cleaning up before exit...\n"
    )
    assert reason_in(log) == "gguf_init_from_file: failed to read tensor data"
    assert is_over_the_file(log)


def test_without_any_complaint_the_last_words_are_the_reason() -> None:
    assert reason_in("one\ntwo\nthree\nfour\n") == "two | three | four"
    assert reason_in("") == "it wrote nothing"


def test_only_what_was_written_since_the_start_is_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"RuntimeError: of an earlier start\n" + b"fatal: now \xff\n")
    assert reason_in(log_since(log, 34)) == "fatal: now \ufffd"


def test_kernels_are_read_once_each() -> None:
    line = "(Worker pid=9) INFO 11-29 [kernels.py:1] Using CPUWNA16LinearKernel for CompressedTensorsWNA16"
    other = "INFO Selected CPUInt8ScaledMMLinearKernel for CompressedTensorsW8A8Int8"
    assert kernels_in(f"{line}\n{line}\n{other}\nUsing CPUWNA16LinearKernel for mixed types\n") == (
        "CPUWNA16LinearKernel for CompressedTensorsWNA16",
        "CPUInt8ScaledMMLinearKernel for CompressedTensorsW8A8Int8",
    )

"""The table of ggml's types, held to the library that quantizes and computes."""

import ctypes

import llama_cpp
import llama_cpp._ggml
import pytest

from quantgate.pipelines.engines.llamacpp.types.table import FILE_TYPES
from quantgate.pipelines.formats.gguf.types import FILE_TYPE_NUMBERS, GGML_TYPES

pytestmark = pytest.mark.integration

NOT_READ = {"q8_1", "q8_K", "q1_0", "q2_0"}
"""What llama.cpp rounds activations to, and types that none of its file types here has."""


def library_types() -> dict[str, tuple[int, int, int]]:
    """Number, weights of a block and its bytes, by the library's name; removed types have none."""
    library = llama_cpp._ggml.libggml
    library.ggml_type_name.restype = ctypes.c_char_p
    library.ggml_blck_size.restype = ctypes.c_int64
    library.ggml_type_size.restype = ctypes.c_size_t
    return {
        library.ggml_type_name(number).decode(): (
            number,
            library.ggml_blck_size(number),
            library.ggml_type_size(number),
        )
        for number in range(llama_cpp.GGML_TYPE_COUNT)
        if library.ggml_blck_size(number)
    }


def test_names_numbers_and_blocks_are_the_librarys() -> None:
    ours = {name: (kind.number, kind.block, kind.block_bytes) for name, kind in GGML_TYPES.items()}
    assert ours == {
        name.upper(): row for name, row in library_types().items() if name not in NOT_READ
    }


def test_file_types_have_the_numbers_that_the_library_gives_them() -> None:
    assert {
        name: getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{name}") for name in FILE_TYPE_NUMBERS
    } == FILE_TYPE_NUMBERS
    assert FILE_TYPES.keys() <= FILE_TYPE_NUMBERS.keys()

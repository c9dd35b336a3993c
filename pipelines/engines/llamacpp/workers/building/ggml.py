"""The few ggml and gguf functions llama-cpp-python does not declare, with their C signatures.

Source: ggml/include/ggml.h and gguf.h of the llama.cpp inside the pinned llama-cpp-python. The tensor
structure is mirrored too, because an evaluation callback gets nothing but its address.
`Operations` compares the mirror with the library before anything is read through it.
"""

import ctypes
from ctypes import POINTER, c_bool, c_char_p, c_int, c_int64, c_size_t, c_uint32, c_void_p
from pathlib import Path

import llama_cpp._ggml

from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.formats.gguf.types import GGML_TYPES

_DIMENSIONS, _SOURCES, _NAME_BYTES, _PARAMETER_BYTES = 4, 10, 64, 64
_MIBI = 1 << 20
F32, _I32 = GGML_TYPES["F32"].number, GGML_TYPES["I32"].number


class InitParameters(ctypes.Structure):
    """`ggml_init_params`."""

    _fields_ = (("mem_size", c_size_t), ("mem_buffer", c_void_p), ("no_alloc", c_bool))


class Tensor(ctypes.Structure):
    """`ggml_tensor`; `ne` is elements, `nb` strides in bytes, per dimension, innermost first."""

    _fields_ = (
        ("type", c_int),
        ("buffer", c_void_p),
        ("ne", c_int64 * _DIMENSIONS),
        ("nb", c_size_t * _DIMENSIONS),
        ("op", c_int),
        ("op_params", ctypes.c_char * _PARAMETER_BYTES),
        ("flags", ctypes.c_int32),
        ("src", c_void_p * _SOURCES),
        ("view_src", c_void_p),
        ("view_offs", c_size_t),
        ("data", c_void_p),
        ("name", ctypes.c_char * _NAME_BYTES),
        ("extra", c_void_p),
        ("padding", ctypes.c_char * 8),
    )


_SIGNATURES: dict[str, tuple[type | None, tuple[type, ...]]] = {
    "ggml_init": (c_void_p, (InitParameters,)),
    "ggml_free": (None, (c_void_p,)),
    "ggml_new_tensor_2d": (c_void_p, (c_void_p, c_int, c_int64, c_int64)),
    "ggml_new_tensor_3d": (c_void_p, (c_void_p, c_int, c_int64, c_int64, c_int64)),
    "ggml_set_name": (c_void_p, (c_void_p, c_char_p)),
    "ggml_get_name": (c_void_p, (c_void_p,)),
    "ggml_get_data": (c_void_p, (c_void_p,)),
    "ggml_tensor_overhead": (c_size_t, ()),
    "ggml_mul_mat": (c_void_p, (c_void_p, c_void_p, c_void_p)),
    "ggml_mul_mat_id": (c_void_p, (c_void_p, c_void_p, c_void_p, c_void_p)),
    "ggml_validate_row_data": (c_bool, (c_int, c_void_p, c_size_t)),
    "ggml_backend_buffer_is_host": (c_bool, (c_void_p,)),
    "ggml_backend_tensor_get": (None, (c_void_p, c_void_p, c_size_t, c_size_t)),
    "gguf_init_empty": (c_void_p, ()),
    "gguf_free": (None, (c_void_p,)),
    "gguf_set_val_str": (None, (c_void_p, c_char_p, c_char_p)),
    "gguf_set_val_u32": (None, (c_void_p, c_char_p, c_uint32)),
    "gguf_set_arr_str": (None, (c_void_p, c_char_p, POINTER(c_char_p), c_size_t)),
    "gguf_add_tensor": (None, (c_void_p, c_void_p)),
    "gguf_write_to_file": (c_bool, (c_void_p, c_char_p, c_bool)),
}


def _declare() -> ctypes.CDLL:
    library: ctypes.CDLL = llama_cpp._ggml.libggml
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


ggml = _declare()


def tensor_at(address: int) -> Tensor:
    """Return a view of the tensor at an address; it lives no longer than the tensor."""
    return Tensor.from_address(address)


class Operations:
    """The numbers this build of ggml gives the two matrix multiplications."""

    def __init__(self) -> None:
        """Ask the library, and check the mirrored structure on the way.

        Raises:
            ToolchainError: where `ggml_tensor` is laid out differently than mirrored here.
        """
        context = ggml.ggml_init(InitParameters(_MIBI, None, False))
        try:
            weight = ggml.ggml_new_tensor_3d(context, F32, 32, 5, 3)
            rows = ggml.ggml_new_tensor_3d(context, F32, 32, 3, 7)
            chosen = ggml.ggml_new_tensor_2d(context, _I32, 3, 7)
            flat = ggml.ggml_new_tensor_2d(context, F32, 32, 11)
            ggml.ggml_set_name(weight, b"probe.weight")
            _check_mirror(weight)
            dense = tensor_at(ggml.ggml_mul_mat(context, flat, flat))
            routed = tensor_at(ggml.ggml_mul_mat_id(context, weight, rows, chosen))
            if [dense.src[0], routed.src[0], routed.src[2]] != [flat, weight, chosen]:
                raise _mismatch("sources")
            self.dense, self.routed = int(dense.op), int(routed.op)
        finally:
            ggml.ggml_free(context)


def _check_mirror(address: int) -> None:
    tensor = tensor_at(address)
    if list(tensor.ne) != [32, 5, 3, 1] or list(tensor.nb) != [4, 128, 640, 1920]:
        raise _mismatch("shape")
    if (
        ggml.ggml_get_name(address) - address != Tensor.name.offset
        or tensor.name != b"probe.weight"
    ):
        raise _mismatch("name")
    if ggml.ggml_get_data(address) != tensor.data:
        raise _mismatch("data")


def _mismatch(field: str) -> ToolchainError:
    return ToolchainError(
        f"this llama.cpp lays out ggml_tensor differently than expected ({field})",
        where=str(Path(llama_cpp.__file__).parent),
        next_step="make setup (installs the pinned llama-cpp-python)",
    )

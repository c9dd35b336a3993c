"""A loaded model's vocabulary: text to token ids and back, and what its file says about it."""

import ctypes
from collections.abc import Sequence

import llama_cpp

_PIECE_BYTES = 256
_NUMBER_BYTES = 64


class Vocabulary:
    """llama.cpp's own tokenizer of one loaded model."""

    def __init__(self, model: ctypes.c_void_p) -> None:
        """Look into a loaded model, which has to outlive this object."""
        self._model = model
        self._vocabulary = llama_cpp.llama_model_get_vocab(model)
        self.size = int(llama_cpp.llama_vocab_n_tokens(self._vocabulary))
        kind = llama_cpp.llama_vocab_type(self._vocabulary)
        # SentencePiece writes a word's space before it; Hugging Face drops the first one of a text.
        self._dropped_spaces = 1 if kind == llama_cpp.LLAMA_VOCAB_TYPE_SPM else 0

    def token_ids(self, text: str) -> list[int]:
        """Tokenize: special tokens written in the text are parsed, none are added."""
        raw = text.encode()
        room = len(raw) + 8
        while True:
            ids = (llama_cpp.llama_token * room)()
            count = llama_cpp.llama_tokenize(
                self._vocabulary, raw, len(raw), ids, room, False, True
            )
            if count >= 0:
                return list(ids[:count])
            room = -count

    def text(self, token_ids: Sequence[int]) -> str:
        """Return the text of generated tokens, special ones left out, bytes joined before decoding."""
        raw = b"".join(
            self._piece(token, 0 if index else self._dropped_spaces)
            for index, token in enumerate(token_ids)
        )
        return raw.decode(errors="replace")

    def pieces(self) -> list[bytes]:
        """Return the bytes that every token adds to a text, none for special ones and those that end it."""
        return [
            b"" if llama_cpp.llama_vocab_is_eog(self._vocabulary, token) else self._piece(token, 0)
            for token in range(self.size)
        ]

    def number(self, key: str) -> int:
        """Return an integer of the file's metadata, -1 where it has none under that key."""
        buffer = ctypes.create_string_buffer(_NUMBER_BYTES)
        length = llama_cpp.llama_model_meta_val_str(
            self._model, key.encode(), buffer, _NUMBER_BYTES
        )
        return int(buffer.value) if length >= 0 else -1

    @property
    def chat_template(self) -> str:
        """The chat template that stands in the file, "" where none does."""
        template = llama_cpp.llama_model_chat_template(self._model, None)
        return template.decode(errors="replace") if template else ""

    def _piece(self, token: int, dropped_spaces: int) -> bytes:
        room = _PIECE_BYTES
        while True:
            buffer = ctypes.create_string_buffer(room)
            length = llama_cpp.llama_token_to_piece(
                self._vocabulary, token, buffer, room, dropped_spaces, False
            )
            if length >= 0:
                return buffer.raw[:length]
            room = -length

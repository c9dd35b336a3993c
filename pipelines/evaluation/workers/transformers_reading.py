"""Child process: tokenizes prompts with the class that transformers takes for a checkpoint."""

from transformers import AutoTokenizer

from quantgate.pipelines.evaluation.transformers_reading import (
    ReadingCall,
    ReadText,
    TransformersReading,
)
from quantgate.pipelines.files.records import from_json_text
from quantgate.pipelines.process.calls import OnProgress
from quantgate.pipelines.process.endings.last_words import words_of
from quantgate.pipelines.process.harness import serve

_LONGEST_PROBLEM = 300


def compare(call: ReadingCall, _on_progress: OnProgress) -> TransformersReading:
    """Compare every text's ids."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            call.folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # noqa: BLE001 - whatever keeps transformers from loading it is the answer
        problem = words_of(error)[:_LONGEST_PROBLEM]
        return TransformersReading(tokenizer_class="", compared=0, mismatched=(), problem=problem)
    lines = call.texts.read_bytes().splitlines()
    texts = [from_json_text(ReadText, line) for line in lines]
    mismatched = [
        each.id
        for each in texts
        if tuple(tokenizer(each.text, add_special_tokens=each.begins)["input_ids"])
        != each.token_ids
    ]
    return TransformersReading(
        tokenizer_class=type(tokenizer).__name__,
        compared=len(texts),
        mismatched=tuple(mismatched),
    )


if __name__ == "__main__":
    serve(compare, ReadingCall)

"""Files that people name: what is no file never blocks, and an encoding is named."""

import os
import socket
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.csv_rows import csv_rows
from quantgate.pipelines.files.reading import numbered_lines, read_bytes, read_text


def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def loop(folder: Path) -> Path:
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    return folder / "a"


def listener(folder: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(folder / "socket"))
    return folder / "socket"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (fifo, r"pipe: is a pipe \(FIFO\), not a file"),
        (loop, "cannot be read"),
        (listener, "is a socket, not a file"),
        (lambda folder: folder, "is a folder, not a file"),
        (lambda folder: folder / "missing", "No such file or directory"),
        (lambda folder: folder / ("n" * 300), "cannot be read"),
        (lambda folder: folder / "a\0b", "its name has a null character"),
        (lambda folder: Path("/dev/zero"), "is a device, not a file"),
    ],
)
def test_what_is_no_file_is_refused_before_it_is_opened(
    tmp_path: Path, make: object, sentence: str
) -> None:
    assert callable(make)
    path = make(tmp_path)
    for read in (read_bytes, read_text, lambda path: list(numbered_lines(path))):
        with pytest.raises(InputError, match=sentence):
            read(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("é = 1".encode("utf-16"), "is UTF-16 text"),
        ("abcd".encode("utf-16-be"), "is UTF-16 text"),
        ("abcd".encode("utf-32"), "is UTF-32 text"),
        (b"GGUF\0\0\0", None),
        (b"\0\0\0\1", "is no text"),
        (b"a\nb\n\xff", "is not UTF-8 text (line 3"),
    ],
)
def test_another_encoding_is_named(tmp_path: Path, content: bytes, sentence: str | None) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    if sentence is None:
        assert read_text(path) == content.decode()
        return
    for read in (read_text, lambda path: list(numbered_lines(path))):
        with pytest.raises(InputError) as refused:
            read(path)
        assert sentence in str(refused.value)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfa\n\n b\r\n")
    assert read_text(path) == "a\n\n b\r\n"
    assert list(numbered_lines(path)) == [(1, "a\n"), (3, " b\r\n")]


def test_a_file_or_a_line_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.truncate((16 << 20) + 2)
        file.seek(0)
        file.write(b"12345")
    with pytest.raises(InputError, match="line 1 is longer than 16 MiB"):
        list(numbered_lines(path))
    with pytest.raises(InputError, match="is larger than 1 MiB"):
        read_bytes(path, 1 << 20)


@pytest.mark.parametrize(
    "text",
    [
        "id,prompt\n1,a;b\n",
        "id;prompt\n1;a;b\n".replace("a;b", '"a;b"'),
        "id\tprompt\n1\ta;b\n",
        "sep=;\nid;prompt\n1;\"a;b\"\n",
        "\ufeffid,prompt\r\n1,a;b\r\n",
    ],
)  # fmt: skip
def test_a_csv_of_commas_semicolons_or_tabs_is_one_table(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    assert [row for _, row in csv_rows(path)] == [{"id": "1", "prompt": "a;b"}]


def test_what_is_wrong_with_a_csv_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,prompt\n1,"a\nb"\n2\n\n3,c\n')
    assert list(csv_rows(path)) == [
        (3, {"id": "1", "prompt": "a\nb"}),
        (4, "the row has more or fewer cells than the first line"),
        (6, {"id": "3", "prompt": "c"}),
    ]
    for text, sentence in [
        ("id,id\n1,2\n", "column 'id' stands here twice"),
        ("", "there are no rows"),
        ('id,prompt\n1,"a\n', "is not a sound csv"),
    ]:
        path.write_text(text)
        with pytest.raises(InputError, match=sentence):
            list(csv_rows(path))
    path.write_bytes("id,prompt\n".encode("utf-16"))
    with pytest.raises(InputError, match="UTF-16"):
        list(csv_rows(path))

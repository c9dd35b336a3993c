"""Archives of inspect-ai: what is damaged is named."""

import json
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.evaluation.logs.inspect_log import read_inspect

MEMBER = "samples/1_epoch_1.json"
ZSTANDARD = 93
SAMPLE = json.dumps({"id": 1, "epoch": 1, "scores": {"match": {"value": "C"}}, "pad": "x" * 200})


def archive(path: Path) -> zipfile.ZipInfo:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr("header.json", json.dumps({"eval": {"model": "m"}, "status": "success"}))
        written.writestr(MEMBER, SAMPLE)
        return written.getinfo(MEMBER)


def overwritten(path: Path, at: int, content: bytes) -> None:
    whole = bytearray(path.read_bytes())
    whole[at : at + len(content)] = content
    path.write_bytes(bytes(whole))


def packed_by_zstandard(path: Path, content: bytes) -> None:
    """An archive whose one sample holds `content` and says that it is the sample, packed by zstd."""
    name, checksum = MEMBER.encode(), zlib.crc32(SAMPLE.encode())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as written:
        written.writestr("header.json", json.dumps({"eval": {"model": "m"}}))
        written.writestr(MEMBER, content)
        member = written.getinfo(MEMBER)
    whole = path.read_bytes()
    directory = whole.rindex(b"PK\x01\x02")
    assert whole[directory + 46 :].startswith(name)
    overwritten(path, member.header_offset + 8, struct.pack("<H", ZSTANDARD))
    overwritten(path, directory + 10, struct.pack("<H", ZSTANDARD))
    overwritten(path, directory + 16, struct.pack("<I", checksum))


def test_a_member_whose_deflated_bytes_are_damaged_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.eval"
    member = archive(path)
    assert len(read_inspect(path).answers) == 1
    overwritten(path, member.header_offset + 30 + len(MEMBER), b"\xff" * 4)
    with pytest.raises(InputError, match=f"{MEMBER} is damaged"):
        read_inspect(path)


@pytest.mark.parametrize("damage", ["garbage", "cut off"])
def test_a_member_whose_zstandard_bytes_are_damaged_is_named(tmp_path: Path, damage: str) -> None:
    zstandard = pytest.importorskip("zstandard")
    packed = zstandard.ZstdCompressor().compress(SAMPLE.encode())
    path = tmp_path / "a.eval"
    packed_by_zstandard(path, packed)
    assert len(read_inspect(path).answers) == 1
    packed_by_zstandard(path, b"garbage" * 9 if damage == "garbage" else packed[:12])
    with pytest.raises(InputError, match=f"{MEMBER} is damaged"):
        read_inspect(path)


def test_a_member_that_starts_beyond_the_files_end_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.eval"
    packed_by_zstandard(path, b"x")
    directory = path.read_bytes().rindex(b"PK\x01\x02")
    size = path.stat().st_size
    overwritten(path, directory + 42, struct.pack("<I", size - 4))
    pytest.importorskip("zstandard")
    with pytest.raises(InputError, match=f"{MEMBER} is damaged"):
        read_inspect(path)

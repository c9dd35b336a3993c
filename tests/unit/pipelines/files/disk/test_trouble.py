"""A store that cannot be used is one sentence with its folder and exit code 4, before any work."""

import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from quantgate.flows.cli.main import main
from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.files.disk.full import full_disk, written_at
from quantgate.pipelines.files.disk.trouble import disk_trouble, require_writable
from quantgate.pipelines.files.records import write_text

NOBODY = 65534


@pytest.fixture
def ordinary_user() -> Iterator[Path]:
    """A folder that everybody may enter, while this process is not the superuser."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    superuser = os.geteuid() == 0
    if superuser:
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if superuser:
            os.seteuid(0)
        for path in (folder, *folder.rglob("*")):
            if path.is_dir():
                path.chmod(0o777)
        shutil.rmtree(folder)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_refusals_of_the_system_name_the_folder(number: int, tmp_path: Path) -> None:
    error = OSError(number, os.strerror(number), str(tmp_path / "file"))
    trouble = disk_trouble(error, Path("elsewhere"))
    assert trouble is not None
    assert (trouble.where, trouble.exit_code) == (str(tmp_path), 4)
    assert os.strerror(number) in trouble.what


def test_a_full_disk_names_the_folder_that_could_not_be_written(tmp_path: Path) -> None:
    error = OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "variants" / "file"))
    trouble = disk_trouble(error, Path("elsewhere"))
    assert trouble is not None
    assert trouble.where == str(tmp_path / "variants")
    nameless = disk_trouble(OSError(errno.ENOSPC, "No space left on device"), tmp_path)
    assert nameless is not None
    assert nameless.where == str(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EISDIR, errno.EPIPE])
def test_other_errors_are_no_trouble_of_the_disk(number: int, tmp_path: Path) -> None:
    assert disk_trouble(OSError(number, "another"), tmp_path) is None


def test_what_cannot_be_written_is_named_though_the_system_names_nothing(tmp_path: Path) -> None:
    """A write, a copied folder and SQLite say `No space left`, and not where."""
    with pytest.raises(OSError) as caught, written_at(tmp_path / "a" / "page.html"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert where_full(caught.value) == str(tmp_path / "a")
    with pytest.raises(OSError) as of_sqlite, written_at(tmp_path / "mlflow.db"):
        fill_database()
    assert where_full(of_sqlite.value) == str(tmp_path)
    copied = shutil.Error(
        [("/store/a", str(tmp_path / "to" / "a"), "[Errno 28] No space left on device: '/store/a'")]
    )
    assert where_full(copied) == str(tmp_path / "to")
    sent = OSError(errno.ENOSPC, "No space left on device", "/store/a")
    sent.filename2 = str(tmp_path / "b")
    assert where_full(sent) == str(tmp_path)


def test_a_file_that_was_never_whole_is_not_named(ordinary_user: Path) -> None:
    (ordinary_user / "pages").mkdir(mode=0o555)
    with pytest.raises(PermissionError) as caught:
        write_text(ordinary_user / "pages" / "page.html", "a page")
    assert caught.value.filename == str(ordinary_user / "pages")


def where_full(error: BaseException) -> str | None:
    full = full_disk(error, Path("elsewhere"))
    assert full is not None
    return full.where


def fill_database() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("pragma max_page_count = 1")
        database.execute("create table a (b)")


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ECONNRESET])
def test_errors_that_are_not_of_a_write_keep_what_they_name(number: int, tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, written_at(tmp_path):
        raise OSError(number, "another")
    assert caught.value.filename is None


def test_a_folder_is_made_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    require_writable(tmp_path / "new" / "store")
    (tmp_path / "new" / "store" / "runs").mkdir()
    require_writable(tmp_path / "new" / "store")
    assert [path.name for path in (tmp_path / "new" / "store").rglob("*")] == ["runs"]


def test_another_users_folder_is_refused(ordinary_user: Path) -> None:
    (ordinary_user / "store").mkdir(mode=0o555)
    with pytest.raises(ToolchainError, match="may not be used") as caught:
        require_writable(ordinary_user / "store")
    assert caught.value.where == str(ordinary_user / "store")
    with pytest.raises(ToolchainError, match="may not be used"):
        require_writable(ordinary_user / "store" / "below")


def test_a_folder_inside_that_is_another_users_is_refused_too(ordinary_user: Path) -> None:
    (ordinary_user / "store" / "variants").mkdir(parents=True)
    (ordinary_user / "store" / "variants").chmod(0o555)
    with pytest.raises(ToolchainError, match="may not be used") as caught:
        require_writable(ordinary_user / "store")
    assert caught.value.where == str(ordinary_user / "store" / "variants")


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "store"):
        with pytest.raises(ToolchainError, match="is no folder"):
            require_writable(folder)


@pytest.mark.parametrize("command", [["quantize", "--plan"], ["up"], ["corpus", "build", "any"]])
def test_commands_that_write_say_so_first(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    finished = CliRunner().invoke(main, command, env={"QUANTGATE_STORE": str(tmp_path / "file")})
    assert finished.exit_code == 2, finished.output
    assert f"quantgate: {tmp_path / 'file'}: is a file, no folder" in finished.output

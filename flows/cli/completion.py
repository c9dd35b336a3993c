"""`quantgate completion`: commands and options completed by the shell, installed where it looks for them."""

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.disk.full import written_at
from quantgate.pipelines.files.records import write_text

SHELLS = ("bash", "zsh", "fish")
_PROGRAM, _VARIABLE = "quantgate", "_QUANTGATE_COMPLETE"
_MARK = "# completion of quantgate"


def completion_command(command: click.Command, shell: str | None, *, show: bool) -> int:
    """Install the completion of a shell (by default the one that SHELL names), or print its script."""
    name = shell or Path(os.environ.get("SHELL", "")).name
    script = _script(command, name)
    if show:
        print(script)
        return 0
    path = _place(name)
    write_text(path, script + "\n")
    print(f"{path}: completion of {name}, from the next shell on")
    if name == "zsh":
        _sourced(path)
    elif name == "bash":
        print("it is read by the package bash-completion, which most systems have")
    return 0


def _script(command: click.Command, shell: str) -> str:
    kind = get_completion_class(shell) if shell in SHELLS else None
    if kind is None:
        raise InputError(
            f"there is no completion for the shell '{shell}'",
            next_step=f"name one of {', '.join(SHELLS)}",
        )
    try:
        return kind(command, {}, _PROGRAM, _VARIABLE).source().strip()
    except RuntimeError as error:  # click's, of a bash that is too old
        raise InputError(
            str(error), next_step="install a newer one, or name another shell"
        ) from error


def _place(shell: str) -> Path:
    """Return where a shell looks for completions of one user."""
    home = Path.home()
    shared = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    if shell == "bash":
        return shared / "bash-completion" / "completions" / _PROGRAM
    if shell == "fish":
        configured = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        return configured / "fish" / "completions" / f"{_PROGRAM}.fish"
    return shared / _PROGRAM / "completion.zsh"


def _sourced(path: Path) -> None:
    """Let zsh read the script: it looks for none of one user's by itself."""
    settings = Path(os.environ.get("ZDOTDIR") or Path.home()) / ".zshrc"
    line = f'source "{path}"  {_MARK}'
    text = settings.read_text(encoding="utf-8") if settings.is_file() else ""
    if line not in text.splitlines():
        with written_at(settings), settings.open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    print(f"{settings}: has a line that reads it")

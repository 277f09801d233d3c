"""lite-opt completion: Tab in a shell completes commands, options and files of models."""
from __future__ import annotations

import os

import click
from click.shell_completion import ShellComplete, get_completion_class

EXAMPLES = """
\b
To install it, once:
  bash: echo 'eval "$(lite-opt completion bash)"' >> ~/.bashrc
  zsh: echo 'eval "$(lite-opt completion zsh)"' >> ~/.zshrc   (after compinit)
  fish: lite-opt completion fish > ~/.config/fish/completions/lite-opt.fish
It works in shells that are opened then.

\b
Examples:
  lite-opt completion bash
  eval "$(lite-opt completion bash)"                 (for this shell alone)
"""


@click.command("completion", epilog=EXAMPLES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a script for SHELL that completes the commands and options of lite-opt, and the names of models' files.

    bash must be 4.4 or newer.
    """
    from .app import cli

    made = get_completion_class(shell)
    assert made is not None
    # not made.source(): that of bash starts the bash on PATH to look at its version, which may be another one
    click.echo(ShellComplete.source(made(cli, {}, "lite-opt", "_LITE_OPT_COMPLETE")))


def complete_path(start: str, endings: tuple[str, ...]) -> list[str]:
    """Folders (with a slash) and files with one of the endings whose paths begin with `start`, sorted.

    Where one folder alone fits, what is in it: shells put a space behind the only answer, after which one cannot go on
    with a file of that folder.
    """
    folder, begin = os.path.split(start)
    prefix = start[: len(start) - len(begin)]
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as entries:
            names = [(e.name, e.is_dir()) for e in entries
                     if e.name.startswith(begin) and (begin or not e.name.startswith("."))]
    except OSError:
        return []
    found = sorted(prefix + n + "/" if is_folder else prefix + n for n, is_folder in names
                   if is_folder or n.endswith(endings))
    if len(found) == 1 and found[0].endswith("/"):
        return complete_path(found[0], endings) or found
    return found

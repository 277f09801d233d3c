"""The group of commands, and how errors become one line and an exit code."""
from __future__ import annotations

import contextlib
import difflib
import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Any

import click

from ... import Error, __version__
from ..errors import ConvertError, ProofError
from .output import clean, printing

BUILD_PACKAGES = {"elftools", "mesonbuild", "ninja", "ziglang"}  # of the extra `build`; the others are of `convert`
EXIT_ERROR, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130
EXIT_CODES = {
    0: "All went well.",
    EXIT_ERROR: "An error, with one line on stderr. Or, with nothing on stderr, the answer is no: `check` found what "
                "is not supported, `compare` or `report` a layer outside of its limit or a proof that failed, `diff` "
                "a difference.",
    EXIT_USAGE: "Wrong usage: an option or argument that is unknown, missing or not possible.",
    EXIT_INTERRUPTED: "Interrupted with Ctrl-C. Other signals: 128 and their number.",
}
# name of a command: its module here, and what `lite-opt --help` says; modules are imported when they are needed
COMMANDS = {
    "bench": ("bench", "Measure how fast a model runs here."),
    "build": ("build", "Build the C library for a device, tailored to models."),
    "check": ("check", "Can this ONNX model be converted?"),
    "compare": ("compare", "Compare every layer with the source model."),
    "completion": ("completion", "Print a script that completes lite-opt in a shell."),
    "convert": ("convert", "Convert an ONNX model and prove the result."),
    "diff": ("diff", "Show what differs between two models."),
    "report": ("report", "Write a page about a model."),
    "run": ("run_model", "Run a model."),
    "show": ("show", "Show what is in a converted model."),
    "targets": ("targets", "List the targets of lite-opt build."),
}


class Commands(click.Group):
    """The commands of the table, each imported when it is asked for: --help and completion must be quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command; None when there is no such name."""
        if cmd_name not in COMMANDS:
            return None
        module, words = COMMANDS[cmd_name]
        command: click.Command = importlib.import_module(f".{module}", __package__).command
        command.short_help = words
        return command

    def resolve_command(self, ctx: click.Context,
                        args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is called; a usage error says what an unknown name may have meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], COMMANDS, 1)
            ctx.fail(f"there is no command '{args[0]}'" + (f", perhaps '{close[0]}'" if close else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in --help, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in sorted(COMMANDS.items())])


EPILOG = """
\b
Start with:
  lite-opt check model.onnx
  lite-opt convert model.onnx
  lite-opt run model.lrm

Each command has --help with examples.
"""


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=False,
             epilog=EPILOG)
@click.version_option(__version__, prog_name="lite-opt")
def cli() -> None:
    """Convert ONNX models to .lrm files, and look at, run, measure and compare them."""


def run(args: Sequence[str]) -> int:
    """Runs a command line; the exit code: 0, 1 for an error, 2 for wrong usage."""
    code = _run(args or ["--help"])
    try:
        with printing():  # click prints too
            pass
    except (ConvertError, BrokenPipeError) as e:
        if not code and not isinstance(e, BrokenPipeError):
            _fail(str(e), False, EXIT_ERROR)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its end
        code = code or EXIT_ERROR
    return code


def _run(args: Sequence[str]) -> int:
    # needed even when the command line cannot be parsed
    debug, as_json = "--debug" in args, "--json" in args

    def terminate(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for name in ("SIGTERM", "SIGHUP"):  # so that temporary files are removed
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, terminate)
    try:
        result = cli.main(args=list(args), prog_name="lite-opt", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.UsageError as e:
        where = e.ctx.command_path if e.ctx else "lite-opt"
        words = " ".join(e.format_message().split()).rstrip(".")  # click lists choices in lines of their own
        return _fail(f"{words}; see: {where} --help", as_json, EXIT_USAGE)
    except click.ClickException as e:
        return _fail(e.format_message(), as_json, EXIT_ERROR)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", as_json, EXIT_INTERRUPTED)
    except BrokenPipeError:
        return EXIT_ERROR
    except ModuleNotFoundError as e:
        if debug:
            traceback.print_exc()
        extra = "build" if (e.name or "").partition(".")[0] in BUILD_PACKAGES else "convert"
        text = f"the package '{e.name}' is missing; run: pip install 'lite-runtime[{extra}]'"
        return _fail(text, as_json, EXIT_ERROR)
    except (ConvertError, Error, OSError, MemoryError) as e:
        if debug:
            traceback.print_exc()
        proof = {"proof": e.report.as_dict()} if isinstance(e, ProofError) else {}
        return _fail(_words(e), as_json, EXIT_ERROR, proof)
    except Exception as e:  # a bug of ours
        if debug:
            traceback.print_exc()
        text = f"internal error ({type(e).__name__}: {e}); run again with --debug and report what it prints"
        return _fail(text, as_json, EXIT_ERROR)


def _words(e: BaseException) -> str:
    if isinstance(e, OSError) and not isinstance(e, Error) and e.strerror:
        return f"{e.filename}: {e.strerror.lower()}" if e.filename else e.strerror.lower()
    if isinstance(e, MemoryError) and not isinstance(e, Error):  # of Python or numpy: 'Unable to allocate 2.18 TiB ...'
        words = str(e)
        return "out of memory" + (f": {words[0].lower()}{words[1:]}" if words else "") + "; use smaller sizes"
    return str(e) or type(e).__name__


def _fail(message: str, as_json: bool, code: int, more: dict[str, Any] | None = None) -> int:
    with contextlib.suppress(OSError):  # of a full disk; stderr says it all
        if as_json:
            print(json.dumps({"error": message} | (more or {})), flush=True)
    print(f"error: {clean(message)}", file=sys.stderr)
    return code

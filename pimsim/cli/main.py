"""The ``pimsim`` command: which sub-commands there are, and what an error looks like to the shell.

A sub-command is a module of this package with a click command named ``command``; it is imported only when it is run, so
that ``pimsim --help`` stays quick. Its callback returns the exit code (nothing: 0) and raises
:class:`pimsim.errors.InputError` for bad input (exit 2, every problem a line on stderr) or
:class:`pimsim.errors.SimulationError` for a run that broke a law (exit 1).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from pimsim import __version__
from pimsim.errors import InputError, SimulationError, nearest

COMMANDS: dict[str, str] = {
    "run": "simulate a workload on a system",
    "verify": "compute a workload in the simulated memory, compare with numpy",
    "lower": "write the operator trace of a workload",
    "dram": "run memory requests on a DRAM part",
    "pim": "replay a PIM program on a DRAM part",
    "check": "check a command log against a part's timing rules",
    "diff": "show where two command logs first part",
    "micro": "micro-benchmark one unit of a system",
    "sweep": "run a design-space sweep",
    "compare": "compare runs or systems",
    "plot": "draw a run or a sweep",
    "report": "write a run or a sweep as one HTML file",
    "calibrate": "measure a real device and write it as a baseline",
    "validate": "reproduce the reference figures and judge them",
    "list": "list what ships: systems, parts, workloads, models, sweeps",
    "show": "show a configuration and its sources, or a model's size",
    "schema": "print the JSON Schema of a kind of YAML file",
}
"""Name -> one line of help, in the order of ``pimsim --help``."""

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def module_name(name: str) -> str:
    """The module that holds a sub-command."""
    return f"pimsim.cli.{name}"


class _Commands(click.Group):
    """The group of all sub-commands, each imported when it is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = import_module(module_name(cmd_name)).command
        command.name = cmd_name
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args[0] not in known and not args[0].startswith("-"):
            raise click.UsageError(f"no command '{args[0]}'; {nearest(args[0], known)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Simulate accelerators that compute inside DRAM, running GPT-style decoders.

    \b
    pimsim run                       GPT-2 XL on PIM-GPT: cycles, energy, bottlenecks
    pimsim run SYSTEM WORKLOAD --set memory.channels=4
    pimsim list                      what ships
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(_run(args))


def _run(args: Sequence[str] | None) -> int:
    try:
        result = cli.main(args=args, prog_name="pimsim", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else DONE
    except InputError as error:
        return _say(error, BAD_INPUT)
    except SimulationError as error:
        return _say(error, FAILED)
    except click.exceptions.NoArgsIsHelpError as error:
        return _say(error.format_message(), BAD_INPUT)
    except click.UsageError as error:
        return _say(_usage(error), BAD_INPUT)
    except click.ClickException as error:
        return _say(error.format_message(), BAD_INPUT)
    except (KeyboardInterrupt, click.Abort):
        return _say("interrupted", INTERRUPTED)
    except BrokenPipeError:
        _silence_stdout()
        return FAILED
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _say(f"{where}{error.strerror or error}", FAILED)


def _say(message: object, code: int) -> int:
    print(message, file=sys.stderr)
    return code


def _usage(error: click.UsageError) -> str:
    path = error.ctx.command_path if error.ctx else "pimsim"
    message = error.format_message().rstrip(".")
    return f"{path}: {message[:1].lower()}{message[1:]}\n({path} --help says what it takes)"


def _silence_stdout() -> None:
    """The reader is gone: keep Python from complaining when it flushes stdout on exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()

"""``pimsim micro SYSTEM gemv|gemm``: micro-benchmarks of one unit of a system.

A benchmark is a module ``micro_<name>`` of this package with a click command named ``command``, imported when it is run; it finds the
system's name in ``click.Context.obj``. A name without its module is left out.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click

BENCHMARKS = {
    "gemv": "attention's matrix-vector products inside the memory",
    "gemm": "a matrix product on the NPU",
}
"""Name -> one line of help."""


class _Benchmarks(click.Group):
    """The group of all benchmarks, each imported when it is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        here = Path(__file__).parent
        return [name for name in BENCHMARKS if (here / f"micro_{name}.py").is_file()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        benchmark: click.Command = import_module(f"{__package__}.micro_{cmd_name}").command
        benchmark.name = cmd_name
        return benchmark

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Benchmarks"):
            formatter.write_dl([(name, BENCHMARKS[name]) for name in self.list_commands(ctx)])


@click.command(cls=_Benchmarks)
@click.argument("system")
@click.pass_context
def command(ctx: click.Context, system: str) -> None:
    """Micro-benchmark one unit of the SYSTEM (a shipped name or a YAML file)."""
    ctx.obj = system

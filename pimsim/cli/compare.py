"""``pimsim compare X Y ...``: speed-ups and energy efficiencies of systems and run folders, and the papers' headline tables."""

from __future__ import annotations

import click

from pimsim.cli.option import emit_json, json_option, set_option

PAPERS = ("pim-gpt", "neupims")


class _Command(click.Command):
    """``--workloads a b c`` takes words up to the next option, as well as ``a,b,c`` and being repeated."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        spread: list[str] = []
        collecting = False
        for word in args:
            if word == "--workloads":
                collecting = True
            elif collecting and not word.startswith("-"):
                spread += ["--workloads", word]
            else:
                collecting = False
                spread.append(word)
        if args and args[-1] == "--workloads":
            spread.append("--workloads")
        return super().parse_args(ctx, spread)


@click.command(cls=_Command)
@click.argument("things", nargs=-1, metavar="X Y ...")
@click.option("--workloads", multiple=True, metavar="W ...", help="Workloads to run the systems on, separated by spaces or commas "
              "(default: those of the run folders, else gpt2-xl).")  # fmt: skip
@click.option("--baseline", metavar="X", help="Compare every other one with this one (default: the first one with every other).")
@click.option("--paper", type=click.Choice(PAPERS), help="Print a paper's headline figures, ours, the difference and what it depends on.")
@set_option
@json_option
def command(things: tuple[str, ...], workloads: tuple[str, ...], baseline: str | None, paper: str | None, overrides: tuple[str, ...],
            as_json: bool) -> None:  # fmt: skip
    """Compare systems (a shipped name or a YAML file) and run folders.

    \b
    pimsim compare pim-gpt gpu-t4 cpu-xeon-6154 --workloads gpt2-small gpt2-xl
    pimsim compare runs/a runs/b --baseline runs/a
    pimsim compare --paper pim-gpt
    """
    if paper is not None and (things or workloads or baseline or overrides):
        raise click.UsageError("--paper goes with nothing else: it says itself what is run")
    if paper is not None:
        from pimsim.compare.paper import paper_json, paper_report, paper_table

        table = paper_table(paper, _say)
        if as_json:
            emit_json(paper_json(table))
        else:
            click.echo(paper_report(table), nl=False)
        return
    if not things:
        raise click.UsageError("nothing to compare; name systems or run folders, or --paper")
    from pimsim.compare import matrix

    chosen = [word for text in workloads for word in text.split(",") if word]
    found = matrix.compare(things, chosen, baseline, overrides, _say)
    if as_json:
        emit_json(matrix.as_json(found))
    else:
        click.echo(matrix.report(found), nl=False)


def _say(text: str) -> None:
    click.echo(text, err=True)

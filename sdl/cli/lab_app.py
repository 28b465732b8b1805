"""The verbs about laboratories of instruments; each is added to ``sdl.cli.app``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sdl.cli.app import RunFolder, app

sim = typer.Typer(no_args_is_help=True, help="Simulated laboratories on loopback sockets.")
app.add_typer(sim, name="sim")
new = typer.Typer(no_args_is_help=True, help="Starting points that run at once.")
app.add_typer(new, name="new")


class Target(StrEnum):
    """Where documents go."""

    JSONL = "jsonl"
    TILED = "tiled"


LabPath = Annotated[Path, typer.Argument(help="The laboratory file (YAML).")]
By = Annotated[str, typer.Option(help="Who does it.")]


@sim.command(epilog="Example: sdl sim up labs/loopback.yaml")
def up(
    lab: LabPath,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the file with the ports that were taken (for port 0) here."),
    ] = None,
    world: Annotated[
        Path | None,
        typer.Option(help="Keep the virtual world in this file; one that is there goes on."),
    ] = None,
) -> None:
    """Starts a simulator for every station, until Ctrl-C.

    The instruments speak their real protocols on this machine's loopback; a virtual world stands
    behind them. A controller may come, be killed and come back: the laboratory goes on.
    """
    from sdl.core.extras import require_extra

    require_extra("twin", "a simulated laboratory", "numba", "scipy")
    from sdl.cli.laboratories import simulate

    simulate(lab, out, world)


@new.command(epilog="Example: sdl new instrument ball_mill --out plugins")
def instrument(
    name: Annotated[str, typer.Argument(help="Of the package, as ball_mill.")],
    out: Annotated[Path, typer.Option(help="Folder in which the package's own is made.")] = Path(),
) -> None:
    """Writes a package with a driver, its simulator and the contract tests of both.

    It works as it is written; then its protocol is replaced by the one of your instrument. What is
    there already is never overwritten. See docs/drivers.md.
    """
    from sdl.cli.new import describe_new, new_instrument

    typer.echo(describe_new(new_instrument(name, out)))


@app.command(epilog="Example: sdl release runs/first furnace_1 --by 'A. Chemist'")
def release(
    folder: RunFolder,
    station: Annotated[str, typer.Argument(help="A quarantined station, or all.")],
    by: By = "",
) -> None:
    """Puts a quarantined station back to work and resets its interlocks; the campaign is paused.

    Look at the station first: it was stopped for a reason, which `sdl status` tells. Take out the
    vials that were given up there: they count as taken out from now on.
    """
    from sdl.campaign.persons import release_station

    typer.echo(release_station(folder, station, by))


@app.command(epilog="Example: sdl answer labs/inbox c12 balance_after_mg=1412.3 --by 'A. Chemist'")
def answer(
    inbox: Annotated[Path, typer.Argument(help="Folder of the requests to persons.")],
    request: Annotated[str, typer.Argument(help="Name of the request, as c12.")],
    values: Annotated[list[str] | None, typer.Argument(help="As mass_mg=12.3 or done.")] = None,
    by: By = "",
) -> None:
    """Answers a request of a station where a person does the work."""
    from sdl.cli.answer import answer as write_answer

    typer.echo(write_answer(inbox, request, values or [], by))


@app.command(epilog="Example: sdl control runs/first balance-weekly 1000.2 --by 'A. Chemist'")
def control(
    folder: RunFolder,
    name: Annotated[str, typer.Argument(help="A control of the laboratory file.")],
    value: Annotated[float, typer.Argument(help="What was found.")],
    by: By = "",
) -> None:
    """Enters the result of a control of a paused campaign; drift keeps the station quarantined."""
    from sdl.campaign.persons import enter_control

    typer.echo(enter_control(folder, name, value, by))


@app.command(epilog="Example: sdl commission lab.yaml furnace_1 --item stop --by 'A. Chemist'")
def commission(
    lab: LabPath,
    station: Annotated[str, typer.Argument(help="A station of the file.")],
    item: Annotated[list[str] | None, typer.Option(help="An item that was looked at.")] = None,
    by: By = "",
) -> None:
    """Lists what must be looked at before a real station is commanded, and ticks items off.

    Exits 0 when the station is commissioned, 3 while items are missing.
    """
    from sdl.cli.laboratories import commission_station

    words, complete = commission_station(lab, station, item or [], by)
    typer.echo(words)
    raise typer.Exit(0 if complete else 3)


@app.command(epilog="Example: sdl estop labs/loopback.yaml --reason 'smoke' --by 'A. Chemist'")
def estop(
    lab: LabPath,
    reason: Annotated[str, typer.Option(help="Why; every controller is told.")] = "",
    by: By = "",
    reset: Annotated[bool, typer.Option(help="Lift the stop after everything was looked at.")] = (
        False
    ),
) -> None:
    """Stops every instrument of a laboratory at once, whoever drives it, and keeps it stopped.

    Works beside a running controller, which starts nothing more. Exits 0 when every instrument
    confirmed within five seconds, 1 when one did not: use the hardware's own stop then.
    """
    from sdl.campaign.emergency import emergency_stop

    words, safe = emergency_stop(lab, reason, by, reset=reset)
    typer.echo(words)
    raise typer.Exit(0 if safe else 1)


@app.command(epilog="Example: sdl documents runs/first --to jsonl --check")
def documents(
    folder: RunFolder,
    to: Annotated[Target, typer.Option(help="Where they go.")] = Target.JSONL,
    out: Annotated[
        Path | None, typer.Option(help="jsonl: folder of the files; RUN/documents if left out.")
    ] = None,
    uri: Annotated[
        str | None, typer.Option(help="tiled: the server; its key is in TILED_API_KEY.")
    ] = None,
    follow: Annotated[bool, typer.Option(help="Go on until Ctrl-C, whatever the target does.")] = (
        False
    ),
    check: Annotated[
        bool, typer.Option(help="Read every run back and compare it with the journal.")
    ] = False,
    again: Annotated[bool, typer.Option(help="Walk all runs again, refused ones too.")] = False,
) -> None:
    """Takes the Bluesky documents of a campaign to JSON lines or to a Tiled server.

    Works beside a running controller and never in its way. A killed export goes on where it was;
    what is there already counts as done. Exits 0 when the target has every run that is over, 1
    when it has not, or when --check found a difference.
    """
    from sdl.cli.documents import export_documents

    raise typer.Exit(
        export_documents(
            folder, to=to.value, out=out, uri=uri, follow=follow, check=check, again=again
        )
    )

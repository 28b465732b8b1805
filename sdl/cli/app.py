"""The verbs of ``sdl`` and their options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="sdl",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Controller for self-driving laboratories that make inorganic materials.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong input, 3 paused or waiting for a person.",
)

CampaignFile = Annotated[Path, typer.Argument(help="The campaign file (YAML).")]
RunFolder = Annotated[Path, typer.Argument(help="Folder of the campaign, as runs/demo.")]
LeaveAfter = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        metavar="MIN",
        help="With a laboratory file: leave a machine that works for longer than so many minutes "
        "more to itself; exits 3 and says when to resume.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        from sdl import __version__

        typer.echo(f"solid-state-sdl {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Controller for self-driving laboratories that make inorganic materials."""


def print_json(value: Any) -> None:
    """Prints a value for programs."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False))


@app.command(epilog="Example: sdl run campaign.yaml --out runs/first")
def run(
    campaign: CampaignFile,
    out: Annotated[Path | None, typer.Option(help="Folder for the journal and the report.")] = None,
    lab: Annotated[
        Path | None, typer.Option(help="A laboratory file, instead of the campaign's `lab`.")
    ] = None,
    shadow: Annotated[
        bool, typer.Option(help="With a laboratory file: a person acts, nothing is commanded.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option(help="Move an earlier campaign in the folder aside and start anew.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**53 - 1, help="Instead of the file's seed.")
    ] = None,
    leave_after: LeaveAfter = None,
    report: Annotated[bool, typer.Option(help="Write report.html at the end.")] = True,
) -> None:
    """Runs a campaign from its file: designs, makes, measures, learns, repeats."""
    from sdl.cli.campaigns import run_campaign

    raise typer.Exit(
        run_campaign(
            campaign,
            out,
            lab=lab,
            shadow=shadow,
            fresh=fresh,
            seed=seed,
            with_report=report,
            leave_after_min=leave_after,
        )
    )


@app.command(epilog="Example: sdl resume runs/first --approve P3 --by 'A. Chemist'")
def resume(
    folder: RunFolder,
    approve: Annotated[
        list[str] | None, typer.Option(help="Let a waiting proposal through, as P3.")
    ] = None,
    reject: Annotated[list[str] | None, typer.Option(help="Turn a waiting proposal down.")] = None,
    by: Annotated[str, typer.Option(help="Who approves or rejects.")] = "",
    repair: Annotated[
        bool, typer.Option(help="Move the damaged tail of the journal aside first.")
    ] = False,
    leave_after: LeaveAfter = None,
    report: Annotated[bool, typer.Option(help="Write report.html at the end.")] = True,
) -> None:
    """Takes a paused, killed or waiting campaign up where its journal ends."""
    from sdl.cli.campaigns import resume_campaign

    raise typer.Exit(
        resume_campaign(
            folder,
            approve=approve or [],
            reject=reject or [],
            by=by,
            repair=repair,
            with_report=report,
            leave_after_min=leave_after,
        )
    )


@app.command(epilog="Example: sdl status runs/first --json")
def status(folder: RunFolder, as_json: AsJson = False) -> None:
    """Shows where a campaign stands; works beside a running controller."""
    from sdl.cli.campaigns import describe_status, read_status

    found = read_status(folder)
    if as_json:
        print_json(found)
    else:
        typer.echo(describe_status(found))


@app.command(epilog="Example: sdl validate campaign.yaml")
def validate(campaign: CampaignFile, as_json: AsJson = False) -> None:
    """Checks a campaign file and its task without starting anything."""
    from sdl.campaign.opening import read_config

    config, task = read_config(campaign)
    if as_json:
        print_json({"campaign": config.name, "task": task.name, "task_hash": task.hash})
        return
    limits = config.budget
    experiments = limits.experiments or task.budget.experiments
    typer.echo(
        f"{campaign} is valid: {task.title}; policy {config.policy}, lab {config.lab}, "
        f"at most {experiments} experiments, {config.in_flight} at a time (task {task.hash[:12]})"
    )


@app.command(epilog="Example: sdl report runs/first")
def report(
    folder: RunFolder,
    out: Annotated[Path | None, typer.Option(help="Where to write the page.")] = None,
) -> None:
    """Writes the campaign as one self-contained HTML page."""
    from sdl.cli.campaigns import write_report

    typer.echo(f"wrote {write_report(folder, out)}")


@app.command(epilog="Example: sdl schema campaign > campaign.schema.json")
def schema(
    what: Annotated[
        str, typer.Argument(help="campaign, lab, task, recipe, simulation or train.")
    ] = "campaign",
) -> None:
    """Prints the JSON Schema of a file, for completion in YAML editors."""
    from agents.learning.config import TrainConfig
    from sdl.campaign.config import CampaignConfig
    from sdl.core.errors import ConfigError
    from sdl.core.lab import LabFile
    from sdl.core.recipe import Recipe
    from sdl.core.schema import json_schema
    from sdl.tasks.task import Task
    from simulators.recipe_file import RecipeFile

    models = {
        "campaign": CampaignConfig,
        "lab": LabFile,
        "task": Task,
        "recipe": Recipe,
        "simulation": RecipeFile,
        "train": TrainConfig,
    }
    if what not in models:
        raise ConfigError("there is no such schema", got=repr(what), allowed=", ".join(models))
    typer.echo(json_schema(models[what]), nl=False)


@app.command(epilog="Example: sdl doctor --lab labs/loopback.yaml")
def doctor(
    system: Annotated[
        str | None, typer.Option(help="Name, or path of your own system file; all if left out.")
    ] = None,
    lab: Annotated[
        Path | None, typer.Option(help="Check the instruments of this laboratory file instead.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Checks chemical systems: elements, energies, structures, sources, priors.

    With --lab: connects to every instrument of a laboratory, identifies and reads it, compares its
    limits with the file's; moves nothing. Exits 0 when every check passed (warnings are told), 1
    when one failed.
    """
    if lab is not None:
        from sdl.core.extras import require_extra

        require_extra("lab", "a laboratory of instruments", "bluesky", "ophyd", "pymodbus")
        from sdl.cli.laboratories import examine_lab, show_lab

        findings = examine_lab(lab)
        if as_json:
            print_json([f.model_dump(mode="json") for f in findings])
        else:
            show_lab(lab, findings)
        raise typer.Exit(int(any(f.state == "failed" for f in findings)))
    from sdl.cli.doctor import examine_systems, show, to_json

    examinations = examine_systems(system)
    if as_json:
        print_json(to_json(examinations))
    else:
        show(examinations, with_priors=system is not None)
    raise typer.Exit(int(any(each.failed for each in examinations)))


@app.command(epilog="Example: sdl simulate sdl/templates/batio3-air.yaml --lab 7")
def simulate(
    recipe: Annotated[Path, typer.Argument(help="The recipe file (YAML).")],
    system: Annotated[
        str | None, typer.Option(help="Another chemical system than the file's: name or path.")
    ] = None,
    lab: Annotated[
        str, typer.Option(help="nominal, or a number: figures drawn within their widths.")
    ] = "nominal",
    out: Annotated[
        Path | None, typer.Option(help="Folder for the page and the CSV; runs/simulate-NAME.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Simulates one recipe: phases against time and temperature, and the powder pattern."""
    from sdl.core.extras import require_extra

    require_extra("twin", "a simulation", "numba", "scipy")
    require_extra("report", "the page of a simulation", "plotly", "jinja2")
    from sdl.cli.simulate import show, simulate_recipe, to_json

    simulation, files = simulate_recipe(recipe, system, lab, out)
    if as_json:
        print_json(to_json(simulation, files))
    else:
        show(simulation, files)

"""The verbs of ``sdl`` and their options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from sdl.cli.bench_help import BENCH_HELP

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


def _print_json(value: Any) -> None:
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
    report: Annotated[bool, typer.Option(help="Write report.html at the end.")] = True,
) -> None:
    """Runs a campaign from its file: designs, makes, measures, learns, repeats."""
    from sdl.cli.campaigns import run_campaign

    raise typer.Exit(
        run_campaign(
            campaign, out, lab=lab, shadow=shadow, fresh=fresh, seed=seed, with_report=report
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
        )
    )


@app.command(epilog="Example: sdl status runs/first --json")
def status(folder: RunFolder, as_json: AsJson = False) -> None:
    """Shows where a campaign stands; works beside a running controller."""
    from sdl.cli.campaigns import describe_status, read_status

    found = read_status(folder)
    if as_json:
        _print_json(found)
    else:
        typer.echo(describe_status(found))


@app.command(epilog="Example: sdl validate campaign.yaml")
def validate(campaign: CampaignFile, as_json: AsJson = False) -> None:
    """Checks a campaign file and its task without starting anything."""
    from sdl.campaign.opening import read_config

    config, task = read_config(campaign)
    if as_json:
        _print_json({"campaign": config.name, "task": task.name, "task_hash": task.hash})
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


@app.command(help=BENCH_HELP, epilog="Example: sdl bench routes --seeds 30 --json")
def bench(
    name: Annotated[
        str,
        typer.Argument(
            help="physics, env, throughput, gpu, train, targets, response, offline, adapt, "
            "loop, crash, routes, safety, wire or faults."
        ),
    ],
    as_json: AsJson = False,
    seeds: Annotated[int | None, typer.Option(min=1, help="Laboratories, kills or seeds.")] = None,
    quick: Annotated[bool, typer.Option(help="A smaller run of the same kind.")] = False,
    stored: Annotated[
        bool, typer.Option(help="train, targets: judge the shipped policies.")
    ] = False,
    table: Annotated[Path | None, typer.Option(help="routes: another table (CSV).")] = None,
    target: Annotated[str | None, typer.Option(help="routes: the target in it.")] = None,
    system: Annotated[
        str | None, typer.Option(help="physics: gates of this chemical system alone.")
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(help="physics, response: folder for the plots.")
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(help="safety: a trained policy, unmasked. adapt: the unadapted policy."),
    ] = None,
) -> None:
    """Measures the program; exits 0 when the bench ran, whatever its gates say."""
    from sdl.bench.registry import Asked, run_bench

    asked = Asked(
        quick=quick,
        seeds=seeds,
        stored=stored,
        table=table,
        target=target,
        system=system,
        plots=plots,
        policy=policy,
    )
    result = run_bench(name, asked)
    if as_json:
        typer.echo(result.to_json())
    else:
        typer.echo(result.to_text())


@app.command("eval", epilog="Example: sdl eval cem --against random,published,fixed")
def evaluate(
    policy: Annotated[str, typer.Argument(help="A baseline's name or a trained policy's path.")],
    against: Annotated[
        str, typer.Option(help="Names of baselines or paths, separated by commas.")
    ] = "random,published,fixed,oracle",
    task: Annotated[str, typer.Option(help="Name of a task, or path of its file.")] = (
        "batio3-coarse"
    ),
    laboratories: Annotated[
        int | None, typer.Option(min=2, help="Judged laboratories; all 500 if left out.")
    ] = None,
    samples: Annotated[
        int, typer.Option(min=1, max=64, help="Samples of each laboratory, one after the other.")
    ] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the figure and the table of rollouts.")
    ] = None,
    logs: Annotated[
        Path | None,
        typer.Option(help="Judge from this data set of `sdl export` alone: nothing is played."),
    ] = None,
    drawn: Annotated[
        bool, typer.Option(help="With --logs: choices drawn from the policy, not the likeliest.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Judges a policy on fixed laboratories that nothing was trained on, or from logs.

    Baselines: random, sobol, published, ranked (by driving force), fixed (best fixed recipe), bayes
    (Bayesian with the twin), cem (planning on the belief), oracle (planning on the truth). Scores
    are (A - random) / (oracle - random), paired by laboratory. The first call for a task searches
    its oracle, which takes minutes; the figures are kept.

    --logs tells a policy's mean return from what another one did, with a 90 % interval, before it
    meets a furnace; the logs need the probabilities of their choices (three minutes).
    """
    from sdl.core.extras import require_extra

    require_extra("twin", "an evaluation", "numba", "scipy")
    if logs is not None or drawn:
        require_extra("rl", "an evaluation from logs", "torch", "minari", "h5py", "safetensors")
        from sdl.cli.logs import judge_from_logs, show_judgement

        judged = judge_from_logs(policy, logs, drawn=drawn)
        _print_json(judged) if as_json else show_judgement(judged)
        return
    require_extra("report", "the figure of an evaluation", "plotly")
    from sdl.cli.evaluate import evaluate_policy, show, to_json

    found, files = evaluate_policy(policy, against, task, laboratories, out, samples)
    _print_json(to_json(found, files)) if as_json else show(found, files)


@app.command(epilog="Example: sdl export runs/first --out logs/first")
def export(
    source: Annotated[
        str,
        typer.Argument(help="A campaign's folder, a policy file, random, or published."),
    ],
    out: Annotated[Path, typer.Option(help="New folder of the data set.")],
    task: Annotated[str, typer.Option(help="Of simulations: a task's name, or its file.")] = (
        "batio3-coarse"
    ),
    episodes: Annotated[int, typer.Option(help="Of simulations and published recipes.")] = 2000,
    epsilon: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of even choices mixed into a policy.")
    ] = 0.0,
    split: Annotated[str, typer.Option(help="Laboratories of simulations: train or tune.")] = (
        "train"
    ),
    seed: Annotated[int, typer.Option(min=0, max=2**53 - 1, help="Of simulations.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Writes a campaign, simulated episodes or published recipes as a Minari data set.

    Campaigns are told with what was measured, never with the truth, and without probabilities.
    Simulations hold the probability of every choice, which `sdl eval --logs` needs. Published
    recipes are a prior for cloning: they hold no reward.
    """
    from sdl.core.extras import require_extra

    require_extra("twin", "an export", "numba", "scipy")
    require_extra("rl", "an export", "torch", "minari", "h5py", "safetensors")
    from sdl.cli.logs import export_logs, show_export

    found = export_logs(
        source, out, task=task, episodes=episodes, epsilon=epsilon, split=split, seed=seed
    )
    if as_json:
        _print_json(found)
    else:
        show_export(found)


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
            _print_json([f.model_dump(mode="json") for f in findings])
        else:
            show_lab(lab, findings)
        raise typer.Exit(int(any(f.state == "failed" for f in findings)))
    from sdl.cli.doctor import examine_systems, show, to_json

    examinations = examine_systems(system)
    if as_json:
        _print_json(to_json(examinations))
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
        _print_json(to_json(simulation, files))
    else:
        show(simulation, files)


@app.command(epilog="Example: sdl train sdl/templates/train.yaml --seeds 2 --out runs/ppo")
def train(
    file: Annotated[Path, typer.Argument(help="The training file (YAML).")],
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Seeds 0, 1, ... instead of the file's.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the runs; runs/NAME.")] = None,
    fresh: Annotated[
        bool, typer.Option(help="Move earlier runs in the folder aside and start anew.")
    ] = False,
    tune: Annotated[
        int | None,
        typer.Option(min=1, help="Search settings instead: so many trainings, judged apart."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Learns policies in simulated laboratories; stopped runs go on from their checkpoints.

    With --tune, settings of maskable_ppo are searched (Optuna): each trial trains seed 0 of the
    file with other settings and is judged in tuning laboratories, which train and judge nothing
    else. A stopped search goes on.
    """
    from sdl.core.extras import require_extra

    require_extra("twin", "training", "numba", "scipy")
    require_extra(
        "rl", "training", "torch", "gymnasium", "stable_baselines3", "sb3_contrib", "safetensors",
        "onnx", "tensorboard",
    )  # fmt: skip
    require_extra("report", "the learning curve", "plotly")
    from sdl.cli.train import search, show
    from sdl.cli.train import train as train_file

    if tune is not None:
        require_extra("rl", "a search of settings", "optuna")
        found = search(file, out, trials=tune, fresh=fresh, quiet=as_json)
        if as_json:
            _print_json(found)
        return
    summary = train_file(file, out, seeds=seeds, fresh=fresh, quiet=as_json)
    if as_json:
        _print_json(summary)
    else:
        show(summary)

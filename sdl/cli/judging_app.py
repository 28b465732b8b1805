"""The verbs that measure, judge and train; each is added to ``sdl.cli.app``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sdl.cli.app import AsJson, app, print_json
from sdl.cli.bench_help import BENCH_HELP


@app.command(help=BENCH_HELP, epilog="Example: sdl bench routes --seeds 30 --json")
def bench(
    name: Annotated[
        str,
        typer.Argument(
            help="physics, env, throughput, gpu, train, targets, response, offline, adapt, "
            "loop, crash, routes, safety, wire, faults, instruments or sequences."
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
        print_json(judged) if as_json else show_judgement(judged)
        return
    require_extra("report", "the figure of an evaluation", "plotly")
    from sdl.cli.evaluate import evaluate_policy, show, to_json

    found, files = evaluate_policy(policy, against, task, laboratories, out, samples)
    print_json(to_json(found, files)) if as_json else show(found, files)


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
        print_json(found)
    else:
        show_export(found)


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
            print_json(found)
        return
    summary = train_file(file, out, seeds=seeds, fresh=fresh, quiet=as_json)
    if as_json:
        print_json(summary)
    else:
        show(summary)

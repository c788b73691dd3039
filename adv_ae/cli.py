"""The command `adv-ae`: list, train, evaluate, sample, reproduce."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from adv_ae import __version__

if TYPE_CHECKING:
    from adv_ae.recipes import Recipe
    from adv_ae.runs import Machine

# Heavy modules are imported by the command that needs them: `--help` is instant.

EXAMPLES = """\
examples:
  adv-ae list
  adv-ae train aae --data digits --steps 2000 --out runs/aae
  adv-ae train aae --data mnist --latent 8 --lr G=5e-4,D=5e-4 --out runs/mnist
  adv-ae train aae/semi-supervised-100 --size short
  adv-ae reproduce aae/table2 --size paper --seeds 5
  adv-ae evaluate runs/aae --split test
  adv-ae sample runs/aae --n 64 --out samples.png
  adv-ae sample aae/mnist-style
on 8 GPUs, by torchrun: one run on all of them, or a run on each
  torchrun --nproc-per-node 8 -m adv_ae train ali/cifar10-4000 --size paper
  torchrun --nproc-per-node 8 -m adv_ae reproduce aae --size paper --seeds 5
"""


class _Parser(argparse.ArgumentParser):
    """One line of error, exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number


def _seed(text: str) -> int:
    if not text.isdigit() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def _widths(text: str) -> tuple[int, ...]:
    return tuple(_positive(width) for width in text.split(","))


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return rate


def _rates(text: str) -> float | dict[str, float]:
    """`1e-3`, or `D=1e-3,G=5e-4`."""
    if "=" not in text:
        return _rate(text)
    pairs = [pair.partition("=") for pair in text.split(",")]
    return {player: _rate(rate) for player, _, rate in pairs}


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    top = _Parser(
        prog="adv-ae",
        description="Adversarial autoencoders, ALI, BiGAN and their relatives.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    commands.add_parser(
        "list", help="methods, data sets, trained models, the papers' experiments"
    )

    p = commands.add_parser("train", help="train a method into a new run folder")
    p.add_argument(
        "method", metavar="METHOD", help="a method or an experiment of `adv-ae list`"
    )
    p.add_argument(
        "--out",
        metavar="DIR",
        help="run folder (default: of an experiment runs/EXPERIMENT/SIZE-SEED)",
    )
    p.add_argument(
        "--size", help="of an experiment: small (default), short or paper; see `list`"
    )
    p.add_argument("--data", help="data set (default: digits)")
    p.add_argument("--steps", type=_positive, help="default: 2000")
    p.add_argument("--batch-size", type=_positive, metavar="N", help="default: 100")
    p.add_argument(
        "--labels",
        type=_positive,
        metavar="N",
        help="examples that keep their label (default: all)",
    )
    p.add_argument(
        "--heads", type=_positive, metavar="N", help="of y: clusters or classes"
    )
    p.add_argument(
        "--lr",
        type=_rates,
        help="learning rate of all players (1e-3), or of some (D=1e-3,G=5e-4)",
    )
    p.add_argument(
        "--constant",
        action="store_true",
        help="keep the learning rates; else they fall to 0 over the second half",
    )
    p.add_argument("--seed", type=_seed, default=0, help="default: 0")
    p.add_argument("--latent", type=_positive, metavar="N", help="dimension of z")
    p.add_argument("--posterior", help="deterministic, gaussian, universal or signs")
    p.add_argument("--prior", help="normal, uniform, mixture or swiss-roll")
    p.add_argument("--networks", help="mlp (default), bigan, or ali-cifar10, ...")
    p.add_argument(
        "--hidden",
        type=_widths,
        metavar="N,N",
        help="hidden widths (default: 1000,1000 for 784 pixels, else 128,128)",
    )
    p.add_argument(
        "--every",
        type=_positive,
        metavar="N",
        help="steps between checkpoints (default: 1000)",
    )
    p.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in DIR, given the same options; a finished one stays",
    )
    _of_machine(p)

    p = commands.add_parser("evaluate", help="figures of a run on held-out data")
    p.add_argument("dir", metavar="DIR", help="run folder, or a model of the zoo")
    p.add_argument("--split", default="test", help="test (default), valid or train")
    p.add_argument("--device", help="as in train")

    p = commands.add_parser(
        "reproduce", help="run rows of the papers' tables into results/"
    )
    p.add_argument(
        "rows",
        metavar="ROWS",
        help="an experiment, a table (aae/table2), a paper (aae)",
    )
    p.add_argument("--size", default="small", help="small (default), short or paper")
    p.add_argument("--seeds", type=_positive, default=5, metavar="N", help="default: 5")
    p.add_argument(
        "--length",
        type=_rate,
        default=1.0,
        metavar="TIMES",
        help="of a run, in lengths of its size (default: 1)",
    )
    p.add_argument(
        "--time-limit",
        type=_rate,
        metavar="SECONDS",
        help="then stop with a checkpoint; the same command goes on from there",
    )
    p.add_argument("--results", default="results", metavar="DIR", help="of JSON files")
    p.add_argument("--runs", default="runs", metavar="DIR", help="of run folders")
    _of_machine(p)

    p = commands.add_parser("sample", help="draw from a run into a picture")
    p.add_argument("dir", metavar="DIR", help="run folder, or a model of the zoo")
    p.add_argument("--n", type=_positive, default=64, help="how many (default: 64)")
    p.add_argument("--seed", type=_seed, default=0, help="default: 0")
    p.add_argument(
        "--out",
        metavar="PNG",
        help="default: DIR/samples-SEED.png; of the zoo it is put here",
    )
    return top


def _of_machine(p: argparse.ArgumentParser) -> None:
    """Options of what trains."""
    p.add_argument("--device", help="cpu, cuda, ... (default: cuda if there is one)")
    p.add_argument(
        "--threads",
        type=_positive,
        metavar="N",
        help="of the CPU (default: 1 for hidden layers below 512, which run faster on "
        "one; else torch's own)",
    )
    p.add_argument(
        "--precision",
        help="of products: highest, high, medium or bfloat16 (default: as torch says)",
    )
    p.add_argument(
        "--compile", action="store_true", help="networks by torch.compile (for GPUs)"
    )
    p.add_argument(
        "--no-capture",
        action="store_true",
        help="do not replay steps as a CUDA graph (to find an error in one)",
    )
    p.add_argument("--quiet", action="store_true", help="no bar, no figures")


def _list(args: argparse.Namespace) -> None:
    from adv_ae import data, results, zoo
    from adv_ae.recipes import EXPERIMENTS, METHODS

    print("methods")
    for name, method in METHODS.items():
        print(f"  {name:24}{method.summary} ({method.paper})")
    print("\ndata sets")
    for name in data.NAMES:
        print(f"  {name:24}{DATA[name]}")
    print("\nzoo, trained models in the package")
    for name, model in zoo.MODELS.items():
        print(f"  {name:30}{model.summary} ({model.data})")
    print("\nexperiments (sizes: small, short, paper); measured: those in results/")
    found = results.load()
    for name, row in EXPERIMENTS.items():
        print(f"  {name:30}{row.summary} ({row.source})")
        reported = row.reported or "shown as a figure"
        print(f"{'':32}{row.measure}; reported: {reported}")
        for size, values in results.measured(found, row).items():
            run = row.recipe(size, 0)
            few = f", {run.labels} labels" if run.labels else ""
            where = f"{size} ({run.data}{few})"
            print(f"{'':32}measured, {where}: {results.show(row, values)}")


DATA = {
    "digits": "1,797 digits, 8x8 (Alpaydin and Kaynak 1998, from scikit-learn)",
    "glyphs": "60,000 digits drawn from fonts, 28x28, with their factors (made here)",
    "mnist": "70,000 digits, 28x28 (LeCun et al. 1998)",
    "fashion-mnist": "70,000 articles of clothing, 28x28 (Xiao et al. 2017)",
    "binarized-mnist": "MNIST of 0 and 1 (Salakhutdinov and Murray 2008)",
    "cifar10": "60,000 photographs in color, 32x32 (Krizhevsky 2009)",
    "svhn": "99,289 house numbers in color, 32x32 (Netzer et al. 2011)",
    "svhn-extra": "the same, its train split the 531,131 easier ones",
    "svhn-fragment": "1,083 of them, to try code on",
    "gaussian-grid": "25 Gaussians in the plane (Dumoulin et al. 2017, section 4.5)",
    "gaussian-ring": "8 Gaussians on a circle",
    "swiss-roll": "a spiral in the plane (scikit-learn's, seen along its axis)",
    "two-moons": "two half circles in the plane (scikit-learn's)",
}


CHOICES = (  # options of `train` that are options of `recipe`, where they are given
    "steps",
    "batch_size",
    "lr",
    "latent",
    "posterior",
    "prior",
    "hidden",
    "every",
    "labels",
    "heads",
    "networks",
    "constant",
)


def _train(args: argparse.Namespace) -> None:
    from adv_ae import data, recipes, runs
    from adv_ae.ranks import joined

    row = recipes.named(args.method)
    if row is None and args.size:
        raise ValueError(
            "--size is of experiments; a method takes --steps, --hidden ..."
        )
    if row is None and not args.out:
        raise ValueError("a method wants a run folder: --out DIR.")
    size = args.size or "small"
    own = row.options(size, args.seed) if row else {"data": "digits"}
    usual = own.pop("data")
    name = args.data or usual
    recipes.known(name, data.NAMES, "data set")
    machine = _machine(args)
    dataset = data.load(name)
    asked = {key: getattr(args, key) for key in CHOICES if getattr(args, key)}
    if row and isinstance(args.lr, dict):  # the other players keep the row's
        asked["lr"] = {**row.recipe(size, args.seed).lr, **args.lr}
    recipe = recipes.recipe(
        row.method if row else args.method,
        dataset.name,
        dataset.shape,
        **(own | {"seed": args.seed} | asked),
    )
    if recipe.examples is not None:
        dataset = recipe.dataset()
    out = args.out or f"runs/{args.method}/{size}-{args.seed}"
    _threads(args.threads, recipe)
    with joined(machine.device) as ranks:
        report = runs.train(
            recipe,
            dataset,
            out,
            resume=args.resume,
            machine=machine,
            progress=not args.quiet,
        )
    if not args.quiet and ranks.rank == 0:
        print(f"{report['steps']} steps, {report['steps_per_second']:g} a second")
        for split in ("valid", "test"):
            _show(report[split], split)
        print(f"{out}: {', '.join(sorted(os.listdir(out)))}")


def _threads(asked: int | None, recipe: "Recipe") -> None:
    """Small networks run faster on one thread."""
    import torch

    threads = asked or (1 if max(recipe.setup.hidden) < 512 else None)
    if threads:
        torch.set_num_threads(threads)


def _reproduce(args: argparse.Namespace) -> None:
    from adv_ae import recipes, results
    from adv_ae.ranks import launched

    rows = recipes.rows(args.rows)
    _threads(args.threads, rows[0].recipe(args.size, 0))
    done = results.reproduce(
        rows,
        args.size,
        args.seeds,
        length=args.length,
        results=Path(args.results),
        folder=Path(args.runs),
        machine=_machine(args),
        progress=not args.quiet and launched().rank == 0,
        time_limit=args.time_limit,
        ranks=launched(),
    )
    if not done:
        print("the time limit was reached; the same command goes on from here")


def _evaluate(args: argparse.Namespace) -> None:
    from adv_ae import recipes, runs
    from adv_ae.evaluation import SPLITS

    split = recipes.known(args.split, SPLITS, "split")
    _show(runs.measure(_folder(args.dir), split, _device(args.device)), split)


def _sample(args: argparse.Namespace) -> None:
    from adv_ae import runs

    folder = _folder(args.dir)
    out = args.out
    if out is None and folder != Path(args.dir):  # the zoo stays as it is
        out = f"{args.dir.replace('/', '-')}-samples-{args.seed}.png"
    print(runs.sample(folder, args.n, args.seed, out))


def _folder(name: str) -> Path:
    """A run folder, or that of a model of the zoo."""
    from adv_ae import zoo

    return zoo.path(name) if name in zoo.MODELS else Path(name)


def _show(figures: dict[str, float], split: str) -> None:
    for name, value in figures.items():
        print(f"{split:6}{name:28}{value:.4f}")


def _machine(args: argparse.Namespace) -> "Machine":
    """What the options say."""
    from adv_ae import recipes
    from adv_ae.precision import PRECISIONS
    from adv_ae.runs import Machine

    asked = args.precision
    return Machine(
        _device(args.device),
        asked and recipes.known(asked, PRECISIONS, "precision"),
        False if args.no_capture else None,
        args.compile,
    )


def _device(name: str | None) -> str:
    """The device of that name, or the best there is; under torchrun a GPU a process."""
    import torch

    from adv_ae.ranks import local_device

    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    name = local_device(name)
    try:
        torch.zeros(1, device=name).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first = str(error).splitlines()[0]
        raise ValueError(f"--device {name} cannot be used here: {first}") from None
    return name


# Commands that all ranks work at; the first one does others.
SHARED = ("train", "reproduce")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: what stands after `adv-ae`; None: of this process.

    Returns:
        Exit code: 0; 1, a loss is no longer finite or another rank has ended; 2,
        something was asked for that cannot be; 130, Ctrl-C.
    """
    try:
        args = parser().parse_args(argv)
    except SystemExit as stop:  # of --help, --version and errors
        return int(stop.code or 0)
    from adv_ae.data import DataError
    from adv_ae.ranks import RankLost, launched
    from adv_ae.runs import RunError
    from adv_ae.training import TrainingError

    commands = {
        "list": _list,
        "train": _train,
        "evaluate": _evaluate,
        "sample": _sample,
        "reproduce": _reproduce,
    }
    rank = launched().rank
    if rank and args.command not in SHARED:
        return 0
    who = f"adv-ae {args.command}" + (f", rank {rank}" if rank else "")
    try:
        commands[args.command](args)
    except KeyboardInterrupt:
        print(f"\n{who}: stopped; a run goes on with --resume", file=sys.stderr)
        return 130
    except (RankLost, TrainingError) as error:
        print(f"{who}: error: {error}", file=sys.stderr)
        return 1
    except (DataError, RunError, ValueError, OSError) as error:
        print(f"{who}: error: {error}", file=sys.stderr)
        return 2
    return 0

"""Break one line at a time and see who notices: a test, and a notebook.

    python scripts/mutants.py                  # every mutant; a quarter of an hour
    python scripts/mutants.py kl-sign aae-g    # some

A mutant is one line of the package with a bug that people really write: a flipped
sign, swapped labels, a sum for a mean, a standard deviation taken for a variance. Each
is made in a copy of the working tree, where the unit tests run until the first failure
and then the notebooks that teach the line. What noticed goes to book/_static/
mutants.csv, which the book shows. The command fails where a mutant lives.
"""

import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "book" / "_static" / "mutants.csv"
COLUMNS = ["mutant", "where", "what is broken", "test", "notebook"]
SKIP = shutil.ignore_patterns(".venv*", "_build", ".git", ".*_cache", "__pycache__")
# What has nothing to do with formulas, and takes long.
SLOW = (
    "benchmarks",
    "capture",
    "cli",
    "data",
    "explore",
    "form",
    "install",
    "mutants",
    "precision",
    "ranks",
    "recipes",
    "resume",
    "site",
    "streamed",
)


@dataclass(frozen=True)
class Mutant:
    """One line, broken.

    Attributes:
        name: for the command line.
        file: of the package.
        before, after: the line's text, and what stands there instead.
        broken: what that does, in words.
        notebooks: numbers of the chapters that should notice.
    """

    name: str
    file: str
    before: str
    after: str
    broken: str
    notebooks: tuple[str, ...]

    def apply(self, root: Path) -> None:
        """Break the line in a tree.

        Raises:
            ValueError: the line is not there exactly once.
        """
        path = root / "adv_ae" / self.file
        text = path.read_text()
        if text.count(self.before) != 1:
            raise ValueError(f"{self.name}: {self.before!r} is not in {path} once.")
        path.write_text(text.replace(self.before, self.after))


MUTANTS = [
    Mutant(
        "kl-sign",
        "games/vae.py",
        "(kl - self.p(z).log_prob(x)).mean()",
        "(-kl - self.p(z).log_prob(x)).mean()",
        "sign of the VAE's KL flipped",
        ("02", "03"),
    ),
    Mutant(
        "vae-sum",
        "games/vae.py",
        "(kl - self.p(z).log_prob(x)).mean()",
        "(kl - self.p(z).log_prob(x)).sum()",
        "the bound summed over the batch instead of averaged",
        ("02", "03"),
    ),
    Mutant(
        "vae-pixels",
        "games/vae.py",
        "(kl - self.p(z).log_prob(x)).mean()",
        "(kl - self.p(z).log_prob(x) / x.shape[1]).mean()",
        "log-likelihood averaged over pixels, the KL not",
        ("02", "03"),
    ),
    Mutant(
        "iwae-sign",
        "games/vae.py",
        'yield {"qp": -iwae(log_w).mean()}',
        'yield {"qp": iwae(log_w).mean()}',
        "the IWAE walks down its bound",
        ("02", "03"),
    ),
    Mutant(
        "iwae-k",
        "bounds.py",
        "log_w.logsumexp(0) - math.log(len(log_w))",
        "log_w.logsumexp(0)",
        "IWAE adds K weights up instead of averaging them",
        ("02", "03"),
    ),
    Mutant(
        "elbo-sum",
        "bounds.py",
        "return log_w.mean(0)",
        "return log_w.sum(0)",
        "ELBO: sum for mean over draws",
        ("02",),
    ),
    Mutant(
        "bound-k",
        "bounds.py",
        "return log_w.logsumexp(0) - math.log(len(log_w))",
        "return log_w.logsumexp(0)",
        "importance-weighted bound without - log K",
        ("02", "03"),
    ),
    Mutant(
        "weights-sign",
        "bounds.py",
        "return _log_joint(p, prior, x, z) - q_z.log_prob(z)",
        "return _log_joint(p, prior, x, z) + q_z.log_prob(z)",
        "importance weights: sign of log q flipped",
        ("02", "03"),
    ),
    Mutant(
        "entropy-sign",
        "bounds.py",
        "return Terms(log_lik, kl, q_z.entropy(), ce)",
        "return Terms(log_lik, kl, -q_z.entropy(), ce)",
        "sign of the bound's entropy term flipped",
        ("02",),
    ),
    Mutant(
        "surgery-sign",
        "bounds.py",
        "return Surgery((own - log_q).mean(0), (log_q - prior.log_prob(z)).mean(0))",
        "return Surgery((log_q - own).mean(0), (log_q - prior.log_prob(z)).mean(0))",
        "sign of the mutual information flipped",
        ("02",),
    ),
    Mutant(
        "dreg-detach",
        "bounds.py",
        "return (log_w.detach().softmax(0).square() * log_w).sum(0)",
        "return (log_w.softmax(0).square() * log_w).sum(0)",
        "DReG without its .detach()",
        ("02",),
    ),
    Mutant(
        "path-detach",
        "bounds.py",
        "_Normal(base.loc.detach(), base.scale.detach(), validate_args=False)",
        "_Normal(base.loc, base.scale, validate_args=False)",
        "sticking the landing without its .detach()",
        ("02",),
    ),
    Mutant(
        "quadrature-cell",
        "bounds.py",
        "total = torch.logaddexp(total, log_joint.logsumexp(1) + log_cell)",
        "total = torch.logaddexp(total, log_joint.logsumexp(1) - log_cell)",
        "quadrature divides by the cell's volume",
        ("03",),
    ),
    Mutant(
        "ais-sign",
        "annealing.py",
        "log_w += (b - before) * (log_end(z) - log_start(z))",
        "log_w -= (b - before) * (log_end(z) - log_start(z))",
        "sign of the annealed weights flipped",
        ("02",),
    ),
    Mutant(
        "posterior-sign",
        "linear_gaussian.py",
        "mean = torch.linalg.solve(M, self.W.T @ (x - self.b).T).T",
        "mean = torch.linalg.solve(M, self.W.T @ (x + self.b).T).T",
        "exact posterior: + b for - b",
        ("02",),
    ),
    Mutant(
        "free-energy-sign",
        "rbm.py",
        "return -(v @ self.b) - softplus(v @ self.W + self.c).sum(-1)",
        "return -(v @ self.b) + softplus(v @ self.W + self.c).sum(-1)",
        "sign in the RBM's free energy flipped",
        ("02",),
    ),
    Mutant(
        "prior-twice",
        "priors.py",
        "return self.loc + self.scale * torch.randn(",
        "return self.loc + 2**0.5 * self.scale * torch.randn(",
        "draws of the normal prior with twice the variance",
        ("00", "04"),
    ),
    Mutant(
        "prior-density",
        "priors.py",
        "_Normal(self.loc, self.scale, validate_args=False), 1, validate_args=False",
        "_Normal(self.loc, 2**0.5 * self.scale, validate_args=False), 1, "
        "validate_args=False",
        "density of the normal prior with twice the variance",
        ("02", "03"),
    ),
    Mutant(
        "swiss-roll-turns",
        "priors.py",
        "angle = 2 * math.pi * self.turns * root",
        "angle = math.pi * self.turns * root",
        "swiss roll with half its turns",
        ("04",),
    ),
    Mutant(
        "real-sign",
        "divergences.py",
        "return F.softplus(-logits).mean()  # -log sigmoid(l)",
        "return F.softplus(logits).mean()  # -log sigmoid(l)",
        "-log(1 - D) for -log D",
        ("00", "01", "04"),
    ),
    Mutant(
        "fake-sign",
        "divergences.py",
        "return F.softplus(logits).mean()  # -log(1 - sigmoid(l))",
        "return F.softplus(-logits).mean()  # -log(1 - sigmoid(l))",
        "-log D for -log(1 - D)",
        ("00", "01", "04"),
    ),
    Mutant(
        "js-sign",
        "divergences.py",
        "return value(on_real, on_fake) / 2 + LOG2",
        "return value(on_real, on_fake) / 2 - LOG2",
        "JS from the value: - log 2 for + log 2",
        ("01",),
    ),
    Mutant(
        "saturating-sign",
        "divergences.py",
        "return -logits.sigmoid()",
        "return logits.sigmoid()",
        "slope of the saturating loss upside down",
        ("01",),
    ),
    Mutant(
        "mmd-sign",
        "divergences.py",
        " - 2 * kernel(_squared(a, b)).mean()",
        " + 2 * kernel(_squared(a, b)).mean()",
        "sign of the MMD's cross term flipped",
        ("01", "04"),
    ),
    Mutant(
        "gan-g",
        "games/gan.py",
        '"G": real(on_p)}',
        '"G": fake(on_p)}',
        "the GAN's generator wants to be found out",
        ("01",),
    ),
    Mutant(
        "aae-d",
        "games/aae.py",
        "real(self.D(z, *given)) + fake(self.D(z_hat.detach(), *given))",
        "fake(self.D(z, *given)) + real(self.D(z_hat.detach(), *given))",
        "the AAE's D with real and fake swapped",
        ("00", "04"),
    ),
    Mutant(
        "aae-g",
        "games/aae.py",
        'yield {"G": real(self.D(z_hat, *given))}',
        'yield {"G": fake(self.D(z_hat, *given))}',
        "the AAE's encoder wants to be found out",
        ("00", "04"),
    ),
    Mutant(
        "aae-reconstruction",
        "games/aae.py",
        "-self.p(self.q(x).rsample()).log_prob(x).mean()}\n        yield",
        "self.p(self.q(x).rsample()).log_prob(x).mean()}\n        yield",
        "sign of the AAE's reconstruction flipped",
        ("00", "04"),
    ),
    Mutant(
        "aae-prior",
        "games/aae.py",
        "self.regularization(self.prior.sample(len(x)), x)\n\n    def",
        "self.regularization(0 * self.prior.sample(len(x)), x)\n\n    def",
        "the AAE's prior is one point",
        ("00", "04"),
    ),
    Mutant(
        "gmmn-ae-codes",
        "games/gmmn.py",
        'yield {"g": mmd2(z_hat, z, self.kernel)}',
        'yield {"g": -mmd2(z_hat, z, self.kernel)}',
        "GMMN+AE climbs the MMD",
        ("04",),
    ),
    Mutant(
        "wae-sign",
        "games/gmmn.py",
        "reconstruction + self.weight * mmd2(",
        "reconstruction - self.weight * mmd2(",
        "WAE rewards the MMD",
        ("04",),
    ),
    Mutant(
        "step-sign",
        "game.py",
        "w.grad = _as_it_lies(w, slope)",
        "w.grad = _as_it_lies(w, -slope)",
        "every player climbs its loss",
        ("00", "01"),
    ),
    Mutant(
        "std-variance",
        "conditionals.py",
        "scale = self.scale.expand_as(mean)",
        "scale = self.scale.sqrt().expand_as(mean)",
        "standard deviation taken for variance",
        ("00", "02"),
    ),
    Mutant(
        "units-sign",
        "metrics/codes.py",
        "return means.var(0) > threshold",
        "return means.var(0) < threshold",
        "active units: those that do not move",
        ("03",),
    ),
    Mutant(
        "parzen-width",
        "metrics/samples.py",
        "return torch.cat(blocks) - constant",
        "return torch.cat(blocks)",
        "Parzen window without its normalizing constant",
        ("04",),
    ),
    Mutant(
        "switch-component",
        "games/aae.py",
        "component = torch.where(known, y, anywhere)",
        "component = anywhere",
        "the label switch: real samples of any component",
        ("05",),
    ),
    Mutant(
        "switch-g",
        "games/aae.py",
        'yield {"G": real(self.D(z_hat, *given))}',
        'yield {"G": real(self.D(z_hat, *(0 * g for g in given)))}',
        "the encoder's turn without the switch",
        ("05",),
    ),
    Mutant(
        "style-told",
        "games/aae.py",
        "p_x = self.p(self.one_hot[y], self.q(x).rsample())",
        "p_x = self.p(self.one_hot[y - 1], self.q(x).rsample())",
        "the decoder is told another label than it is asked for later",
        ("06",),
    ),
    Mutant(
        "clusters-real",
        "games/aae.py",
        "on_y = real(self.D_y(y)) + fake(self.D_y(y_hat.detach()))",
        "on_y = fake(self.D_y(y)) + real(self.D_y(y_hat.detach()))",
        "D(y) with real and fake swapped",
        ("07",),
    ),
    Mutant(
        "clusters-g",
        "games/aae.py",
        'yield {"G": real(self.D_y(y_hat)) + real(self.D_z(z_hat))}',
        'yield {"G": real(self.D_z(z_hat))}',
        "the clusters' game without its generator",
        ("07",),
    ),
    Mutant(
        "classification-sign",
        "games/aae.py",
        'yield {"classification": -q_y.log_prob(y).mean()}',
        'yield {"classification": q_y.log_prob(y).mean()}',
        "sign of the classification phase flipped",
        ("07",),
    ),
    Mutant(
        "hinge-sign",
        "games/aae.py",
        "F.relu(eta - (W[i] - W[j]).norm(dim=1))",
        "F.relu((W[i] - W[j]).norm(dim=1) - eta)",
        "heads are pulled together: the distance is penalized",
        ("07",),
    ),
    Mutant(
        "head-and-style",
        "games/aae.py",
        "return self.p(y @ self.W + z)",
        "return self.p(y @ self.W - z)",
        "style subtracted from the head",
        ("07",),
    ),
    Mutant(
        "softmax-argmax",
        "distributions.py",
        "return self.probs.expand(self._extended_shape(sample_shape))",
        "return self.sample(sample_shape) + 0 * self.probs",
        "a draw in the place of the softmax vector: no gradient",
        ("07",),
    ),
    Mutant(
        "head-named-by-worst",
        "metrics/labels.py",
        "return y[probabilities.argmax(0)]",
        "return y[probabilities.argmin(0)]",
        "clusters named by their least confident point",
        ("07",),
    ),
    Mutant(
        "labels-unbalanced",
        "data/labels.py",
        "shuffled[rank.argsort(stable=True)[:n]]",
        "shuffled[:n]",
        "few labels drawn without regard to class",
        ("05", "06", "07"),
    ),
    Mutant(
        "ali-g",
        "games/ali.py",
        '"G": fake(on_q) + real(on_p)}',
        '"G": real(on_q) + fake(on_p)}',
        "labels not swapped for ALI's q and p",
        ("08", "09"),
    ),
    Mutant(
        "ali-pairs",
        "games/ali.py",
        "return (x, z_hat), (x_tilde, z)",
        "return (x, z), (x_tilde, z_hat)",
        "codes of ALI's two pairs exchanged",
        ("08",),
    ),
    Mutant(
        "ali-judge",
        "games/ali.py",
        "on_q, on_p = self.D(*both).chunk(2)",
        "on_q, on_p = self.D(*of_q), self.D(*of_p)",
        "ALI's D judges the two kinds of pairs apart",
        ("10",),
    ),
    Mutant(
        "alice-sign",
        "games/ali.py",
        "+ self.weight * cycle",
        "- self.weight * cycle",
        "sign of ALICE's cycle cost flipped",
        ("08",),
    ),
    Mutant(
        "classes-log-odds",
        "games/ali.py",
        "logits[:, :-1].logsumexp(1) - logits[:, -1]",
        "logits.logsumexp(1) - logits[:, -1]",
        "'from p' counted among the classes of semi-supervised ALI",
        ("08",),
    ),
    Mutant(
        "bigan-saturating",
        "games/bigan.py",
        'yield {"D": D, "G": -D}',
        'yield {"D": D, "G": D}',
        "saturating E and G on D's side",
        ("09",),
    ),
    Mutant(
        "bigan-judge",
        "games/bigan.py",
        "return self.D(*of_E), self.D(*of_G)",
        "return super().judge(of_E, of_G)",
        "BiGAN's D judges both kinds of pairs in one batch",
        ("10",),
    ),
    Mutant(
        "regressor-data",
        "games/bigan.py",
        "regression = -self.q(x_tilde.detach()).log_prob(z).mean()",
        "regression = -self.q(x).log_prob(z).mean()",
        "latent regressor fitted to data in the place of drawn pictures",
        ("09",),
    ),
    Mutant(
        "joints-js",
        "joints.py",
        "    m = (q + p) / 2\n    return",
        "    m = q + p\n    return",
        "mixture of two joints not halved",
        ("08",),
    ),
    Mutant(
        "js-parts",
        "joints.py",
        "return of_x, js(q, p) - of_x",
        "return of_x, js(q, p)",
        "what the codes add to a divergence counted twice",
        ("08",),
    ),
    Mutant(
        "given-back",
        "joints.py",
        "back = G.expand(*batch, m).gather(-1, E.expand(*batch, n))",
        "back = E.expand(*batch, n).gather(-1, G.expand(*batch, m))",
        "E(G(z)) taken for G(E(x))",
        ("09",),
    ),
    Mutant(
        "norm-after",
        "networks/mlp.py",
        "layers += [nn.BatchNorm1d(after)] if batch_norm else []\n"
        "            layers += [activation()]\n",
        "layers += [activation()]\n"
        "            layers += [nn.BatchNorm1d(after)] if batch_norm else []\n",
        "batch norm after the nonlinearity",
        ("10",),
    ),
    Mutant(
        "schedule-sign",
        "capture.py",
        "return [r * f(i) for r, f",
        "return [-r * f(i) for r, f",
        "sign of scheduled learning rates flipped",
        ("05", "06"),
    ),
    Mutant(
        "zoo-codes",
        "zoo/__init__.py",
        'found["z"].float()',
        '-found["z"].float()',
        "stored codes of the zoo with their sign flipped",
        ("06", "08"),
    ),
]


def run(tree: Path, *arguments: str) -> str:
    """The first failure of a run of pytest in a tree; empty where there is none."""
    environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *arguments],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
    )
    failed = re.search(r"(?m)^(?:FAILED|ERROR) (.+?)(?: - |$)", done.stdout)
    if done.returncode not in (0, 1, 2) or (done.returncode and not failed):
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return failed.group(1) if failed else ""


def first_test(tree: Path) -> str:
    """The unit test that fails, "file: what it says"."""
    files = sorted(p for p in (tree / "tests").glob("test_*.py"))
    chosen = [f"tests/{p.name}" for p in files if not p.stem.endswith(SLOW)]
    failed = run(tree, *chosen)  # tests/test_priors.py::test_draws_have_moments[ring]
    named = re.match(r"tests/test_(\w+)\.py::test_(\w+)", failed)
    return f"{named[1]}: {named[2].replace('_', ' ')}" if named else failed


def first_cell(tree: Path, chapters: tuple[str, ...]) -> str:
    """The notebook in which a check raises, and the number beside that cell.

    Outputs are not compared: printed source would give every mutant away.
    """
    for chapter in chapters:
        for path in tree.glob(f"book/{chapter}_*.ipynb"):
            notebook = str(path.relative_to(tree))
            failed = run(tree, notebook, "--nbval-lax", "--nbval-current-env")
            if failed:  # book/00_start.ipynb::Cell 9, the first is 0
                return f"{path.stem} [{int(failed.rpartition(' ')[2]) + 1}]"
    return ""


def judge(mutant: Mutant) -> dict[str, str]:
    """Break the line in a copy of the tree; who noticed, as a row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=SKIP)
        mutant.apply(tree)
        noticed = [first_test(tree), first_cell(tree, mutant.notebooks)]
    module = mutant.file.removesuffix(".py").replace("/", ".")
    row = [mutant.name, module, mutant.broken, *noticed]
    print(" | ".join(row), flush=True)
    return dict(zip(COLUMNS, row, strict=True))


def record(rows: list[dict[str, str]]) -> None:
    """Renew these rows of the table, in the order of `MUTANTS`."""
    known = {}
    if TABLE.exists():
        with TABLE.open(newline="") as file:
            known = {old["mutant"]: old for old in csv.DictReader(file)}
    known |= {row["mutant"]: row for row in rows}
    draft = TABLE.with_suffix(".draft")
    with draft.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(known[m.name] for m in MUTANTS if m.name in known)
    os.replace(draft, TABLE)


def main(names: list[str]) -> int:
    unknown = set(names) - {m.name for m in MUTANTS}
    if unknown:
        print(f"unknown: {sorted(unknown)}; known: {[m.name for m in MUTANTS]}")
        return 2
    chosen = [m for m in MUTANTS if not names or m.name in names]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(judge, chosen))
    record(rows)
    alive = [r["mutant"] for r in rows if not (r["test"] and r["notebook"])]
    print(f"{len(rows)} mutants, not caught by both a test and a notebook: {alive}")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

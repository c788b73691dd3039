"""Labels: classification, clusters against classes, and what a code still tells."""

import torch
from torch import Tensor

RULES = ("confident", "majority", "one-to-one")


def classification_error(probabilities: Tensor, y: Tensor) -> float:
    """Share of the rows whose most probable class is not y.

    Args:
        probabilities: (N, K), q(y|x); logits do as well.
        y: (N,) labels.
    """
    return (probabilities.argmax(1) != y).double().mean().item()


def head_labels(
    probabilities: Tensor, y: Tensor, rule: str = "confident", classes: int = 10
) -> Tensor:
    """The class that each cluster head stands for, (K,), chosen on validation data.

    - `confident`, the paper's: the label of the one point on which the head is most
      confident, argmax_n q(y_k|x_n).
    - `majority`: the label that is most frequent among the points that fall to the
      head, i.e. whose largest probability is its; of a head without points, -1.
    - `one-to-one`: the pairing of heads and classes with the most points in agreement
      (the Hungarian method); with more heads than classes the others get -1.

    Args:
        probabilities: (N, K), q(y|x) of validation points.
        y: (N,) their labels, 0 .. classes - 1.
        rule: one of `RULES`.
        classes: how many there are.

    Raises:
        ValueError: another rule, labels beyond `classes`, or shapes that do not go
            together.

    References:
        Makhzani et al. (2015), sec. 6.
    """
    if probabilities.dim() != 2 or y.shape != probabilities.shape[:1]:
        raise ValueError(
            f"probabilities (N, K) and labels (N,) are wanted, not "
            f"{tuple(probabilities.shape)} and {tuple(y.shape)}."
        )
    if len(y) and not 0 <= y.min() <= y.max() < classes:
        raise ValueError(
            f"labels 0 .. {classes - 1} are wanted, not {y.min()} .. {y.max()}; "
            "`classes` says how many there are."
        )
    if rule == "confident":
        return y[probabilities.argmax(0)]
    counts = head_counts(probabilities, y, classes)
    if rule == "majority":
        used = counts.sum(1) > 0
        return torch.where(used, counts.argmax(1), -1)
    if rule != "one-to-one":
        raise ValueError(f"rule {rule!r} is not one of {', '.join(RULES)}.")
    from scipy.optimize import linear_sum_assignment

    heads, labels = map(
        torch.as_tensor, linear_sum_assignment(counts.cpu().numpy(), maximize=True)
    )
    result = torch.full((len(counts),), -1)
    result[heads] = labels
    return result.to(y.device)


def head_counts(probabilities: Tensor, y: Tensor, classes: int = 10) -> Tensor:
    """How many points of each class fall to each head, (K, classes) of int64."""
    heads, k = probabilities.argmax(1), probabilities.shape[1]
    return (heads * classes + y).bincount(minlength=k * classes).view(k, classes)


def clustering_error(
    valid: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    rule: str = "confident",
    classes: int = 10,
) -> float:
    """Share of the test points whose head stands for another class than theirs.

    A head that stands for none is wrong about all its points.

    Args:
        valid: (probabilities (N, K), labels (N,)) from which heads get their classes.
        test: the same of the points that are judged.
        rule, classes: as in `head_labels`.

    References:
        Makhzani et al. (2015), sec. 6 and table 3.
    """
    named = head_labels(*valid, rule, classes)
    probabilities, y = test
    return (named[probabilities.argmax(1)] != y).double().mean().item()


def probe_accuracy(
    train_codes: Tensor, train_y: Tensor, codes: Tensor, y: Tensor
) -> float:
    """Share of the codes whose label a linear classifier on them tells.

    Logistic regression on standardized codes, fitted to the train codes. Where codes
    know nothing of the label it is the share of the most frequent class.

    Args:
        train_codes: (N, d).
        train_y: (N,) labels.
        codes: (n, d), held out.
        y: (n,) their labels.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    probe.fit(_rows(train_codes), train_y.cpu().numpy())
    return float(probe.score(_rows(codes), y.cpu().numpy()))


def svm_error(
    known: tuple[Tensor, Tensor],
    valid: tuple[Tensor, Tensor],
    asked: tuple[Tensor, Tensor],
    n: int = 1000,
    sets: int = 10,
    seed: int = 0,
) -> float:
    """Error of linear SVMs on features, each fitted to n labelled examples: the mean
    over several draws of the n.

    L2-SVMs (squared hinge, one against the rest) on standardized features. The penalty
    C is the best on `valid`, of 13 from 1e-6 to 1, with the first draw; then it stays.

    Args:
        known: features (N, d) and labels (N,), of which n are drawn at random.
        valid: the same, to choose C on.
        asked: the same, to be judged.
        n: labels that are known.
        sets: how many draws.
        seed: of the draws.

    References:
        Dumoulin et al. (2017), sec. 4.3: 100 sets of 1000.

    Departs: labels drawn at random, where the authors' script balances the classes; ten
    sets, thirteen C's of a narrower range than theirs (50 of e^-20 to
    e^20), and features divided by their standard deviation, for speed: what has one
    scale converges.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    def error(C: float, rows: Tensor, judged: tuple[Tensor, Tensor]) -> float:
        svm = make_pipeline(StandardScaler(), LinearSVC(C=C, max_iter=10_000))
        svm.fit(_rows(known[0][rows]), known[1][rows].cpu().numpy())
        return 1 - float(svm.score(_rows(judged[0]), judged[1].cpu().numpy()))

    generator, N = torch.Generator().manual_seed(seed), len(known[1])
    draws = [torch.randperm(N, generator=generator)[:n] for _ in range(sets)]
    grid = [10.0 ** (k / 2) for k in range(-12, 1)]
    C = min(grid, key=lambda c: error(c, draws[0], valid))
    return sum(error(C, rows, asked) for rows in draws) / sets


def factor_recovery(
    train_codes: Tensor,
    train_factors: Tensor,
    codes: Tensor,
    factors: Tensor,
    k: int | None = None,
) -> Tensor:
    """R^2 of each factor of variation predicted from the code: 1 recovered, 0 lost.

    R^2 = 1 - E (f - f^)^2 / Var f over held-out points; below 0 it is worse than the
    mean.

    Args:
        train_codes: (N, d).
        train_factors: (N, F), of numbers: slant, width, ...
        codes: (n, d), held out.
        factors: (n, F).
        k: None: linear regression; else the mean over the k nearest codes, which finds
            a bent dependence as well.

    Returns:
        (F,) of float64.
    """
    from sklearn.linear_model import LinearRegression
    from sklearn.metrics import r2_score
    from sklearn.neighbors import KNeighborsRegressor

    model = LinearRegression() if k is None else KNeighborsRegressor(k)
    model.fit(_rows(train_codes), _rows(train_factors))
    told = model.predict(_rows(codes))
    return torch.as_tensor(r2_score(_rows(factors), told, multioutput="raw_values"))


def _rows(x: Tensor):
    """(N, d) of float64 in numpy."""
    return x.detach().flatten(1).double().cpu().numpy()

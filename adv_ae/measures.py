"""What each figure of `evaluation.evaluate` is, by which protocol, in what unit."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True)
class Measure:
    """A figure of a trained game on a split.

    Attributes:
        protocol: what it is, and how it is measured.
        unit: `%` of a share, `nats`, or "".
        digits: after the point, as it is told in that unit.
        better: which of two is better; "" where neither has to be.
    """

    protocol: str
    unit: Literal["%", "nats", ""]
    digits: int
    better: Literal["more", "less", ""]


def _share(better: Literal["more", "less", ""], protocol: str) -> Measure:
    return Measure(protocol, "%", 2, better)


def _nats(better: Literal["more", "less", ""], protocol: str, digits: int) -> Measure:
    return Measure(protocol, "nats", digits, better)


def _plain(better: Literal["more", "less", ""], protocol: str, digits: int) -> Measure:
    return Measure(protocol, "", digits, better)


_FITTED = "learned from the train split (of train itself: from its first half)"
_NAMED = "heads named on valid (of valid: on train)"

MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "squared_error": _plain("less", "of the reconstruction, mean over pixels", 4),
        "cross_entropy": _nats(
            "less", "of Bernoulli pixels at the reconstruction, of an example", 1
        ),
        "two_sample_accuracy": _share(
            "less",
            "codes told from as many draws of the prior by the vote of the nearest, as "
            "many as the root of the number learned; a half of both is learned, the "
            "other told; one half where the two have one law, and in many dimensions "
            "also where one lies inside the other",
        ),
        "nearest_neighbor_accuracy": _share(
            "", f"class by the nearest code, {_FITTED}"
        ),
        "probe_error": _share(
            "", f"of class by logistic regression on the codes, {_FITTED}"
        ),
        "feature_accuracy": _share(
            "more",
            "class by the nearest neighbor in the last hidden layer of the encoder, or "
            f"of a GAN's D, {_FITTED}",
        ),
        "svm_error": _share(
            "less",
            "of linear SVMs on the code and the encoder's last three hidden layers, "
            "from 1,000 labels (100 where there are fewer than 10,000), the penalty "
            "chosen on valid (of valid itself, too), the mean over ten draws of labels",
        ),
        "negative_log_likelihood": _nats(
            "less",
            "-log p(x) of pixels drawn once, by importance sampling with 250 draws of "
            "z, and the difference that 5,000 make on 1,000 of the examples",
            2,
        ),
        "likelihood_standard_error": _nats("", "of that difference", 2),
        "importance_bound": _nats(
            "less", "-log p(x) of the first 100 examples by 5,000 draws of z", 2
        ),
        "annealed_bound": _nats(
            "less",
            "the same by annealed importance sampling from the prior, which does not "
            "use the encoder",
            2,
        ),
        "active_units": _plain(
            "", "dimensions of the code whose mean varies by more than 0.01 over x", 1
        ),
        "heads_used": _plain("", "classes or clusters to which an example falls", 1),
        "classification_error": _share("less", "of the likeliest class"),
        "clustering_error": _share(
            "less",
            "by the AAE paper's rule: a head stands for the class of the example that "
            f"is surest of it; {_NAMED}",
        ),
        "majority_error": _share(
            "less", f"a head stands for its most frequent class; {_NAMED}"
        ),
        "one_to_one_error": _share(
            "less", f"as that, but each class has one head at most; {_NAMED}"
        ),
        "head_distance": _plain("", "the least between two heads", 1),
        "component_error": _share(
            "less", "codes that stand in another component than their label's"
        ),
        "parzen_log_likelihood": _nats(
            "more",
            "of at most 10,000 examples under Gaussian windows about 10,000 samples",
            1,
        ),
        "parzen_standard_error": _plain("", "of that mean, in nats", 4),
        "parzen_sigma": _plain(
            "",
            "the windows' width, chosen on at most 1,000 examples of valid (of valid "
            "itself, too)",
            1,
        ),
        "modes_reached": _plain(
            "more", "components to which any of 10,000 samples falls", 1
        ),
        "high_quality_share": _share(
            "more", "samples within three standard deviations of a component's mean"
        ),
        "mode_kept": _share(
            "more", "examples whose reconstruction falls to their own component"
        ),
    }
)


def figure(measure: str, values: Sequence[float]) -> str:
    """Mean and, of several, standard deviation in the measure's unit.

    Example:
        >>> figure("classification_error", [0.02, 0.03])
        '2.50 ± 0.71 %'
    """
    m = MEASURES[measure]
    scale = 100 if m.unit == "%" else 1
    text = f"{scale * statistics.mean(values):.{m.digits}f}"
    if len(values) > 1:
        text += f" ± {scale * statistics.stdev(values):.{m.digits}f}"
    return f"{text} {m.unit}".rstrip()

"""Metrics: what a fitted model is measured by, beside the bounds."""

from adv_ae.metrics.codes import (
    active_units,
    holes,
    nearest_neighbor_accuracy,
    sliced_wasserstein,
    two_sample_accuracy,
)
from adv_ae.metrics.labels import (
    RULES,
    classification_error,
    clustering_error,
    factor_recovery,
    head_counts,
    head_labels,
    probe_accuracy,
    svm_error,
)
from adv_ae.metrics.likelihood import (
    annealed_log_likelihood,
    importance_log_likelihood,
    mean_log_likelihood,
)
from adv_ae.metrics.samples import (
    choose_parzen_sigma,
    frechet,
    high_quality_share,
    modes_covered,
    parzen_log_likelihood,
)

__all__ = [
    "RULES",
    "active_units",
    "annealed_log_likelihood",
    "choose_parzen_sigma",
    "classification_error",
    "clustering_error",
    "factor_recovery",
    "frechet",
    "head_counts",
    "head_labels",
    "high_quality_share",
    "holes",
    "importance_log_likelihood",
    "mean_log_likelihood",
    "modes_covered",
    "nearest_neighbor_accuracy",
    "parzen_log_likelihood",
    "probe_accuracy",
    "sliced_wasserstein",
    "svm_error",
    "two_sample_accuracy",
]

"""Recipes: each method by name, each run as data, each experiment of the papers."""

from adv_ae.recipes.build import OPTIMIZERS, Recipe, recipe
from adv_ae.recipes.experiment import SHAPES, SIZES, Experiment
from adv_ae.recipes.experiments import EXPERIMENTS, named, rows
from adv_ae.recipes.methods import METHODS, Method, RecipeError, known
from adv_ae.recipes.networks import LIKELIHOODS, POSTERIORS, PRIORS, Setup

__all__ = [
    "EXPERIMENTS",
    "LIKELIHOODS",
    "METHODS",
    "OPTIMIZERS",
    "POSTERIORS",
    "PRIORS",
    "SHAPES",
    "SIZES",
    "Experiment",
    "Method",
    "Recipe",
    "RecipeError",
    "Setup",
    "known",
    "named",
    "recipe",
    "rows",
]

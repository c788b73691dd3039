"""The models in the package are what their cards say."""

import dataclasses
import importlib.util
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from adv_ae import cli, data, evaluation, runs, zoo
from adv_ae.recipes import METHODS, Recipe, RecipeError, recipe
from adv_ae.zoo import pack as packing
from adv_ae.zoo.models import Model

ROOT = Path(__file__).resolve().parent.parent
every = pytest.mark.parametrize("name", zoo.MODELS)


@every
def test_a_model_is_that_of_its_recipe_and_card(name):
    game, card = zoo.load(name), zoo.card(name)
    model = zoo.MODELS[name]
    assert type(game) is METHODS[model.method].game and not game.training
    assert all(w.dtype == torch.float32 for w in game.parameters())
    assert zoo.recipe(name) == model.recipe() == Recipe.from_dict(card.recipe)
    assert (card.name, card.summary, card.measure) == (
        name,
        model.summary,
        model.measure,
    )
    assert card.steps == model.recipe().steps
    assert len(card.commit) == 40, "a clean checkout"
    assert game.sample(7).shape == (7, 784)


@every
def test_half_precision_costs_next_to_nothing(name):
    card = zoo.card(name)
    weights = load_file(zoo.path(name) / zoo.WEIGHTS)
    learned = {str(weights[k].dtype) for k, _ in zoo.load(name).named_parameters()}
    assert learned == {f"torch.{card.dtype}"}
    cost = abs(card.test[card.measure] - card.full_precision)
    assert cost < 1e-3 * max(1.0, card.full_precision)


def test_the_zoo_is_small():
    sizes = {name: zoo.card(name).bytes for name in zoo.MODELS}
    for name, size in sizes.items():
        assert size == (zoo.path(name) / zoo.WEIGHTS).stat().st_size <= 3_000_000
    assert sum(sizes.values()) <= 20_000_000
    everything = sum(p.stat().st_size for p in zoo.HERE.rglob("*") if p.is_file())
    assert everything < 21_000_000
    there = {str(p.parent.relative_to(zoo.HERE)) for p in zoo.HERE.rglob(zoo.CARD)}
    assert there == set(zoo.MODELS), "a folder that no model has"


@every
def test_a_card_evaluated_again_gives_its_figures(name):
    """By its own measure on the whole test split, and all else that it says."""
    try:
        dataset = zoo.recipe(name).dataset()
    except data.DataError as error:
        pytest.skip(f"wants the data: {error}")
    card, found = zoo.card(name), evaluation.evaluate(zoo.load(name), dataset, "test")
    assert set(found) == set(card.test)
    for key, value in card.test.items():
        # Another machine rounds otherwise: a few examples of 10,000 may change sides.
        assert found[key] == pytest.approx(value, rel=5e-3, abs=1e-3), key


@every
def test_codes_are_those_of_the_first_test_pictures(name):
    z, y = zoo.codes(name)
    assert z.shape == (1000, zoo.recipe(name).setup.latent) and y.shape == (1000,)
    assert set(y.tolist()) == set(range(10))
    try:
        test = zoo.recipe(name).dataset().test
    except data.DataError as error:
        pytest.skip(f"wants the data: {error}")
    assert torch.equal(y, test.y[:1000])
    game = zoo.load(name)
    torch.manual_seed(0)
    again = game.codes(data.as_float(test.x[:1000]))
    torch.testing.assert_close(z, again, rtol=5e-3, atol=5e-3)


# ---------------------------------------------------------------- what can go wrong


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A zoo of one small model on digits, its run, and its card."""
    options = {"hidden": (8,), "steps": 20, "batch_size": 20}
    model = Model("a test", "aae", "digits", "squared_error", options)
    monkeypatch.setattr(zoo, "MODELS", {"aae/tiny": model})
    monkeypatch.setattr(zoo, "HERE", tmp_path / "zoo")
    monkeypatch.setitem(packing.SOURCES, "digits", ("CC BY 4.0", "scikit-learn"))
    monkeypatch.setattr(evaluation, "SAMPLES", 200)
    made, folder = model.recipe(), tmp_path / "run"
    runs.train(made, made.dataset(), folder)
    card = packing.pack("aae/tiny", folder, tmp_path / "zoo")
    return folder, card


def test_packing_rounds_what_was_learned_and_nothing_else(elsewhere):
    folder, card = elsewhere
    assert card == zoo.card("aae/tiny")
    game, full = zoo.load("aae/tiny"), runs.load(folder)[1]
    for name, w in full.named_parameters():
        assert torch.equal(game.get_parameter(name), w.half().float())
    buffers = dict(full.named_buffers())
    stored = load_file(zoo.path("aae/tiny") / zoo.WEIGHTS)
    assert all(torch.equal(stored[name], b) for name, b in buffers.items())
    report = runs.load_report(folder)
    assert card.full_precision == report["test"]["squared_error"]
    assert card.test != report["test"]
    assert (card.license, card.dtype) == ("CC BY 4.0", "float16")
    for key in ("commit", "adv_ae", "torch", "device", "steps", "seconds"):
        assert getattr(card, key) == report[key]
    dataset = data.digits()
    assert evaluation.evaluate(game, dataset, "valid") == card.valid
    z, y = zoo.codes("aae/tiny")
    assert torch.equal(y, dataset.test.y) and len(z) == 497
    torch.testing.assert_close(z, game.codes(dataset.test.x), rtol=1e-3, atol=1e-3)


def test_weights_that_half_precision_would_hurt_stay_as_they_are(
    elsewhere, monkeypatch
):
    folder, _ = elsewhere
    monkeypatch.setattr(packing, "COST", 1e-30)
    assert packing.pack("aae/tiny", folder, zoo.HERE).dtype == "float32"
    full = runs.load(folder)[1].state_dict()
    for name, w in zoo.load("aae/tiny").state_dict().items():
        assert torch.equal(w, full[name])


def test_codes_that_cannot_be_read_say_so(elsewhere):
    codes = zoo.path("aae/tiny") / zoo.CODES
    codes.write_bytes(b"no safetensors")
    with pytest.raises(zoo.ZooError, match="its codes cannot be read"):
        zoo.codes("aae/tiny")
    codes.unlink()
    with pytest.raises(zoo.ZooError, match="its codes cannot be read"):
        zoo.codes("aae/tiny")


def test_another_recipes_run_is_refused(elsewhere, monkeypatch):
    folder, _ = elsewhere
    other = dataclasses.replace(zoo.MODELS["aae/tiny"], options={"steps": 21})
    monkeypatch.setattr(zoo, "MODELS", {"aae/tiny": other})
    with pytest.raises(zoo.ZooError, match="not a run of the recipe of aae/tiny"):
        packing.pack("aae/tiny", folder, zoo.HERE)


def test_weights_that_are_not_the_cards_are_refused(elsewhere):
    weights = zoo.path("aae/tiny") / zoo.WEIGHTS
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    for ask in (zoo.load, zoo.codes):
        with pytest.raises(zoo.ZooError, match=r"sha256 .* Install adv_ae again"):
            ask("aae/tiny")
    weights.unlink()
    with pytest.raises(zoo.ZooError, match="cannot be read"):
        zoo.load("aae/tiny")
    (zoo.path("aae/tiny") / zoo.CARD).write_text("{")
    with pytest.raises(zoo.ZooError, match="its card cannot be read"):
        zoo.card("aae/tiny")


def test_a_name_that_is_not_there_gets_the_nearest():
    with pytest.raises(RecipeError, match="did you mean 'aae/mnist-2d'"):
        zoo.load("aae/mnist2d")


def test_the_command_line_knows_the_zoo(elsewhere, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = set(zoo.HERE.rglob("*"))
    assert cli.main(["sample", "aae/tiny", "--n", "4"]) == 0
    assert capsys.readouterr().out == "aae-tiny-samples-0.png\n"
    assert cli.main(["evaluate", "aae/tiny", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    card = zoo.card("aae/tiny")
    assert f"squared_error{'':15}{card.test['squared_error']:.4f}" in said
    assert cli.main(["list"]) == 0
    assert "aae/tiny" in capsys.readouterr().out
    assert set(zoo.HERE.rglob("*")) == before


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_zoo", ROOT / "scripts/zoo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_shows_the_cards(script):
    assert script.TABLE.read_text() == script.table()
    for name in zoo.MODELS:
        assert f"`{name}`," in script.table()
    card = dataclasses.replace(zoo.card("vae/mnist-2d"), test={"cross_entropy": 9.87})
    assert script.figure(card) == "cross entropy 9.9 nats"
    error = dataclasses.replace(card, measure="probe_error", test={"probe_error": 0.5})
    assert script.figure(error) == "probe error 50.00 %"


def test_the_script_trains_what_is_missing(
    script, elsewhere, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(script, "TABLE", tmp_path / "zoo.csv")
    monkeypatch.setattr(script, "pack", lambda *a: packing.pack(*a, zoo.HERE))
    assert script.main([]) == 0 and capsys.readouterr().out == ""
    weights = (zoo.path("aae/tiny") / zoo.WEIGHTS).read_bytes()
    assert script.main(["aae/tiny"]) == 0
    assert "float16" in capsys.readouterr().out
    assert "aae/tiny" in (tmp_path / "zoo.csv").read_text()
    assert (zoo.path("aae/tiny") / zoo.WEIGHTS).read_bytes() == weights
    with pytest.raises(RecipeError, match="did you mean 'aae/tiny'"):
        script.main(["aae/tinny"])
    assert recipe("aae", "digits", (8, 8), hidden=(8,), steps=20, batch_size=20) == (
        zoo.recipe("aae/tiny")
    )

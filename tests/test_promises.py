"""What a recipe promises, at the end of the path: `train` against the same training by hand.

The training is written out here in plain torch, from the seed to the metrics; of dlgbench it uses
the arrays of a data set and the hash that noise is drawn from. Both engines must agree with it in
every weight, so that no field of a recipe, and no random stream, is lost on the way.
"""

import dataclasses
import functools
import hashlib
import itertools
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dlgbench import Cell, Recipe, register_model, register_probe, registry
from dlgbench import train as single
from dlgbench.data import load
from dlgbench.data.module import DataModule
from dlgbench.fingerprint import PACKAGE
from dlgbench.lanes import engine as lanes
from dlgbench.layers.draws import Draws
from dlgbench.layers.locally_connected import LocallyConnected2d
from dlgbench.registry import ACTIVATIONS, DATA, INITIALIZATIONS, MODELS, OPTIMIZERS, SCHEDULES
from dlgbench.streams import stream_seed
from dlgbench.tasks.classification import Classification
from dlgbench.tasks.regression import Regression

BASE = Recipe(
    model="mlp",
    model_args={"hidden": (8, 8)},
    data="digits",
    data_args={"train": 50, "val": 30},
    lr=0.1,
    batch_size=16,  # so that the second epoch begins in the fourth minibatch
    steps=6,
    evaluations=2,
)
EVERY_STREAM = BASE.override(
    {
        "model_args.dropout": 0.3,
        "model_args.input_dropout": 0.2,
        "data_args.label_noise": 0.3,
        "data_args.augment": "crop_flip",
    }
)

# by hand ------------------------------------------------------------------------------------------


def seed_of(seed, name, number=0):
    digest = hashlib.sha256(f"dlgbench/{seed}/{name}/{number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def stream(*key):
    return torch.Generator().manual_seed(seed_of(*key))


SGD = torch.optim.SGD
RULES = {  # name -> (class, its arguments where a recipe gives no others)
    "sgd": (SGD, {}),
    "momentum": (SGD, {"momentum": 0.9}),
    "nag": (SGD, {"momentum": 0.9, "nesterov": True}),
    "momentum_ema": (SGD, {"momentum": 0.9}),  # at the rate lr (1 - momentum)
    "adagrad": (torch.optim.Adagrad, {"eps": 1e-10}),
    "rmsprop": (torch.optim.RMSprop, {"alpha": 0.99, "eps": 1e-8}),
    "adadelta": (torch.optim.Adadelta, {"rho": 0.9, "eps": 1e-6}),
    "adam": (torch.optim.Adam, {"betas": (0.9, 0.999), "eps": 1e-8}),
    "adamw": (torch.optim.AdamW, {"betas": (0.9, 0.999), "eps": 1e-8}),
    "rprop": (torch.optim.Rprop, {"etas": (0.5, 1.2), "step_sizes": (1e-6, 50)}),
}


def one_cycle(t):
    """Up from 1/25 to 1 at t = 0.3, down to 1/250,000."""
    if t < 0.3:
        return 0.04 + 0.96 * t / 0.3
    return 4e-6 + (1 - 4e-6) * (1 + math.cos(math.pi * (t - 0.3) / 0.7)) / 2


FACTORS = {
    "constant": lambda _: 1,
    "linear": lambda t: 1 - t,
    "cosine": lambda t: (1 + math.cos(math.pi * t)) / 2,
    "step": lambda t: 1 if t < 0.5 else 0.1 if t < 0.75 else 0.01,
    "one_cycle": one_cycle,
    "warmup": lambda t: min(1, 0.1 + 9 * t),
}
STARTS = {  # fills w (out, in) from a generator
    "zero": lambda w, _: w.zero_(),
    "normal": lambda w, g: w.normal_(0, 0.01, generator=g),
    "slide": lambda w, g: w.normal_(0, 0.01 / w.shape[1], generator=g),
    "glorot": lambda w, g: w.normal_(0, math.sqrt(2 / sum(w.shape)), generator=g),
    "he": lambda w, g: w.normal_(0, math.sqrt(2 / w.shape[1]), generator=g),
    "orthogonal": lambda w, g: nn.init.orthogonal_(w, generator=g),
    "lsuv": lambda w, g: nn.init.orthogonal_(w, generator=g),
}
G = {
    "identity": lambda a: a,
    "step": lambda a: (a.detach() >= 0).float(),
    "sigmoid": lambda a: 1 / (1 + (-a).exp()),
    "tanh": lambda a: a.exp().sub((-a).exp()) / (a.exp() + (-a).exp()),
    "relu": lambda a: torch.where(a > 0, a, 0.0),
    "leaky_relu": lambda a: torch.where(a > 0, a, 0.01 * a),
    "elu": lambda a: torch.where(a > 0, a, a.clamp(max=0).exp() - 1),
    "gelu": lambda a: a * (1 + torch.erf(a / math.sqrt(2))) / 2,
    "silu": lambda a: a / (1 + (-a).exp()),
}


def shared_maximum(z):
    """Of each row; scores that tie, as all do at a start of zeros, share its gradient."""
    largest = (z == z.max(1, keepdim=True).values).float()
    return (z * largest / largest.sum(1, keepdim=True)).sum(1)


LOSSES = {
    None: F.cross_entropy,
    "cross_entropy": lambda z, y: (z.logsumexp(1) - z[range(len(y)), y]).mean(),
    "squared": lambda z, y: (z - torch.eye(z.shape[1])[y]).square().sum(1).mean(),
    "perceptron": lambda z, y: (shared_maximum(z) - z[range(len(y)), y]).mean(),
    "l2": lambda z, y: (z - y).square().mean(),
    "l1": lambda z, y: (z - y).abs().mean(),
}


def crop(image, top, left, flip):
    """Of an image (C, H, W) with four zeros around it."""
    height, width = image.shape[1:]
    cut = F.pad(image, (4,) * 4)[:, top : top + height, left : left + width]
    return cut.flip(2) if flip else cut


class ByHand:
    """The training of a recipe for one seed.

    Attributes:
        weights: after the last step.
        history: (metric, step) -> value.
        summary: the metrics of the trained network on the three splits.
    """

    def __init__(self, recipe, seed):
        self.recipe, self.seed, self.number = recipe, seed, recipe.random_stream
        self.model, self.data = dict(recipe.model_args), dict(recipe.data_args)
        dropped = "Dropout" in recipe.identity
        name = self.model.get("activation", "relu")
        self.g = G["identity" if name == "relu" and "ReLU" in recipe.identity else name]
        self.rates = {
            k: 0.0 if dropped else self.model.get(k, 0.0) for k in ("input_dropout", "dropout")
        }
        self.splits = self.drawn_splits()
        self.layers, self.weights, self.history = self.started(), [], {}
        self.fit()
        with torch.no_grad():
            self.summary = {
                metric: number
                for name, (x, y) in self.splits.items()
                for metric, number in self.measured(name, x, y).items()
            }

    def drawn_splits(self):
        arrays, args = load(self.recipe.data), self.data
        train, val, side = args["train"], args["val"], args.get("shrink", 1)

        def read(split):
            x, y = map(torch.as_tensor, split)
            x = x / 255 if x.dtype == torch.uint8 else x
            return (F.avg_pool2d(x, side) if side > 1 else x), y

        (x, y), (x_test, y_test) = read(arrays.pool), read(arrays.test)
        rows = torch.randperm(len(x), generator=stream(self.seed, "split"))
        mine, theirs = rows[:train], rows[train : train + val]
        labels, mean, sd = y[mine], 0.0, 1.0
        if args.get("standardize", True):
            mean, sd = x[mine].mean(), x[mine].std()
        if share := args.get("label_noise"):
            random = stream(self.seed, "label_noise")
            anew = torch.randint(0, arrays.num_classes, (train,), generator=random)
            labels = torch.where(torch.rand(train, generator=random) < share, anew, labels)
        scaled = {"train": (x[mine], labels), "val": (x[theirs], y[theirs])}
        scaled["test"] = x_test, y_test
        return {name: ((x - mean) / sd, y) for name, (x, y) in scaled.items()}

    def started(self):
        """Of each layer the weight, the bias, and what its batch normalization holds."""
        x, y = self.splits["train"]
        linear = self.recipe.model == "linear"
        hidden = () if linear else self.model.get("hidden", (128, 128))
        widths = [round(units * self.model.get("width", 1.0)) for units in hidden]
        outputs = self.model.get("num_classes", 10 if y.dim() == 1 else y.shape[1])
        sizes = itertools.pairwise([x[0].numel(), *widths, outputs])
        if (scheme := self.recipe.init or "he") == "default":
            with torch.random.fork_rng():
                torch.manual_seed(seed_of(self.seed, "init", self.number))
                made = [nn.Linear(a, b) for a, b in sizes]
            layers = [[layer.weight.data, layer.bias.data] for layer in made]
        else:
            layers = []
            for k, (a, b) in enumerate(sizes):
                random = stream(self.seed, f"init/{k}", self.number)
                layers.append([STARTS[scheme](torch.empty(b, a), random), torch.zeros(b)])
        if self.model.get("norm") == "batch":
            for layer in layers[:-1]:
                units = len(layer[1])
                layer += [torch.ones(units), torch.zeros(units)]
                layer += [torch.zeros(units), torch.ones(units)]  # mean and variance so far
        self.layers = layers
        if scheme == "lsuv":
            self.scale_to_unit_variance(x)
        for layer in layers:
            for w in layer[:4]:
                w.requires_grad_()
        return layers

    def scale_to_unit_variance(self, x):
        """Without biases an activation before a layer does not see the scale of those after it."""
        x = x.flatten(1)
        for w, _ in self.layers:
            sd = (x @ w.T).std(correction=0)
            w.div_(sd if abs(sd**2 - 1) >= 0.02 else 1)
            x = self.g(x @ w.T)

    def z(self, x, noise=None):
        """The outputs; `noise` draws for each layer of noise in turn, in training."""
        if (patch := self.model.get("patch", "none")) != "none":
            x = x - x.mean((1, 2, 3), keepdim=True)
            if patch == "standardize":
                x = x / (x.square().mean((1, 2, 3), keepdim=True).sqrt() + 1e-6)
        noises = iter(noise or ())

        def disturbed(x, kind):
            if noise is None or not (rate := self.rates[kind]):
                return x
            draws = next(noises)
            if self.model.get("noise") == "gaussian":
                sd = math.sqrt(rate / (1 - rate))
                return x * (1 + sd * draws.normal(x.shape, x)[0])
            return x * draws.kept(torch.tensor([rate]), x.shape)[0]

        x = disturbed(x.flatten(1), "input_dropout")
        *hidden, (w, b) = self.layers
        for k, (own, bias, *norm) in enumerate(hidden):
            a = x @ own.T + bias
            if norm:
                scale, shift, *so_far = norm
                a = F.batch_norm(a, *so_far, scale, shift, training=noise is not None)
            a = disturbed(self.g(a), "dropout")
            x = x + a if self.model.get("skip") and k and x.shape == a.shape else a
        return x @ w.T + b

    def rule(self):
        """The optimizer, and its rate at a schedule's factor of 1."""
        recipe = self.recipe
        make, constants = RULES[recipe.optimizer]
        constants = constants | dict(recipe.optimizer_args)
        lr = recipe.lr
        if recipe.optimizer == "momentum_ema":
            lr *= 1 - constants["momentum"]
        if recipe.weight_decay:
            constants["weight_decay"] = recipe.weight_decay
        elif recipe.optimizer == "adamw":
            constants["weight_decay"] = 0.0  # torch's default is another
        trained = [w for layer in self.layers for w in layer[:4]]
        return make(trained, lr=lr, **constants), lr

    def fit(self):
        recipe, (x, y) = self.recipe, self.splits["train"]
        order = stream(self.seed, "order", self.number)
        augment = stream(self.seed, "augment", self.number)
        count = bool(self.rates["input_dropout"])
        count += bool(self.rates["dropout"]) * (len(self.layers) - 1)
        seeds = [seed_of(self.seed, f"noise/{k}", self.number) for k in range(count)]
        noise = [Draws([own]) for own in seeds]
        every = math.ceil(recipe.steps / recipe.evaluations)
        (rule, lr), rows, losses = self.rule(), torch.empty(0, dtype=torch.int64), []
        for step in range(recipe.steps):
            while len(rows) < recipe.batch_size:
                rows = torch.cat([rows, torch.randperm(len(x), generator=order)])
            mine, rows = rows[: recipe.batch_size], rows[recipe.batch_size :]
            batch = x[mine]
            if (name := self.data.get("augment", "none")) != "none":
                places = torch.randint(0, 9, (2, len(mine)), generator=augment)
                flips = torch.rand(len(mine), generator=augment) < 0.5 * (name == "crop_flip")
                cuts = zip(batch, *places, flips, strict=True)
                batch = torch.stack([crop(*each) for each in cuts])
            for group in rule.param_groups:
                group["lr"] = lr * FACTORS[recipe.schedule](step / recipe.steps)
            loss = LOSSES[recipe.loss or self.default_loss](self.z(batch, noise), y[mine])
            rule.zero_grad()
            loss.backward()
            rule.step()
            losses.append(loss.item())
            self.constrain()
            if (step + 1) % every == 0 or step + 1 == recipe.steps:
                self.note(step + 1, losses)
                losses = []
        self.weights = nn.utils.parameters_to_vector([w for each in self.layers for w in each[:4]])
        self.weights = self.weights.detach()

    @property
    def default_loss(self):
        return "l2" if self.recipe.task == "regression" else None

    @torch.no_grad()
    def constrain(self):
        if (most := self.recipe.max_norm) is not None:
            for w, *_ in self.layers:
                w.mul_((most / w.norm(dim=1, keepdim=True)).clamp(max=1))

    @torch.no_grad()
    def note(self, step, losses):
        self.history["train/loss", step] = sum(losses) / len(losses)
        for metric, number in self.measured("val", *self.splits["val"]).items():
            self.history[metric, step] = number

    def measured(self, name, x, y):
        z = self.z(x)
        found = {"loss": LOSSES[self.recipe.loss or self.default_loss](z, y).item()}
        if self.recipe.task == "classification":
            found["error"] = (z.argmax(1) != y).double().mean().item()
        else:
            apart = (z - y).square().mean().item()
            found |= {"mse": apart, "r2": 1 - apart / y.var(correction=0).item()}
        return {f"{name}/{metric}": number for metric, number in found.items()}


@functools.cache
def by_hand(recipe, seed=0):
    return ByHand(recipe, seed)


# by the suite -------------------------------------------------------------------------------------

SEEN = []  # the weights of each trained network
ENGINES = ("single", "lanes")


@pytest.fixture(autouse=True)
def _probe(monkeypatch):
    """A probe that keeps the weights; afterwards the registries are as they were."""
    for name in ("PROBES", "MODELS"):
        parts = getattr(registry, name)
        monkeypatch.setattr(parts, "_parts", dict(parts))

    def weights(subject):
        SEEN.append(nn.utils.parameters_to_vector(subject.network.parameters()).detach())
        return {}

    register_probe("weights", when="end", metrics={})(weights)


def trained(engine, *cells):
    """The runs of cells, in lanes all together, and the weights that each ended with."""
    SEEN.clear()
    cells = [
        dataclasses.replace(c, work=c.work.override(probes=(*c.work.probes, "weights")))
        for c in cells
    ]
    runs = lanes.train(cells) if engine == "lanes" else list(map(single.train, cells))
    return list(zip(runs, SEEN, strict=True))


def cell(recipe, seed=0, purpose="evaluate", **names):
    return Cell(
        **({"ablation": "a", "arm": "arm", "scale": "cpu"} | names),
        seed=seed,
        work=recipe,
        purpose=purpose,
    )


def check(engine, recipe, seed=0):
    """Weights, learning curves and metrics are those by hand; in lanes beside another seed."""
    beside = [cell(recipe, seed + 1)] if engine == "lanes" else []
    run, weights = trained(engine, *beside, cell(recipe, seed))[-1]
    hand = by_hand(recipe, seed)
    torch.testing.assert_close(weights, hand.weights, rtol=1e-3, atol=2e-5)
    names = {name for name, _ in hand.history}
    curves = {(name, step): number for name, step, number in run.history if name in names}
    assert curves == pytest.approx(hand.history, rel=1e-3, abs=1e-5)
    assert {m: run.summary[m] for m in hand.summary} == pytest.approx(
        hand.summary, rel=1e-3, abs=1e-5
    )


# every field --------------------------------------------------------------------------------------

RATES = {"adadelta": 1.0, "adagrad": 0.05, "rmsprop": 0.01, "adam": 0.01, "adamw": 0.01}
RATES |= {"rprop": 0.01, "momentum_ema": 0.5}
OTHER = {  # constants that are not an optimizer's own
    "momentum": {"momentum": 0.5},
    "nag": {"momentum": 0.5},
    "momentum_ema": {"momentum": 0.5},
    "adagrad": {"eps": 0.1},
    "rmsprop": {"alpha": 0.5, "eps": 0.01, "momentum": 0.5},
    "adadelta": {"rho": 0.5, "eps": 0.01},
    "adam": {"betas": (0.5, 0.9), "eps": 0.01},
    "adamw": {"betas": (0.5, 0.9), "eps": 0.01},
    "rprop": {"etas": (0.3, 1.5), "step_sizes": (0.005, 0.02)},
    "sgd": {"momentum": 0.7, "nesterov": True},
}
DROPOUT = {"model_args.dropout": 0.4}
NUMBERS = {"task": "regression", "data": "polynomial", "lr": 0.05}
CASES = {  # what is changed, and the field that must reach the weights
    **{f"optimizer {name}": {"optimizer": name, "lr": RATES.get(name, 0.1)} for name in RULES},
    **{
        f"optimizer_args of {name}": {
            "optimizer": name,
            "lr": RATES.get(name, 0.1),
            "optimizer_args": OTHER[name],
        }
        for name in RULES
    },
    **{
        f"weight_decay of {name}": {
            "optimizer": name,
            "lr": RATES.get(name, 0.1),
            "weight_decay": 0.5,
            "schedule": "cosine",
        }
        for name in RULES
        if name != "rprop"
    },
    **{f"schedule {name}": {"schedule": name, "steps": 10} for name in FACTORS},
    **{f"init {name}": {"init": name} for name in [*STARTS, "default"]},
    **{f"activation {name}": {"model_args.activation": name} for name in G},
    **{f"loss {name}": {"loss": name} for name in Classification.losses},
    **{f"loss {name}": {**NUMBERS, "loss": name} for name in Regression.losses},
    "loss perceptron at ties": {
        "model": "linear",
        "model_args": {},
        "init": "zero",
        "loss": "perceptron",
        "steps": 1,
    },
    "task": NUMBERS,
    "data": {"data": "mnist5k"},
    "model": {"model": "linear", "model_args": {}},
    "lr": {"lr": 0.03},
    "max_norm": {"max_norm": 0.9},
    "batch_size": {"batch_size": 7},
    "batch_size of one": {"batch_size": 1},
    "steps": {"steps": 4},
    "evaluations": {"evaluations": 6},
    "evaluations that do not divide": {"evaluations": 4},
    "hidden": {"model_args.hidden": (9,)},
    "num_classes other than the data's": {"model_args.num_classes": 12},
    "norm": {"model_args.norm": "batch"},
    "dropout": DROPOUT,
    "input_dropout": {"model_args.input_dropout": 0.4},
    "noise": {"model_args.noise": "gaussian", **DROPOUT},
    "patch mean": {"model_args.patch": "mean"},
    "patch": {"model_args.patch": "standardize"},
    "skip": {"model_args.skip": True},
    "width": {"model_args.width": 0.5},
    "train": {"data_args.train": 40},
    "val": {"data_args.val": 20},
    "shrink": {"data_args.shrink": 2},
    "standardize": {"data_args.standardize": False},
    "label_noise": {"data_args.label_noise": 0.5},
    "augment crop": {"data_args.augment": "crop"},
    "augment crop_flip": {"data_args.augment": "crop_flip"},
    "random_stream": {"random_stream": 1},
    "identity": {"identity": ("Dropout",), **DROPOUT},
    "identity of two classes": {"identity": ("Dropout", "ReLU"), **DROPOUT},
    "target": {"target": {"val/error": 0.5}},
    "probes": {"probes": ("gradients",)},
}
# these leave the weights as they are
STILL = {"evaluations", "evaluations that do not divide", "val", "identity", "target", "probes"}
STILL |= {"loss cross_entropy", "optimizer sgd", "schedule constant", "init he", "activation relu"}
STILL |= {"loss l2"}  # of a regression


def test_the_cases_name_every_field_and_every_part():
    fields = {name.partition(".")[0] for changes in CASES.values() for name in changes}
    assert fields | {"data_args"} == {field.name for field in dataclasses.fields(Recipe)}
    for ours, parts in ((RULES, OPTIMIZERS), (FACTORS, SCHEDULES), (STARTS, INITIALIZATIONS)):
        assert set(ours) == {name for name in parts if PACKAGE in parts[name].file.parents}
    assert set(G) == set(ACTIVATIONS)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", CASES)
def test_each_field_reaches_the_weights_as_it_does_by_hand(case, engine):
    recipe = BASE.override(CASES[case])
    check(engine, recipe, seed=1)
    before = BASE.override(NUMBERS) if recipe.task == "regression" and case != "task" else BASE
    if case.startswith("schedule"):
        before = before.override(steps=recipe.steps)
    ours, theirs = by_hand(recipe, 1).weights, by_hand(before, 1).weights
    stays = ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=0.01, atol=1e-3)
    assert stays == (case in STILL)


# every random stream ------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("seed", "number"), [(0, 0), (3, 0), (3, 2), (1000, 0)])
def test_every_stream_is_that_of_its_seed_and_number(seed, number, engine):
    check(engine, EVERY_STREAM.override(random_stream=number), seed)


def test_streams_of_two_seeds_names_or_numbers_are_different():
    names = ["split", "label_noise", "order", "augment", "init", "noise"]
    names += [f"{of}/{k}" for of in ("init", "noise") for k in range(12)]
    keys = list(itertools.product((0, 1, 2, 10, 11, 1000, 1001), names, (0, 1, 10)))
    assert len({stream_seed(*key) for key in keys}) == len(keys)


def drawn(recipe, seed):
    """Of a training the rows, the minibatches as they are augmented, and the labels, in order."""
    splits = DataModule(recipe, seed, torch.device("cpu"), may_test=False)
    stacks = list(splits.train_dataloader())
    pairs = [pair for stack in stacks for pair in stack.minibatches()]
    rows = torch.cat([splits.rows[stack.rows].flatten() for stack in stacks])
    return rows, *(torch.cat(parts) for parts in zip(*pairs, strict=True)), splits.val[1]


def test_split_order_augmentation_and_label_noise_depend_on_seed_and_number_alone(monkeypatch):
    digits = load("digits")
    monkeypatch.setattr("dlgbench.data.module.load", lambda _name: digits)  # by whatever name
    sizes = {"batch_size", "steps", "random_stream"}
    changes = [
        {name: value for name, value in each.items() if name not in sizes}
        for each in CASES.values()
        if not any(name.startswith("data_args") for name in each)
    ]
    changes += [{"data": name} for name in DATA] + [{"model": name} for name in MODELS]
    for seed, number in ((0, 0), (3, 2)):
        base = EVERY_STREAM.override(random_stream=number)
        first = drawn(base, seed)
        for each in changes:
            for one, other in zip(first, drawn(base.override(each), seed), strict=True):
                assert torch.equal(one, other), each
        for each in ({"batch_size": 8}, {"steps": 3}):
            rows = drawn(base.override(each), seed)[0]
            assert torch.equal(rows, first[0][: len(rows)]), each


def stripped(run):
    summary = {metric: value for metric, value in run.summary.items() if metric != "seconds"}
    return summary, run.history


@pytest.mark.parametrize("engine", ENGINES)
def test_no_name_reaches_a_random_stream(engine):
    """Nor does anything else of a cell but its recipe and its seed."""
    names = [
        {},
        {"ablation": "b", "arm": "other"},
        {"ablation": "a@digits", "slide": "S", "scale": "smoke"},  # a replicate
        {"ablation": "controls/a", "arm": "none", "setting": {"lr": 0.1}, "timing": True},
        {"engine": "lanes" if engine == "single" else "single"},  # each trains by its own
    ]
    numbers = {"seed", "work", "purpose", "precision"}
    fields = {field.name for field in dataclasses.fields(Cell)} - numbers
    assert set().union(*names) == fields
    recipe = EVERY_STREAM.override(evaluations=6, lr=0.5)
    (run, weights), *others = (trained(engine, cell(recipe, 2, **each))[0] for each in names)
    for other, same in others:
        assert torch.equal(same, weights)
        assert stripped(other) == stripped(run)
    ((tuned, same),) = trained(engine, cell(recipe, 2, "tune"))
    assert torch.equal(same, weights)
    assert tuned.history == tuple(p for p in run.history if not p[0].startswith("test/"))
    summary = stripped(run)[0].items()
    untested = {metric: value for metric, value in summary if not metric.startswith("test/")}
    assert stripped(tuned)[0] == untested
    for metric in ("val/loss", "val/error"):
        curve = [value for name, _, value in run.history if name == metric]
        assert untested[metric] == curve[-1] not in (min(curve), max(curve))


def test_noise_of_torch_s_own_layers_is_that_of_the_seed_too():
    """A user's nn.Dropout draws from the global generator."""
    register_model("own", init="zero")(
        lambda input_shape=(1, 8, 8), num_classes=10: nn.Sequential(
            nn.Flatten(), nn.Dropout(0.5), nn.Linear(math.prod(input_shape), num_classes)
        )
    )
    recipe = BASE.override(model="own", model_args={}, steps=3)
    for seed, number in ((0, 0), (4, 0), (4, 1)):
        own = recipe.override(random_stream=number)
        ((_, weights),) = trained("single", cell(own, seed))
        x, y = by_hand(BASE, seed).splits["train"]
        order = torch.randperm(len(x), generator=stream(seed, "order", number))
        w = torch.zeros(10, 64, requires_grad=True)
        b = torch.zeros(10, requires_grad=True)
        with torch.random.fork_rng():
            torch.manual_seed(seed_of(seed, "noise", number))
            for rows in order[:48].split(16):
                z = F.dropout(x[rows].flatten(1), 0.5) @ w.T + b
                gradients = torch.autograd.grad(F.cross_entropy(z, y[rows]), (w, b))
                with torch.no_grad():
                    for part, gradient in zip((w, b), gradients, strict=True):
                        part.sub_(0.1 * gradient)
        hand = torch.cat([w.flatten(), b]).detach()
        torch.testing.assert_close(weights, hand, rtol=1e-4, atol=1e-6)


# weights of every shape ---------------------------------------------------------------------------


@pytest.fixture
def convolutional():
    """`convolutional(**fields)`: before and after one step, a net of the user's with convolutions.

    Each is the weights by name, in layers of their own.
    """
    kept = {}

    def keep(name):
        def probe(subject):
            kept[name] = {n: w.detach().clone() for n, w in subject.network.named_parameters()}
            return {}

        return probe

    for when in ("start", "end"):
        register_probe(when, when=when, metrics={})(keep(when))
    register_model("conv")(
        lambda input_shape=(1, 8, 8), num_classes=10: nn.Sequential(
            nn.Conv2d(input_shape[0], 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.ConvTranspose2d(4, 3, 3),
            nn.ReLU(),
            LocallyConnected2d(3, 2, (8, 8), 3),
            nn.Flatten(),
            nn.Linear(72, num_classes),
        )
    )

    def step(**fields):
        recipe = BASE.override(model="conv", model_args={}, steps=1, evaluations=1, **fields)
        single.train(cell(recipe.override(probes=("start", "end")), 3))
        return kept["start"], kept["end"]

    return step


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nag", "adamw"])
def test_weight_decay_shrinks_the_weights_of_every_layer(optimizer, convolutional):
    """The first step is w - lr (g + decay w), of Nesterov's momentum times 1.9."""
    start, plain = convolutional(optimizer=optimizer)
    _, decayed = convolutional(optimizer=optimizer, weight_decay=0.5)
    rate = 0.1 * (1.9 if optimizer == "nag" else 1)
    for name, w in start.items():
        wanted = plain[name] - rate * 0.5 * w
        torch.testing.assert_close(decayed[name], wanted, msg=name, rtol=1e-4, atol=1e-6)


def test_max_norm_constrains_the_units_of_every_layer(convolutional):
    _, plain = convolutional()
    _, constrained = convolutional(max_norm=0.5)
    units = {  # of each weight the dimensions that lead to one unit
        "0.weight": (1, 2, 3),
        "3.weight": (0, 2, 3),  # (in, out, 3, 3)
        "5.weight": (1, 2, 3),
        "7.weight": (1,),
    }
    for name, free in plain.items():
        w = free
        if name in units:
            norm = free.square().sum(units[name], keepdim=True).sqrt()
            assert norm.max() > 0.5
            w = free * (0.5 / norm).clamp(max=1)
        torch.testing.assert_close(constrained[name], w, msg=name, rtol=1e-4, atol=1e-6)


# targets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("metric", ["val/error", "val/loss", "train/loss"])
def test_a_target_is_met_at_the_first_evaluation_that_equals_it_or_is_below(metric, engine):
    recipe = BASE.override(steps=8, evaluations=8, lr=0.5)
    ((run, _),) = trained(engine, cell(recipe))
    curve = [(step, value) for name, step, value in run.history if name == metric]
    for wanted in {value for _, value in curve} | {min(value for _, value in curve) / 2}:
        ((again, _),) = trained(engine, cell(recipe.override(target={metric: wanted})))
        reached = [step for step, value in curve if value <= wanted]
        if reached:
            assert again.summary["steps_to_target"] == reached[0]
        else:
            assert again.summary["steps_to_target/censored_at"] == 8
        assert ("steps_to_target" in again.summary) == bool(reached)

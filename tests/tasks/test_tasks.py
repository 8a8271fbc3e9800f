import math
import warnings

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from sklearn.metrics import jaccard_score, r2_score
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from dlgbench import (
    Ablation,
    Claim,
    DlgbenchError,
    Recipe,
    at_least,
    create,
    create_model,
    value,
)
from dlgbench.registry import TASKS
from dlgbench.tasks.base import ROWS
from dlgbench.tasks.factory import USED


def task(name, network=None, **recipe):
    declared = Recipe(model="mlp", task=name, steps=0, **recipe)
    return TASKS[name].make(network or nn.Identity(), declared)


def random(*shape, seed=0):
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def labels(*shape, classes=3):
    return torch.randint(0, classes, shape, generator=torch.Generator().manual_seed(1))


def test_every_task_gives_the_metrics_that_it_announces():
    outputs = {
        "classification": (random(7, 3), labels(7)),
        "regression": (random(7, 2), random(7, 2, seed=1)),
        "image_to_image": (random(7, 2, 4, 4), random(7, 2, 4, 4, seed=1)),
        "segmentation": (random(7, 3, 4, 4), labels(7, 4, 4)),
        "minimization": (torch.ones(1), torch.zeros(1, 1)),
    }
    assert set(TASKS) == set(outputs)
    for name, (z, y) in outputs.items():
        network = create_model("function") if name == "minimization" else None
        announced, module = set(TASKS[name].metrics), task(name, network, data="photographs")
        assert set(module.metrics(z, y)) == announced
        x = torch.zeros(1, 1) if name == "minimization" else z
        measured = set(module.evaluate("val", x, y))
        assert measured == {f"val/{metric}" for metric in ("loss", *announced)}


def test_classification_by_hand():
    z = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 0.0, 4.0]])
    y, e = torch.tensor([0, 2, 2]), np.exp
    shares = [e(2) / (e(2) + e(1) + 1), e(1) / (1 + e(3) + e(1)), e(4) / (e(1) + 1 + e(4))]
    losses = {
        None: -np.log(shares).mean(),
        "cross_entropy": -np.log(shares).mean(),
        "squared": np.mean([1 + 1 + 0, 0 + 9 + 0, 1 + 0 + 9]),
        "perceptron": np.mean([0, 3 - 1, 0]),
    }
    for loss, wanted in losses.items():
        ours = task("classification", loss=loss).objective(z, y).item()
        assert ours == pytest.approx(wanted, rel=1e-6)
    assert task("classification").metrics(z, y) == {"error": 1 / 3}


def test_regression_against_scikit_learn():
    z, y = random(50, 2), random(50, 2, seed=1)
    apart = z.numpy() - y.numpy()
    mse, l1 = np.square(apart).mean(), np.abs(apart).mean()
    assert task("regression").objective(z, y).item() == pytest.approx(mse)
    assert task("regression", loss="l1").objective(z, y).item() == pytest.approx(l1)
    metrics = {"mse": mse, "r2": r2_score(y, z)}
    assert task("regression").metrics(z, y) == pytest.approx(metrics)


def test_psnr_needs_the_range_of_the_targets():
    y = random(3, 1, 6, 6)
    assert set(task("image_to_image", data="photographs_sobel").metrics(y, y)) == {"mse"}
    names = {"model": "encoder_decoder", "task": "image_to_image", "steps": 1}
    assert "test/psnr" in Recipe(data="photographs", **names).recorded()
    assert "test/psnr" not in Recipe(data="photographs_ab", **names).recorded()
    claim = Claim("It helps", value("test/psnr", "net"), at_least(20))
    about = {"scales": {"cpu": {}}, "select": "val/mse", "arms": {"net": {}}, "claims": [claim]}
    with pytest.raises(DlgbenchError, match="test/psnr"):
        Ablation("What?", "Slide", recipe=Recipe(data="photographs_ab", **names), **about)


def test_image_to_image_by_hand():
    y = random(3, 2, 6, 6)
    metrics = task("image_to_image", data="photographs").metrics(y + 0.1, y)
    assert metrics == pytest.approx({"mse": 0.01, "psnr": 20.0})  # -10 log10 .01
    assert task("image_to_image", loss="l1").objective(y + 0.1, y).item() == pytest.approx(0.1)


def test_segmentation_against_scikit_learn_counts_labelled_pixels_alone():
    z, y = random(5, 3, 8, 8), labels(5, 8, 8)
    y[:, :2] = -1
    seen, said = y[y >= 0].numpy(), z.argmax(1)[y >= 0].numpy()
    metrics = task("segmentation").metrics(z, y)
    assert metrics["error"] == pytest.approx((seen != said).mean(), abs=1e-12)
    assert metrics["miou"] == pytest.approx(jaccard_score(seen, said, average="macro"), abs=1e-6)
    chosen = -torch.log_softmax(z, 1).gather(1, y.clamp(min=0)[:, None])[:, 0][y >= 0]
    assert task("segmentation").objective(z, y).item() == pytest.approx(chosen.mean().item())


def test_a_net_without_padding_answers_for_the_middle():
    y = random(2, 1, 10, 10)
    assert task("image_to_image").objective(y[..., 3:7, 3:7], y).item() == 0
    assert task("image_to_image").objective(y[..., 2:6, 3:7], y).item() > 0


def test_auxiliary_heads_weigh_three_tenths():
    module, y = task("classification"), labels(4)
    main, one, two = (random(4, 3, seed=seed) for seed in range(3))
    losses = [F.cross_entropy(z, y) for z in (main, one, two)]
    wanted = losses[0] + 0.3 * losses[1] + 0.3 * losses[2]
    assert module.objective((main, one, two), y).item() == pytest.approx(wanted.item())


def test_a_split_is_evaluated_in_parts_in_evaluation_mode_and_the_mode_is_put_back():
    network = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 3, dtype=torch.float64))
    module, n = task("classification", network), 2 * ROWS + 17
    x, y = random(n, 2), labels(n)
    measured = module.evaluate("test", x, y)
    assert network.training
    z = network[1](x)
    error = (z.argmax(1) != y).double().mean().item()
    wanted = {"test/loss": F.cross_entropy(z, y).item(), "test/error": error}
    assert measured == pytest.approx(wanted, rel=1e-6)


def test_where_the_loss_is_not_finite_there_are_no_metrics():
    x, y = torch.full((2, 1, 4, 4), math.nan), torch.zeros(2, 1, 4, 4)
    measured = task("image_to_image").evaluate("val", x, y)
    assert set(measured) == {"val/loss"}
    assert math.isnan(measured["val/loss"])


def test_a_loss_of_another_task_is_refused():
    with pytest.raises(
        DlgbenchError, match=r"task regression: no loss is called 'cross_entropy'. Known: l1, l2"
    ):
        task("regression", loss="cross_entropy")


# under a Trainer of one's own ---------------------------------------------------------------------

POINTS = {"input_shape": (2,), "hidden": (), "num_classes": 2}


@pytest.fixture
def trainer(tmp_path):
    """`trainer(**options)`: an ordinary Trainer that says nothing."""

    def trainer(**options):
        names = ("progress_bar", "model_summary", "checkpointing")
        quiet = {f"enable_{name}": False for name in names} | {"logger": False}
        return pl.Trainer(accelerator="cpu", default_root_dir=tmp_path, **quiet, **options)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield trainer


def test_batches_weigh_by_their_rows(trainer):
    module = create("mlp", model_args=POINTS)
    x, y = torch.randn(65, 2), torch.zeros(65).long()
    y[:64] = module(x[:64]).argmax(1)
    y[64] = 1 - module(x[64:]).argmax(1)
    loader = DataLoader(TensorDataset(x, y), 64)
    (tested,) = trainer().test(module, loader, verbose=False)
    assert tested["test/error"] == pytest.approx(1 / 65)


def test_a_schedule_runs_over_the_trainers_steps(trainer):
    rates = []

    class Watch(pl.Callback):
        def on_before_optimizer_step(self, _trainer, _module, rule):
            rates.append(rule.param_groups[0]["lr"])

    module = create("mlp", model_args=POINTS, lr=0.1, schedule="linear")
    loader = DataLoader(TensorDataset(torch.randn(8, 2), torch.zeros(8).long()), 4)
    trainer(max_epochs=2, callbacks=[Watch()]).fit(module, loader)
    assert rates == pytest.approx([0.1, 0.075, 0.05, 0.025])
    endless = "schedule linear: expected a Trainer with max_epochs or max_steps, got one without"
    with pytest.raises(DlgbenchError, match=endless):
        trainer(max_epochs=-1).fit(module, loader)


def test_create_heeds_what_it_takes_and_refuses_the_rest():
    zero = create("mlp", init="zero")
    assert not any(p.any() for p in zero.network.parameters())
    assert not torch.equal(create("lenet5").network[0].weight, create("lenet5").network[0].weight)
    for args, message in {
        ("init", "nonsense"): "no initialization is called 'nonsense'",
        ("optimizer", "adm"): "no optimizer is called 'adm'; did you mean 'adam'",
        ("probes", ("nope",)): "create: no argument is called 'probes'",
        ("task", "sorting"): "no task is called 'sorting'",
        ("init", "lsuv"): "got init lsuv, which needs a batch",
    }.items():
        with pytest.raises(DlgbenchError, match=message):
            create("mlp", **dict([args]))


GIVEN = {  # each argument of create, in a training of which all else is as by default
    "task": {"task": "regression"},
    "loss": {"loss": "squared"},
    "init": {"init": "zero"},
    "optimizer": {"optimizer": "adam"},
    "optimizer_args": {"optimizer_args": {"momentum": 0.5}},
    "lr": {"lr": 0.3},
    "weight_decay": {"weight_decay": 0.5},
    "schedule": {"schedule": "linear"},
    "max_norm": {"max_norm": 0.3},
}


def fit_by_hand(w, b, x, y, given):
    """A linear model after four steps, on two minibatches in turn."""
    rule = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[given.get("optimizer", "sgd")]
    lr, args = given.get("lr", 0.1), given.get("optimizer_args", {})
    rule = rule([w, b], lr=lr, weight_decay=given.get("weight_decay", 0.0), **args)
    for step in range(4):
        rows = slice(4 * (step % 2), 4 * (step % 2) + 4)
        z = x[rows] @ w.T + b
        if given.get("task") == "regression":
            loss = (z - y[rows]).square().mean()
        elif given.get("loss") == "squared":
            loss = (z - torch.eye(2)[y[rows]]).square().sum(1).mean()
        else:
            loss = (z.logsumexp(1) - z[range(4), y[rows]]).mean()
        for group in rule.param_groups:
            group["lr"] = lr * (1 - step / 4 if given.get("schedule") == "linear" else 1)
        rule.zero_grad()
        loss.backward()
        rule.step()
        if most := given.get("max_norm"):
            with torch.no_grad():
                w.mul_((most / w.norm(dim=1, keepdim=True)).clamp(max=1))
    return w, b


def test_the_cases_of_create_name_every_argument():
    assert list(GIVEN) == list(USED)


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_each_argument_of_create_reaches_the_weights_as_it_does_by_hand(given, trainer):
    x = random(8, 2).float()
    y = random(8, 2).float() if "task" in given else (x[:, 0] > x[:, 1]).long()
    module = create("mlp", model_args=POINTS, **given)
    own = [p.detach().clone().requires_grad_() for p in module.network.parameters()]
    assert any(p.any() for p in own) == ("init" not in given)
    others = [p.detach().clone().requires_grad_() for p in own]
    trainer(max_epochs=2).fit(module, DataLoader(TensorDataset(x, y), 4))
    hand = fit_by_hand(*own, x, y, given)
    for ours, theirs in zip(module.network.parameters(), hand, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    if not given.keys() & {"task", "init"}:
        plain, _ = fit_by_hand(*others, x, y, {})
        assert not torch.allclose(plain, hand[0], rtol=1e-2)  # the argument matters here


@pytest.mark.parametrize("name", ["regression", "segmentation", "image_to_image"])
def test_every_task_learns_from_an_ordinary_loader(name, trainer):
    images = random(64, 2, 8, 8).float()
    model, x, y, outputs = {
        "regression": ("mlp", images[:, :, 0, 0], images[:, :, 0, 0].sum(1, keepdim=True), 1),
        "segmentation": ("conv_stack", images, (images[:, 0] > images[:, 1]).long(), 2),
        "image_to_image": ("conv_stack", images, images.mean(1, keepdim=True), 1),
    }[name]
    args = {"input_shape": tuple(x.shape[1:]), "num_classes": outputs}
    module = create(model, task=name, model_args=args, optimizer="adam", lr=0.01)
    before = module.evaluate("train", x, y)["train/loss"]
    trainer(max_epochs=30).fit(module, DataLoader(TensorDataset(x, y), 32))
    assert module.evaluate("train", x, y)["train/loss"] < 0.3 * before

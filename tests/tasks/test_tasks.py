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

from dlgbench import DlgbenchError, Recipe, create
from dlgbench.metrics import TASKS as FIGURES
from dlgbench.tasks import TASKS
from dlgbench.tasks.base import ROWS


def task(name, network=None, **recipe):
    return TASKS[name](network or nn.Identity(), Recipe(model="mlp", task=name, steps=0, **recipe))


def random(*shape, seed=0):
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def labels(*shape, classes=3):
    return torch.randint(0, classes, shape, generator=torch.Generator().manual_seed(1))


def test_every_task_gives_the_figures_that_the_metrics_announce():
    assert set(TASKS) == set(FIGURES)
    outputs = {
        "classification": (random(7, 3), labels(7)),
        "regression": (random(7, 2), random(7, 2, seed=1)),
        "image_to_image": (random(7, 2, 4, 4), random(7, 2, 4, 4, seed=1)),
        "segmentation": (random(7, 3, 4, 4), labels(7, 4, 4)),
    }
    for name, (z, y) in outputs.items():
        assert set(task(name).figures(z, y)) == set(FIGURES[name])
        assert set(task(name).evaluate("val", z, y)) == {
            f"val/{figure}" for figure in ("loss", *FIGURES[name])
        }


def test_classification_by_hand():
    z, y = (
        torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 0.0, 4.0]]),
        torch.tensor([0, 2, 2]),
    )
    e = np.exp
    cross_entropy = -np.mean(
        [
            np.log(e(2) / (e(2) + e(1) + 1)),
            np.log(e(1) / (1 + e(3) + e(1))),
            np.log(e(4) / (e(1) + 1 + e(4))),
        ]
    )
    squared = np.mean([1 + 1 + 0, 0 + 9 + 0, 1 + 0 + 9])
    perceptron = np.mean([0, 3 - 1, 0])
    for loss, wanted in {
        None: cross_entropy,
        "cross_entropy": cross_entropy,
        "squared": squared,
        "perceptron": perceptron,
    }.items():
        assert task("classification", loss=loss).objective(z, y).item() == pytest.approx(
            wanted, rel=1e-6
        )
    assert task("classification").figures(z, y) == {"error": 1 / 3}


def test_regression_against_scikit_learn():
    z, y = random(50, 2), random(50, 2, seed=1)
    assert task("regression").objective(z, y).item() == pytest.approx(
        np.square(z.numpy() - y.numpy()).mean()
    )
    assert task("regression", loss="l1").objective(z, y).item() == pytest.approx(
        np.abs(z.numpy() - y.numpy()).mean()
    )
    assert task("regression").figures(z, y) == pytest.approx(
        {"mse": np.square(z.numpy() - y.numpy()).mean(), "r2": r2_score(y, z)}
    )


def test_image_to_image_by_hand():
    y = random(3, 2, 6, 6)
    figures = task("image_to_image").figures(y + 0.1, y)
    assert figures == pytest.approx({"mse": 0.01, "psnr": 20.0})  # -10 log10 .01
    assert task("image_to_image", loss="l1").objective(y + 0.1, y).item() == pytest.approx(0.1)


def test_segmentation_against_scikit_learn_counts_labelled_pixels_alone():
    z, y = random(5, 3, 8, 8), labels(5, 8, 8)
    y[:, :2] = -1
    seen, said = y[y >= 0].numpy(), z.argmax(1)[y >= 0].numpy()
    figures = task("segmentation").figures(z, y)
    assert figures["error"] == pytest.approx((seen != said).mean(), abs=1e-12)
    assert figures["miou"] == pytest.approx(jaccard_score(seen, said, average="macro"), abs=1e-6)
    chosen = -torch.log_softmax(z, 1).gather(1, y.clamp(min=0)[:, None])[:, 0][y >= 0]
    assert task("segmentation").objective(z, y).item() == pytest.approx(chosen.mean().item())


def test_a_net_without_padding_answers_for_the_middle():
    y = random(2, 1, 10, 10)
    assert task("image_to_image").objective(y[..., 3:7, 3:7], y).item() == 0
    assert task("image_to_image").objective(y[..., 2:6, 3:7], y).item() > 0


def test_auxiliary_heads_weigh_three_tenths():
    module, y = task("classification"), labels(4)
    main, one, two = (random(4, 3, seed=seed) for seed in range(3))
    wanted = (
        F.cross_entropy(main, y) + 0.3 * F.cross_entropy(one, y) + 0.3 * F.cross_entropy(two, y)
    )
    assert module.objective((main, one, two), y).item() == pytest.approx(wanted.item())


def test_a_split_is_evaluated_in_parts_in_evaluation_mode_and_the_mode_is_put_back():
    network = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 3, dtype=torch.float64))
    module, n = task("classification", network), 2 * ROWS + 17
    x, y = random(n, 2), labels(n)
    found = module.evaluate("test", x, y)
    assert network.training
    z = network[1](x)
    assert found == pytest.approx(
        {
            "test/loss": F.cross_entropy(z, y).item(),
            "test/error": (z.argmax(1) != y).double().mean().item(),
        },
        rel=1e-6,
    )


def test_what_is_not_finite_is_divergence_and_no_figure():
    module = task("image_to_image")
    assert not {"val/mse", "val/psnr"} & set(
        module.evaluate("val", torch.full((2, 1, 4, 4), math.nan), torch.zeros(2, 1, 4, 4))
    )
    assert module.diverged


def test_a_loss_of_another_task_is_refused():
    with pytest.raises(
        DlgbenchError, match=r"task regression: no loss is called 'cross_entropy'. Known: l1, l2"
    ):
        task("regression", loss="cross_entropy")


QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
}


def test_batches_weigh_by_their_rows(tmp_path):
    module = create("mlp", model_args={"input_shape": (2,), "hidden": (), "num_classes": 2})
    x, y = torch.randn(65, 2), torch.zeros(65).long()
    y[:64] = module(x[:64]).argmax(1)
    y[64] = 1 - module(x[64:]).argmax(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(default_root_dir=tmp_path, **QUIET)
        found = trainer.test(module, DataLoader(TensorDataset(x, y), 64), verbose=False)
    assert found[0]["test/error"] == pytest.approx(1 / 65)


def test_a_schedule_runs_over_the_trainers_steps(tmp_path):
    module, rates = (
        create(
            "mlp",
            model_args={"input_shape": (2,), "hidden": (), "num_classes": 2},
            lr=0.1,
            schedule="linear",
        ),
        [],
    )

    class Watch(pl.Callback):
        def on_train_batch_end(self, *_):
            rates.append(module.optimizers(use_pl_optimizer=False).param_groups[0]["lr"])

    loader = DataLoader(TensorDataset(torch.randn(8, 2), torch.zeros(8).long()), 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pl.Trainer(max_epochs=2, callbacks=[Watch()], default_root_dir=tmp_path, **QUIET).fit(
            module, loader
        )
        assert rates == pytest.approx([0.1, 0.075, 0.05, 0.025])
        with pytest.raises(DlgbenchError, match="schedule linear wants an end"):
            pl.Trainer(max_epochs=-1, default_root_dir=tmp_path, **QUIET).fit(module, loader)


def test_create_heeds_what_it_takes_and_refuses_the_rest():
    zero = create("mlp", init="zero")
    assert not any(p.any() for p in zero.network.parameters())
    assert not torch.equal(create("lenet5").network[0].weight, create("lenet5").network[0].weight)
    for args, message in {
        ("init", "nonsense"): "no initialization is called 'nonsense'",
        ("optimizer", "adm"): "no optimizer is called 'adm'; did you mean 'adam'",
        ("probes", ("nope",)): "create: no argument is called 'probes'",
        ("task", "sorting"): "no task is called 'sorting'",
        ("init", "lsuv"): "init lsuv wants a batch",
    }.items():
        with pytest.raises(DlgbenchError, match=message):
            create("mlp", **dict([args]))


@pytest.mark.parametrize(
    ("model", "name", "x", "y"),
    [
        ("mlp", "regression", random(128, 2), None),
        ("conv_stack", "segmentation", random(128, 2, 8, 8), None),
        ("conv_stack", "image_to_image", random(128, 2, 8, 8), None),
    ],
)
def test_every_task_learns_from_an_ordinary_loader(model, name, x, y, tmp_path):
    y = {
        "regression": x.sum(1, keepdim=True),
        "segmentation": (x[:, 0] > x[:, 1]).long(),
        "image_to_image": x.mean(1, keepdim=True),
    }[name].clone()
    y = y if y.dtype == torch.int64 else y.float()
    args = {"input_shape": tuple(x.shape[1:]), "num_classes": 2 if name == "segmentation" else 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = create(model, task=name, model_args=args, optimizer="adam", lr=0.01)
        quiet = {
            "logger": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "enable_checkpointing": False,
        }
        trainer = pl.Trainer(accelerator="cpu", max_epochs=30, default_root_dir=tmp_path, **quiet)
        before = module.evaluate("train", x.float(), y)["train/loss"]
        trainer.fit(module, DataLoader(TensorDataset(x.float(), y), 32))
        assert module.evaluate("train", x.float(), y)["train/loss"] < 0.3 * before

import copy
import dataclasses
import math
import signal
from typing import ClassVar

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F

import dlgbench
from dlgbench import Cell, DlgbenchError, Measurement, Observer, Recipe, registry
from dlgbench.data.module import DataModule
from dlgbench.train import _trainer, prepare, set_up_device, train

RECIPE = Recipe(
    model="mlp",
    model_args={"hidden": (16, 16)},
    data="digits",
    data_args={"train": 200, "val": 100},
    lr=0.1,
    batch_size=32,
    steps=30,
    evaluations=3,
)
DROPOUT = RECIPE.override({"model_args.dropout": 0.5})
CPU = torch.device("cpu")


def cell(recipe=RECIPE, seed=0, purpose="evaluate"):
    return Cell("a", "arm", seed, "cpu", recipe, purpose)


def weights(recipe, seed=0):
    task, _ = prepare(cell(recipe, seed), CPU)
    return [p.detach() for p in task.parameters()]


def timeless(run):
    """What two runs have in common where they agree to the bit."""
    return {metric: value for metric, value in run.summary.items() if metric != "seconds"}


@pytest.fixture(autouse=True)
def _registries(monkeypatch):
    """Leaves every registry as it was."""
    for kind in ("MODELS", "DATA", "PROBES", "OPTIMIZERS", "SCHEDULES", "INITIALIZATIONS"):
        parts = getattr(registry, kind)
        monkeypatch.setattr(parts, "_parts", dict(parts))


def test_equal_cells_agree_to_the_bit_and_different_seeds_differ():
    recipe = DROPOUT.override(optimizer="adam", lr=0.01)
    first, again, other = (train(cell(recipe, seed)) for seed in (0, 0, 1))
    assert (timeless(first), first.history) == (timeless(again), again.history)
    assert timeless(first) != timeless(other)
    assert first.history != other.history


def test_the_global_random_stream_does_not_matter_and_is_left_alone():
    torch.manual_seed(1)
    first = train(cell()).history
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert train(cell()).history == first
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_train_is_a_bare_loop_to_the_bit(optimizer):
    recipe = RECIPE.override(optimizer=optimizer, lr=0.01, schedule="linear", max_norm=1.0)
    task, splits = prepare(cell(recipe), CPU)
    network = copy.deepcopy(task.network)
    rules = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
    rule = rules[optimizer](network.parameters(), lr=0.01, fused=True)
    (x, y), losses = splits.train, []
    for rows in torch.cat([stack.rows for stack in splits.train_dataloader()]):
        for group in rule.param_groups:
            group["lr"] = 0.01 * (1 - len(losses) / 30)
        loss = F.cross_entropy(network(x[rows]), y[rows])
        rule.zero_grad()
        loss.backward()
        rule.step()
        with torch.no_grad():
            for layer in network:
                if isinstance(layer, nn.Linear):
                    norms = layer.weight.norm(dim=1, keepdim=True)
                    layer.weight.mul_(torch.where(norms > 1, 1 / (norms + 1e-7), 1.0))
        losses.append(loss.item())
    run = train(cell(recipe))
    ours = [value for name, _, value in run.history if name == "train/loss"]
    assert ours == pytest.approx([np.mean(losses[k : k + 10]) for k in (0, 10, 20)], rel=1e-6)
    with torch.no_grad():
        trained = F.cross_entropy(network.eval()(x), y).item()
        xt, yt = next(iter(splits.test_dataloader()))
        error = (network(xt).argmax(1) != yt).double().mean().item()
    assert run.summary["train/loss"] == pytest.approx(trained, rel=1e-6)
    assert run.summary["test/error"] == pytest.approx(error)


def same(tensors, others):
    return all(torch.equal(a, b) for a, b in zip(tensors, others, strict=True))


def test_arms_pair_by_seed():
    deep = RECIPE.override({"model_args.hidden": (16, 16, 16)})
    normed = RECIPE.override({"model_args.norm": "batch"})
    assert same(weights(RECIPE), weights(DROPOUT))
    assert same(weights(RECIPE)[:4], weights(deep)[:4])
    assert torch.equal(weights(RECIPE)[0], weights(normed)[0])
    modules = [DataModule(recipe, 3, CPU, may_test=False) for recipe in (RECIPE, DROPOUT)]
    assert same(*(module.train for module in modules))
    orders = [torch.cat([stack.rows for stack in module.train_dataloader()]) for module in modules]
    assert torch.equal(*orders)


def test_twins_share_the_split_and_nothing_else():
    twin = RECIPE.override(random_stream=1)
    assert not torch.equal(weights(RECIPE)[0], weights(twin)[0])
    one, two = (DataModule(recipe, 0, CPU, may_test=False) for recipe in (RECIPE, twin))
    assert same(one.train, two.train)
    assert same(one.val, two.val)
    orders = [next(iter(module.train_dataloader())).rows for module in (one, two)]
    assert not torch.equal(*orders)


def test_the_identity_in_dropouts_place_changes_nothing_to_the_bit():
    plain = train(cell()).history
    assert train(cell(DROPOUT.override(identity=("Dropout",)))).history == plain
    assert train(cell(DROPOUT)).history != plain
    missing = "expected a network with layers of class 'Dropout', got one of Flatten, Linear, ReLU"
    with pytest.raises(DlgbenchError, match=missing):
        train(cell(RECIPE.override(identity=("Dropout",))))


def test_the_test_split_opens_once_and_only_for_an_evaluation():
    tuning = DataModule(RECIPE, 0, CPU, may_test=False)
    with pytest.raises(DlgbenchError, match="the test split is closed"):
        tuning.test_dataloader()
    evaluation = DataModule(RECIPE, 0, CPU, may_test=True)
    evaluation.test_dataloader()
    with pytest.raises(DlgbenchError, match="the test split is closed"):
        evaluation.test_dataloader()
    assert not any("test" in name for name in train(cell(purpose="tune")).summary)
    assert {"test/error", "test/loss"} <= set(train(cell()).summary)


def test_nothing_but_the_evaluation_depends_on_the_test_images(monkeypatch):
    from dlgbench.data import load

    def untested(run):
        return {m: value for m, value in timeless(run).items() if not m.startswith("test/")}

    tuned, evaluated, whole = train(cell(purpose="tune")), train(cell()), load("digits")
    x, y = whole.test
    poison = copy.copy(whole)
    object.__setattr__(poison, "test", (255 - x, y[::-1].copy()))
    monkeypatch.setattr("dlgbench.data.module.load", lambda _name: poison)
    assert untested(train(cell(purpose="tune"))) == untested(tuned)
    poisoned = train(cell())
    assert untested(poisoned) == untested(evaluated)
    # the poison works
    assert poisoned.summary["test/error"] > evaluated.summary["test/error"] + 0.2


def test_a_diverged_run_says_so_and_invents_no_number():
    run = train(cell(RECIPE.override(lr=1e30)))
    assert run.status == "diverged"
    assert set(run.summary) == {"parameters", "seconds"}
    assert all(np.isfinite(value) for _, _, value in run.history)


def test_a_loss_that_is_finite_on_all_that_was_drawn_and_not_on_the_training_split_diverged():
    changes = {"data": "points", "data_args": {"standardize": False}, "steps": 2, "batch_size": 4}
    recipe = RECIPE.override(changes, evaluations=1, loss="squared")
    x, y = points()
    arrays = dlgbench.Arrays.cut(x, y, test=50, num_classes=2)
    dlgbench.register_data("points")(lambda: arrays)
    assert train(cell(recipe)).status == "finished"
    splits = DataModule(recipe, 0, CPU, may_test=False)
    drawn = torch.cat([stack.rows.flatten() for stack in splits.train_dataloader()])
    unseen = next(row for row in range(len(splits.rows)) if row not in drawn)
    arrays.pool[0][splits.rows[unseen]] = 1e30  # its square is infinite
    dlgbench.data.module._pool.cache_clear()
    run = train(cell(recipe))
    assert run.status == "diverged"
    assert set(run.summary) == {"parameters", "seconds"}
    assert {name for name, _, _ in run.history} == {"train/loss", "val/loss", "val/error"}


def test_steps_to_target_are_the_first_evaluation_or_a_bound():
    targets = [RECIPE.override(target={"val/error": wanted}) for wanted in (1.0, 0.0)]
    easy, hard = (train(cell(recipe)).summary for recipe in targets)
    assert easy["steps_to_target"] == 10
    assert "steps_to_target" not in hard
    assert hard["steps_to_target/censored_at"] == 30


def test_lsuv_gives_every_layer_unit_variance_on_the_data_it_will_see():
    deep = RECIPE.override({"model_args.hidden": (16,) * 6}, init="lsuv")
    task, splits = prepare(cell(deep), CPU)
    variances = []
    for layer in task.network:
        if isinstance(layer, nn.Linear):
            layer.register_forward_hook(
                lambda _layer, _inputs, output: variances.append(output.var().item())
            )
    task.network(splits.train[0][:256])
    assert variances == pytest.approx([1.0] * 7, abs=0.05)
    with pytest.raises(DlgbenchError, match="init lsuv: expected a recipe with data"):
        prepare(cell(Recipe(model="mlp", steps=0, init="lsuv")), CPU)


def test_without_steps_nothing_is_trained():
    run = train(cell(Recipe(model="conv_stack", steps=0, probes=("receptive_field",))))
    assert run.summary["receptive_field"] == 15
    assert "test/error" not in run.summary


def test_probes_do_not_change_the_training_they_watch():
    recipe = DROPOUT.override({"model_args.norm": "batch"})
    watched = train(cell(recipe.override(probes=("gradients", "activations", "updates"))))
    plain = train(cell(recipe))
    names = {name for name, _, _ in plain.history}
    assert [point for point in watched.history if point[0] in names] == list(plain.history)
    assert len(watched.history) > len(plain.history)
    assert timeless(plain).items() <= timeless(watched).items()


def test_a_model_is_made_for_its_data_unless_the_recipe_says_otherwise():
    made = []

    @dlgbench.register_model("noted")
    def noted(**args):
        made.append(args)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, args["num_classes"]))

    by_data = {"input_shape": (1, 8, 8), "num_classes": 10}
    for args in ({}, {"num_classes": 12}, {"input_shape": (64,)}, {"extra": 3, "num_classes": 11}):
        prepare(cell(RECIPE.override(model="noted", model_args=args)), CPU)
        assert made[-1] == by_data | args


class Around(nn.Module):
    """Notes what each pass finds: its mode, the type of its products, and torch's settings."""

    seen: ClassVar[list] = []

    def __init__(self, input_shape=(1, 8, 8), num_classes=10):
        super().__init__()
        self.layer = nn.Linear(math.prod(input_shape), num_classes)

    def forward(self, x):
        z = self.layer(x.flatten(1))
        products = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
        self.seen.append((self.training, z.dtype, *products, torch.get_num_threads()))
        return z


@pytest.fixture
def _settings():
    """Leaves torch's settings as they were."""
    threads, products = torch.get_num_threads(), torch.get_float32_matmul_precision()
    allowed = torch.backends.cudnn.allow_tf32
    yield
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(products)
    torch.backends.cudnn.allow_tf32 = allowed


@pytest.mark.usefixtures("_settings")
@pytest.mark.parametrize(
    ("precision", "expected"),
    {
        "32": (torch.float32, "highest", False),
        "tf32": (torch.float32, "high", True),
        "bf16": (torch.bfloat16, "highest", False),
    }.items(),
)
def test_every_pass_has_the_precision_of_the_cell_and_one_thread(precision, expected):
    dlgbench.register_model("around")(Around)
    recipe = RECIPE.override(model="around", model_args={}, steps=2, evaluations=1)
    torch.set_num_threads(3)
    # the opposite of what is asked for
    torch.set_float32_matmul_precision("highest" if precision == "tf32" else "high")
    torch.backends.cudnn.allow_tf32 = precision != "tf32"
    Around.seen.clear()
    run = train(dataclasses.replace(cell(recipe), precision=precision))
    assert run.status == "finished"
    assert set(Around.seen) == {(mode, *expected, 1) for mode in (True, False)}
    assert len(Around.seen) == 2 + 3  # the steps, and each split


def test_models_begin_as_they_promise_unless_a_scheme_is_named():
    sizes = {"size": "basic", "input_shape": (3, 16, 16), "num_classes": 3}
    context = Recipe(model="context_module", model_args=sizes, task="segmentation", steps=0)
    x = torch.rand(1, 3, 16, 16)
    task, _ = prepare(cell(context), CPU)
    torch.testing.assert_close(task.network(x), x)  # the identity (Yu & Koltun 2016, eq. 4)
    task, _ = prepare(cell(context.override(init="he")), CPU)
    assert not torch.allclose(task.network(x), x)
    task, _ = prepare(cell(RECIPE.override(model="perceptron", model_args={})), CPU)
    assert not any(p.any() for p in task.network.parameters())


def test_gpu_without_cuda_is_one_message(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    message = r"scale gpu: expected a CUDA device, but torch finds none here; use --scale cpu"
    with pytest.raises(DlgbenchError, match=message):
        train(Cell("a", "arm", 0, "gpu", RECIPE))


def test_a_run_says_where_it_comes_from():
    about = train(cell()).provenance
    names = {"started", "wall", "engine", "code", "device", "git", "version.torch"}
    assert names <= about.keys()


# a user's parts -----------------------------------------------------------------------------------


def tail(subject):
    """A probe of one's own: a dict of metrics is enough."""
    return {"tail/weights": subject.network[-1].weight.abs().mean().item()}


def picture(subject):
    """One with a curve and a picture."""
    x, _ = subject.data("picture")
    grid = x[:6].reshape(2, 3, 8, 8).numpy()
    return Measurement(
        {"picture/rows": float(len(x))}, {"picture/curve": [3.0, 4.0]}, {"grid": grid}
    )


class Steps(Observer):
    """An observer of one's own."""

    def on_train_batch_end(self, _trainer, module, *_):
        self.history.append(("steps/done", module.done, float(module.done)))

    def summary(self):
        return {"steps/last": self.history[-1][2]}


def test_probes_of_ones_own_are_recorded():
    metrics = {"picture/rows": "rows of the split"}
    dlgbench.register_probe("tail", when="end", metrics={"tail/weights": "size"})(tail)
    dlgbench.register_probe("picture", when="test", metrics=metrics)(picture)
    dlgbench.register_probe("steps", when="training", metrics={"steps/last": "steps"})(Steps)
    recipe = RECIPE.override(probes=("tail", "picture", "steps"))
    assert {"tail/weights", "picture/rows", "steps/last"} <= recipe.recorded().keys()
    runs = [train(cell(recipe, seed)) for seed in (0, 1)]
    tuned = train(cell(recipe, purpose="tune"))
    assert runs[0].summary["tail/weights"] > 0
    assert runs[0].summary["picture/rows"] > 256  # all of the test split
    assert runs[0].summary["steps/last"] == 30
    assert {("steps/done", 20, 20.0), ("picture/curve", 2, 4.0)} <= set(runs[0].history)
    assert runs[0].arrays["grid"].shape == (2, 3, 8, 8)
    assert (dict(runs[1].arrays), dict(tuned.arrays)) == ({}, {})  # pictures of one seed suffice
    assert "picture/rows" not in tuned.summary  # the test split is closed to a tuning


def test_probes_see_the_first_256_rows_of_the_training_split_and_at_the_test_all_of_its_own():
    seen = {}

    def spy(when):
        return lambda subject: seen.setdefault(when, subject.batch) and {}

    moments = ("start", "end", "test")
    for when in moments:
        dlgbench.register_probe(f"at_{when}", when=when, metrics={})(spy(when))
    recipe = RECIPE.override({"data_args.train": 300}, probes=tuple(f"at_{w}" for w in moments))
    train(cell(recipe))
    splits = DataModule(recipe, 0, CPU, may_test=True)
    first = [part[:256] for part in splits.train]
    assert [len(seen[when][0]) for when in moments] == [256, 256, len(splits.test()[0])]
    assert same(seen["start"], first)
    assert same(seen["end"], first)
    assert same(seen["test"], splits.test())


def test_weights_that_are_not_trained_are_not_counted_as_parameters():
    def half_frozen(input_shape=(1, 8, 8), num_classes=10):
        network = nn.Sequential(*net(input_shape, 7), nn.ReLU(), nn.Linear(7, num_classes))
        network[1].requires_grad_(requires_grad=False)
        return network

    dlgbench.register_model("half_frozen")(half_frozen)
    run = train(cell(RECIPE.override(model="half_frozen", model_args={}, steps=1, evaluations=1)))
    assert run.summary["parameters"] == 7 * 10 + 10


def net(input_shape=(1, 8, 8), num_classes=10):
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), num_classes))


def test_other_parts_of_ones_own_are_used():
    dlgbench.register_model("net")(net)
    dlgbench.register_data("points")(lambda: dlgbench.Arrays.cut(*points(), test=50, num_classes=2))
    dlgbench.register_initialization("ones")(lambda w, _: nn.init.ones_(w))
    dlgbench.register_schedule("frozen")(lambda _t: 0.0)
    dlgbench.register_optimizer("still")(torch.optim.SGD)
    changes = {"model": "net", "data": "points", "init": "ones", "optimizer": "still"}
    frozen = RECIPE.override(changes, model_args={}, schedule="frozen")
    run = train(cell(frozen))
    assert run.summary["parameters"] == 2 * 2 + 2
    assert run.summary["train/loss"] == pytest.approx(math.log(2))  # equal scores for both classes
    learned = train(cell(frozen.override(schedule="constant")))
    assert learned.summary["test/error"] < 0.1


def points():
    x = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int64)


def test_in_a_job_of_slurm_a_training_is_the_same(monkeypatch, tmp_path):
    """Lightning alone refuses so many tasks, and goes on from what another program has left."""
    recipe = RECIPE.override(probes=("training_step",), steps=6)
    expected = train(cell(recipe))
    job = {"JOB_ID": "71234", "NTASKS": "8", "PROCID": "3", "LOCALID": "3", "NODEID": "0"}
    for name, value in {**job, "NNODES": "2", "JOB_NAME": "x", "NODELIST": "a[1-2]"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hpc_ckpt_1.ckpt").touch()
    run = train(cell(recipe))
    assert run.history == expected.history
    assert run.summary["test/loss"] == expected.summary["test/loss"]
    assert run.summary["training_step/lightning_difference"] == 0.0
    assert [file.name for file in tmp_path.iterdir()] == ["hpc_ckpt_1.ckpt"]


def test_lightning_trains_on_the_gpu_that_is_the_current_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    monkeypatch.setattr(pl, "Trainer", lambda **options: options)
    there = Cell("a", "arm", 0, "gpu", RECIPE, "tune")
    device = set_up_device(there)
    assert device == torch.device("cuda:3")
    assert _trainer(there, device, [])["devices"] == [3]


# Ctrl-C -------------------------------------------------------------------------------------------


class Interrupting(Observer):
    """Presses Ctrl-C when training has begun."""

    def on_train_batch_end(self, *_):
        signal.raise_signal(signal.SIGINT)

    def summary(self):
        raise AssertionError("the training was interrupted")


def test_ctrl_c_is_a_keyboard_interrupt_and_can_be_pressed_again():
    dlgbench.register_probe("interrupting", when="training", metrics={})(Interrupting)
    recipe = RECIPE.override(probes=("interrupting",))
    handler = signal.getsignal(signal.SIGINT)
    # a shell's background job ignores SIGINT, and so would its children
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                train(cell(recipe))
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, handler)
    assert train(cell()).status == "finished"

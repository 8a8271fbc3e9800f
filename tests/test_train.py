import copy
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
import types

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dlgbench import Cell, DlgbenchError, Recipe
from dlgbench.data.module import DataModule
from dlgbench.train import fingerprint, prepare, train

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
CPU = torch.device("cpu")


def cell(recipe=RECIPE, seed=0, purpose="evaluate"):
    return Cell("a", "arm", seed, "cpu", recipe, purpose)


def weights(recipe, seed=0):
    module, _ = prepare(cell(recipe, seed), CPU)
    return [p.detach() for p in module.parameters()]


def test_equal_cells_agree_to_the_bit_and_different_seeds_differ():
    recipe = RECIPE.override({"model_args.dropout": 0.5}, optimizer="adam", lr=0.01)
    first, again, other = (train(cell(recipe, seed)) for seed in (0, 0, 1))
    timeless = lambda run: ({k: v for k, v in run.summary.items() if k != "seconds"}, run.history)  # noqa: E731
    assert timeless(first) == timeless(again)
    assert timeless(first) != timeless(other)


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
    module, splits = prepare(cell(recipe), CPU)
    network = copy.deepcopy(module.network)
    rule = {
        "sgd": torch.optim.SGD(network.parameters(), lr=0.01),
        "adam": torch.optim.Adam(network.parameters(), lr=0.01, fused=True),
    }[optimizer]
    (x, y), losses, step = splits.train, [], 0
    for stack in splits.train_dataloader():
        for rows in stack.rows:
            for group in rule.param_groups:
                group["lr"] = 0.01 * (1 - step / 30)
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
            step += 1
    run = train(cell(recipe))
    ours = [value for name, _, value in run.history if name == "train/loss"]
    assert ours == pytest.approx([np.mean(losses[k : k + 10]) for k in (0, 10, 20)], rel=1e-6)
    with torch.no_grad():
        assert run.summary["train/loss"] == pytest.approx(
            F.cross_entropy(network.eval()(x), y).item(), rel=1e-6
        )
        xt, yt = next(iter(splits.test_dataloader()))
        assert run.summary["test/error"] == pytest.approx(
            (network(xt).argmax(1) != yt).double().mean().item()
        )


def test_arms_pair_by_seed():
    plain, dropout, deep = (
        RECIPE,
        RECIPE.override({"model_args.dropout": 0.5}),
        RECIPE.override({"model_args.hidden": (16, 16, 16)}),
    )
    normed = RECIPE.override({"model_args.norm": "batch"})
    assert all(torch.equal(a, b) for a, b in zip(weights(plain), weights(dropout), strict=True))
    assert all(
        torch.equal(a, b) for a, b in zip(weights(plain)[:4], weights(deep)[:4], strict=True)
    )
    assert torch.equal(weights(plain)[0], weights(normed)[0])
    modules = [DataModule(recipe, 3, CPU, may_test=False) for recipe in (plain, dropout)]
    assert torch.equal(modules[0].train[0], modules[1].train[0])
    orders = [torch.cat([stack.rows for stack in module.train_dataloader()]) for module in modules]
    assert torch.equal(*orders)


def test_twins_share_the_split_and_nothing_else():
    twin = RECIPE.override(random_stream=1)
    assert not torch.equal(weights(RECIPE)[0], weights(twin)[0])
    one, two = (DataModule(recipe, 0, CPU, may_test=False) for recipe in (RECIPE, twin))
    assert torch.equal(one.train[0], two.train[0])
    assert torch.equal(one.val[0], two.val[0])
    assert not torch.equal(
        next(iter(one.train_dataloader())).rows, next(iter(two.train_dataloader())).rows
    )


def test_the_identity_in_dropouts_place_changes_nothing_to_the_bit():
    sabotaged = RECIPE.override({"model_args.dropout": 0.5, "identity": ("Dropout",)})
    assert train(cell(sabotaged)).history == train(cell()).history
    assert (
        train(cell(RECIPE.override({"model_args.dropout": 0.5}))).history != train(cell()).history
    )
    with pytest.raises(
        DlgbenchError,
        match=r"no layer of class 'Dropout' to replace; it has Flatten, Linear, ReLU, Sequential",
    ):
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
    from dlgbench.data import arrays, load

    tuned, evaluated = train(cell(purpose="tune")), train(cell())
    whole = load("digits")
    poison = arrays.Arrays(
        whole.pool,
        (255 - whole.test[0], whole.test[1][::-1].copy()),
        whole.num_classes,
        whole.digest,
    )
    monkeypatch.setattr("dlgbench.data.module.load", lambda _name: poison)
    timeless = lambda run: {
        k: v for k, v in run.summary.items() if k != "seconds" and not k.startswith("test/")
    }  # noqa: E731
    assert timeless(train(cell(purpose="tune"))) == timeless(tuned)
    poisoned = train(cell())
    assert timeless(poisoned) == timeless(evaluated)
    assert (
        poisoned.summary["test/error"] > evaluated.summary["test/error"] + 0.2
    )  # the poison works


def test_a_diverged_run_says_so_and_invents_no_number():
    run = train(cell(RECIPE.override(lr=1e30)))
    assert run.status == "diverged"
    assert set(run.summary) == {"parameters", "seconds"}
    assert all(np.isfinite(value) for _, _, value in run.history)


def test_what_diverged_once_stays_diverged():
    module, _ = prepare(cell(), CPU)
    trainer = types.SimpleNamespace(should_stop=False)
    module.__dict__["_trainer"] = trainer
    module._fabric = None
    module.evaluate("val", torch.full((4, 1, 8, 8), float("nan")), torch.zeros(4, dtype=torch.long))
    assert module.diverged
    module._note({"val/loss": float("nan")}, 4)
    assert trainer.should_stop
    assert not module.history


def test_steps_to_target_are_the_first_evaluation_or_a_bound():
    easy, hard = (
        train(cell(RECIPE.override(target={"val/error": wanted}))).summary for wanted in (1.0, 0.0)
    )
    assert easy["steps_to_target"] == 10
    assert "steps_to_target" not in hard
    assert hard["steps_to_target/censored_at"] == 30


def test_lsuv_gives_every_layer_unit_variance_on_the_data_it_will_see():
    module, splits = prepare(
        cell(RECIPE.override({"model_args.hidden": (16,) * 6}, init="lsuv")), CPU
    )
    variances = []
    for layer in module.network:
        if isinstance(layer, nn.Linear):
            layer.register_forward_hook(
                lambda _layer, _inputs, output: variances.append(output.var().item())
            )
    module.network(splits.train[0][:256])
    assert variances == pytest.approx([1.0] * 7, abs=0.05)
    with pytest.raises(DlgbenchError, match="a recipe without data came"):
        prepare(cell(Recipe(model="mlp", steps=0, init="lsuv")), CPU)


def test_without_steps_nothing_is_trained():
    run = train(cell(Recipe(model="conv_stack", steps=0, probes=("receptive_field",))))
    assert run.summary["receptive_field"] == 15
    assert "test/error" not in run.summary


def test_probes_do_not_change_the_training_they_watch():
    recipe = RECIPE.override({"model_args.dropout": 0.5, "model_args.norm": "batch"})
    watched = train(cell(recipe.override(probes=("gradients", "activations"))))
    plain = train(cell(recipe))
    assert [point for point in watched.history if not point[0].endswith("by_layer")] == list(
        plain.history
    )


def test_the_source_of_a_model_is_its_file_and_the_siblings_that_it_imports(tmp_path):
    from dlgbench.train import PACKAGE, _with_siblings

    for name, text in {
        "mine": "import torch\nfrom blocks import Block",
        "blocks": "import parts",
        "parts": "",
        "other": "",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    assert {file.stem for file in _with_siblings(tmp_path / "mine.py")} == {
        "mine",
        "blocks",
        "parts",
    }
    assert {file.stem for file in _with_siblings(PACKAGE / "data" / "toys.py")} == {
        "toys",
        "arrays",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"data": "polynomial", "data_args.standardize": False},
            "one class for each input are wanted; scores (8, 1) and torch.float32 targets",
        ),
        (
            {"task": "regression"},
            "outputs and numbers of one shape (B, K) are wanted; outputs (8, 10) and torch.int64 targets",
        ),
        ({"task": "segmentation"}, "a class for each pixel, (B, H, W), are wanted; scores (8, 10)"),
        (
            {"model": "conv_stack", "model_args": {}, "init": "he"},
            "one class for each input are wanted; scores (8, 10, 8, 8)",
        ),
        ({"model_args.num_classes": 5}, "classes below 5 are wanted; classes from 0 to 9 came"),
        ({"model_args.input_shape": (784,)}, "do not go together: "),
        (
            {"model": "resnet18", "model_args": {}, "data": "xor"},
            "resnet: images of shape (C, H, W)",
        ),
        ({"task": "minimization"}, "model function is wanted; Sequential came"),
        ({"probes": ("averaging",)}, "probe averaging wants a network with dropout or noise"),
        (
            {"model_args.hidden": (), "probes": ("drift",)},
            "probe drift wants a network with a hidden layer",
        ),
        ({"probes": ("gradiens",)}, "no probe is called 'gradiens'; did you mean 'gradients'?"),
        (
            {"target": {"val/eror": 0.1}},
            "no metric for a target is called 'val/eror'; did you mean 'val/error'?",
        ),
        (
            {"data_args.label_noise": 2},
            "data_args: label_noise must be a share from 0 to 1; 2 came",
        ),
        ({"data_args.train": "100"}, "data_args: train must be a whole number above 0; '100' came"),
        ({"data_args.shrink": 0}, "data_args: shrink must be a whole number above 0; 0 came"),
        ({"model_args.width": -1}, "a width and channels above 0 are wanted"),
        ({"model_args.num_classes": 0}, "num_classes of at least 1 is wanted; 0 came"),
    ],
)
def test_what_does_not_go_together_is_said_in_one_message(change, message):
    from dlgbench.train import check

    with pytest.raises(DlgbenchError, match=re.escape(message)):
        check(RECIPE.override(change), "cpu")


def test_a_coarse_answer_is_not_taken_for_the_middle():
    from dlgbench.train import check

    recipe = Recipe(
        model="conv_stack",
        data="dense_cue",
        task="segmentation",
        data_args={"train": 20, "val": 10, "standardize": False},
        steps=1,
    )
    check(recipe, "cpu")
    with pytest.raises(DlgbenchError, match="the network answers for one in 4 a side"):
        check(recipe.override({"model_args.pool": True}), "cpu")


def test_models_begin_as_they_promise_unless_a_scheme_is_named():
    context = Recipe(
        model="context_module",
        model_args={"size": "basic", "input_shape": (3, 16, 16), "num_classes": 3},
        task="segmentation",
        steps=0,
    )
    x = torch.rand(1, 3, 16, 16)
    module, _ = prepare(cell(context), CPU)
    torch.testing.assert_close(module.network(x), x)  # the identity (Yu & Koltun 2016, eq. 4)
    module, _ = prepare(cell(context.override(init="he")), CPU)
    assert not torch.allclose(module.network(x), x)
    module, _ = prepare(cell(RECIPE.override(model="perceptron", model_args={})), CPU)
    assert not any(p.any() for p in module.network.parameters())


def test_fingerprint_changes_with_all_that_determines_a_result(monkeypatch):
    prints = {
        "base": fingerprint(cell()),
        "seed": fingerprint(cell(seed=1)),
        "recipe": fingerprint(cell(RECIPE.override(lr=0.2))),
        "purpose": fingerprint(cell(purpose="tune")),
        "data": fingerprint(cell(RECIPE.override(data="xor"))),
        "scale": fingerprint(Cell("a", "arm", 0, "gpu", RECIPE)),
        "precision": fingerprint(Cell("a", "arm", 0, "cpu", RECIPE, precision="bf16")),
    }
    assert (
        fingerprint(Cell("other", "name", 0, "cpu", RECIPE)) == prints["base"]
    )  # names determine nothing
    from dlgbench import train as module

    for name in ("layers/initialization.py", "data/arrays.py", "models/mlp.py"):
        changed = module.PACKAGE / name
        monkeypatch.setitem(module._SOURCES, changed, changed.read_bytes() + b"# changed")
        prints[name] = fingerprint(cell())
    assert len(set(prints.values())) == len(prints)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "mpl"}, "no model is called 'mpl'; did you mean 'mlp'?"),
        ({"data": "mnist5"}, "no data set is called 'mnist5'; did you mean 'mnist5k'?"),
        ({"optimizer": "adm"}, "no optimizer is called 'adm'; did you mean 'adam'?"),
        ({"schedule": "lin"}, "no schedule is called 'lin'"),
        ({"init": "hee"}, "no initialization is called 'hee'; did you mean 'he'?"),
        ({"task": "classify"}, "no task is called 'classify'"),
        ({"model_args.activation": "rely"}, "no activation is called 'rely'; did you mean 'relu'?"),
        ({"model_args.widht": 3}, "model mlp can't be built .*unexpected keyword argument 'widht'"),
        ({"optimizer_args.moment": 3}, "optimizer sgd: .*unexpected keyword argument 'moment'"),
        ({"data_args.train": 5000}, "its pool of 1200 can't give train=5000 and val=100"),
        ({"data_args.shrink": 3}, "inputs of shape .* can't be shrunk by 3"),
        ({"data_args.size": 14}, "data_args: no argument is called 'size'"),
    ],
)
def test_what_cannot_be_carried_out_is_said_before_training(change, message):
    from dlgbench.train import check

    with pytest.raises(DlgbenchError, match=message.replace("?", r"\?")):
        check(RECIPE.override(change), "cpu")


def test_gpu_without_cuda_is_one_message(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        DlgbenchError,
        match=r"scale gpu wants a CUDA device; torch finds none here\. Use --scale cpu",
    ):
        train(Cell("a", "arm", 0, "gpu", RECIPE))


def test_ctrl_c_is_a_keyboard_interrupt_and_can_be_pressed_again():
    code = """
        import signal
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and so would its children
        from dlgbench import Cell, Recipe
        from dlgbench.train import train
        recipe = Recipe(model="mlp", data="digits", steps=100_000, evaluations=1000)
        print("training", flush=True)
        try:
            train(Cell("a", "arm", 0, "cpu", recipe))
        except KeyboardInterrupt:
            print("interrupted", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout.readline() == "training\n"
    time.sleep(4)
    os.kill(process.pid, signal.SIGINT)
    assert process.communicate(timeout=30)[0].splitlines()[-1] == "interrupted True"

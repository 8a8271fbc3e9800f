import functools
import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.polynomial.legendre import legvander

from dlgbench import Cell, DlgbenchError, Recipe
from dlgbench.data.arrays import Arrays
from dlgbench.fingerprint import PACKAGE, fingerprint, with_imports
from dlgbench.preflight import check
from dlgbench.probes.observers import Observer
from dlgbench.probes.subject import Measurement
from dlgbench.registry import DATA, PROBES, register_data, register_probe
from dlgbench.train import prepare, train

POINTS = {"hidden": (4, 2), "norm": "batch", "num_classes": 2}
KINDS = {  # of data, with model, model_args and task; `images` has batch normalization and dropout
    "images": ("vgg11_bn", {"width": 1 / 32}, "classification"),
    "raw images": ("vgg11_bn", {"width": 1 / 32}, "classification"),
    "reproduced": ("conv_stack", {"num_classes": 1}, "image_to_image"),
    "filtered": ("conv_stack", {"num_classes": 1, "dilations": (1,)}, "image_to_image"),
    "bands": ("haar_pyramid", {"num_classes": 1, "levels": 2}, "image_to_image"),
    "blocks": ("residual_stack", {"num_classes": 1}, "image_to_image"),
    "pixels": ("conv_stack", {"num_classes": 3}, "segmentation"),
    "points": ("mlp", POINTS, "classification"),
    "curve": ("linear", {"num_classes": 1}, "regression"),
}
RECIPES = {
    kind: Recipe(
        model=model,
        model_args=args,
        task=task,
        data=kind,
        data_args={"train": 60, "val": 20, "standardize": kind not in ("raw images", "curve")},
        lr=0.01,
        batch_size=16,
        steps=4,
        evaluations=2,
    )
    for kind, (model, args, task) in KINDS.items()
}
# What a probe looks at; the others look at a classifier of images.
SUITED = {
    "lighting": "raw images",
    "fit": "curve",
    "checkerboard": "reproduced",
    "edge_filter": "filtered",
    "checkerboard_start": "reproduced",
    "high_frequency": "reproduced",
    "outputs": "reproduced",
    "boundary": "points",
    "warp": "points",
    "predictions": "pixels",
    "images": "reproduced",
    "pyramid": "bands",
    "identity": "blocks",
}


def arrays_of(kind):
    """Images of 12x12 to classify, whole or by pixel, or to reproduce; points; or a curve."""
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (100, 1, 12, 12), dtype=np.uint8)
    y = random.integers(0, 3, 100)
    if kind in ("reproduced", "filtered", "bands", "blocks"):
        y = x
    elif kind == "pixels":
        y = random.integers(0, 3, (100, 12, 12))
    elif kind == "points":
        x = random.normal(size=(100, 2)).astype(np.float32)
        y = random.integers(0, 2, 100)
    elif kind == "curve":
        x = legvander(random.uniform(-1, 1, 100), 4).astype(np.float32)
        y = random.normal(size=(100, 1)).astype(np.float32)
    classes = 1 if kind in ("reproduced", "filtered", "bands", "blocks", "curve") else 3
    return Arrays((x[:80], y[:80]), (x[80:], y[80:]), classes, "digest")


@pytest.fixture(autouse=True)
def _own_parts(monkeypatch):
    """Registers the data sets; they, and what a test registers, are forgotten after it."""
    for registry in (DATA, PROBES):
        monkeypatch.setattr(registry, "_parts", {name: registry[name] for name in registry})
    for kind in RECIPES:
        register_data(kind)(functools.partial(arrays_of, kind))


def trained(kind, *probes):
    """The weights after a training that the probes watch, and its run."""
    prepared = []

    def spy(*args):
        prepared.append(prepare(*args))
        return prepared[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dlgbench.train.prepare", spy)
        patch.setattr("dlgbench.probes.noise.DRAWS", 2)
        recipe = RECIPES[kind].override(probes=probes)
        run = train(Cell("a", "a", 0, "cpu", recipe))
    return prepared[0][0].network.state_dict(), run


plainly_trained = functools.cache(trained)


def test_every_metric_has_a_meaning_and_one_probe_and_every_target_exists():
    names = [name for probe in PROBES.values() for name in probe.metrics]
    assert len(names) == len(set(names))
    for probe in PROBES.values():
        assert all(probe.metrics.values())
        assert callable(probe.make)


def test_declarations_and_what_they_are_written_with_need_no_torch():
    code = """
        import sys
        from dlgbench import Measurement, Subject, register_probe
        from dlgbench.registry import PROBES
        assert "gradients" in PROBES
        sys.exit("torch" in sys.modules or "numpy" in sys.modules)
    """
    lines = "\n".join(line.strip() for line in code.splitlines())
    assert subprocess.run([sys.executable, "-c", lines], check=False).returncode == 0


@pytest.mark.parametrize("name", PROBES)
def test_a_watched_training_ends_with_the_same_weights_to_the_bit(name):
    kind = SUITED.get(name, "images")
    before, plain = plainly_trained(kind)
    after, watched = trained(kind, name)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert set(watched.summary) == set(plain.summary) | set(PROBES[name].metrics)
    unmeasured = {key: watched.summary[key] for key in plain.summary if key != "seconds"}
    assert unmeasured == {key: plain.summary[key] for key in unmeasured}
    assert set(plain.history) <= set(watched.history)
    if not PROBES[name].metrics:
        assert watched.arrays
    for array, values in watched.arrays.items():
        assert array.startswith(f"{name}/")
        assert values.dtype in (np.float32, np.int64, np.uint8)


@pytest.mark.parametrize("name", PROBES)
def test_the_code_of_each_file_that_runs_for_a_probe_retrains_its_cells(name, edit, executed):
    recipe = RECIPES[SUITED.get(name, "images")].override(probes=(name,), steps=2)
    plain, ours = (Cell("a", "a", 0, "cpu", each) for each in (recipe.override(probes=()), recipe))
    run = functools.partial(train, ours)
    run()  # imports what it needs
    with pytest.MonkeyPatch.context() as patch, executed() as files:
        patch.setattr("dlgbench.probes.noise.DRAWS", 2)
        run()
    before, without = fingerprint(ours), fingerprint(plain)
    own = {file for file in files if file.startswith(("probes/", "equations/"))}
    assert own > {"probes/measuring.py"}
    for file in sorted(own):
        edit(file, lambda text: f"{text}\n\ndef added():\n    return 1\n")
        assert fingerprint(ours) != before, file
    edit(f"probes/{PROBES[name].source.name}", lambda text: text + "\n\nADDED = 1\n")
    assert fingerprint(ours) != before
    shared = with_imports(PACKAGE / "train.py")
    assert (fingerprint(plain) == without) == (PROBES[name].source not in shared)


def test_an_own_function_is_a_probe_as_the_built_in_ones_are():
    @register_probe("brightness", when="test", metrics={"brightness": "mean of the test images"})
    def brightness(subject):
        x, y = subject.data("brightness")
        by_class = [float(x[y == label].mean()) for label in range(3)]
        metrics = {"brightness": float(x.mean())}
        first = x[0].numpy()
        return Measurement(metrics, {"brightness/by_class": by_class}, {"brightness/first": first})

    before, _ = plainly_trained("raw images")
    after, run = trained("raw images", "brightness")
    assert all(torch.equal(before[key], after[key]) for key in before)
    x, y = (torch.as_tensor(part) for part in arrays_of("raw images").test)
    assert run.summary["brightness"] == pytest.approx(float(x.double().mean()) / 255)
    curve = [(step, value) for name, step, value in run.history if name == "brightness/by_class"]
    expected = [float(x[y == label].double().mean()) / 255 for label in range(3)]
    assert [step for step, _ in curve] == [1, 2, 3]
    assert [value for _, value in curve] == pytest.approx(expected)
    np.testing.assert_allclose(run.arrays["brightness/first"], x[0].double() / 255, rtol=1e-6)


def test_an_own_observer_watches_as_the_built_in_ones_do():
    @register_probe("bias", when="training", metrics={"bias/last": "mean of the last bias"})
    class Bias(Observer):
        def on_train_batch_end(self, _trainer, module, _outputs, batch, *_):
            assert len(batch[0]) == 60
            (group,) = module.optimizers(use_pl_optimizer=False).param_groups
            assert group["lr"] == 0.01
            *_, bias = module.network.parameters()
            self.history.append(("bias", module.done, float(bias.mean())))

        def check(self, network):
            if isinstance(network, torch.nn.Sequential):
                raise DlgbenchError("probe bias: expected no Sequential, got one")

        def summary(self):
            return {"bias/last": self.history[-1][2]}

    before, _ = plainly_trained("images")
    after, run = trained("images", "bias")
    assert all(torch.equal(before[key], after[key]) for key in before)
    points = {step: value for name, step, value in run.history if name == "bias"}
    assert list(points) == [2, 4]
    assert run.summary["bias/last"] == points[4] == float([*after.values()][-1].mean())
    with pytest.raises(DlgbenchError, match="probe bias: expected no Sequential, got one"):
        check(RECIPES["points"].override(probes=("bias",)), "cpu")

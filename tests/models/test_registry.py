"""Tests of every registered model: a new one is tested as soon as it is registered."""

import functools
import math
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError, create_model
from dlgbench.discovery import load
from dlgbench.probes.interchange import in_onnx_runtime, settled
from dlgbench.recipe import Recipe
from dlgbench.registry import MODELS, TASKS
from dlgbench.tasks.dense import centre
from dlgbench.tasks.factory import create

ROOT = Path(__file__).parents[2]
WIDTHS = (0.125, 0.25, 0.5, 1.0)
PARAMETERS = 60_000  # at most, where the width can bring it there
CLASSES = 5
DEGRADED = ("plain110", "plain1202")

# Deeper networks of the layers of another one, whose graph says nothing new.
DEEPER = {"resnet34", "resnet101", "resnet152", "densenet121", "densenet_bc_100_12"}
DEEPER |= {f"vgg{depth}{norm}" for depth in (13, 16, 19) for norm in ("", "_bn")}
DEEPER |= {f"{family}{depth}" for family in ("resnet", "plain") for depth in (32, 44, 56, 110)}
ZERO = {"residual_stack": ".branch.0."}  # initially before weights of 0, which no gradient passes
GIANTS = ("resnet1202", "plain1202")  # exported like resnet110 and plain110


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.slow if name in GIANTS else ())
        for name, model in MODELS.items()
        if model.task != "minimization"  # a function has no input
    ]
)
def name(request):
    return request.param


@functools.cache
def narrow_args(name):
    """The largest width at which the model is small, for models that have a width."""
    if MODELS[name].default("width") is None:
        return {}
    side, chosen = MODELS[name].sides[0], WIDTHS[0]
    for width in WIDTHS:
        shape = (1, side, side)
        network = create_model(name, input_shape=shape, num_classes=CLASSES, width=width)
        if sum(p.numel() for p in network.parameters()) > PARAMETERS:
            break
        chosen = width
    return {"width": chosen}


def narrow(name, channels=1, at=0, seed=0, **changes):
    """A narrow network of the registry for square inputs, and a batch of its inputs in float64."""
    side, args = MODELS[name].sides[at], narrow_args(name) | changes
    torch.manual_seed(seed)
    network = create_model(name, input_shape=(channels, side, side), num_classes=CLASSES, **args)
    return network.double(), inputs(name, channels, side)


def settled_network(name):
    """A narrow network for evaluation whose batch normalization has the statistics of its batch."""
    network, x = narrow(name)
    return settled(network, x), x


def inputs(name, channels, side):
    """Four images of noise for a classifier, two smooth ones for models that predict pixels."""
    random = torch.Generator().manual_seed(1)
    if MODELS[name].task == "classification":
        return torch.rand(4, channels, side, side, dtype=torch.float64, generator=random)
    coarse = torch.rand(2, channels, 3, 3, dtype=torch.float64, generator=random)
    return nn.functional.interpolate(coarse, (side, side), mode="bilinear")


def targets(name, x, z):
    """Targets for the output z: random labels, or a function of the input at each pixel."""
    if MODELS[name].task == "classification":
        return torch.randint(0, CLASSES, (len(x),), generator=torch.Generator().manual_seed(2))
    level = centre(x, z).mean(1)
    if MODELS[name].task == "segmentation":
        return (level * CLASSES).long().clamp(0, CLASSES - 1)
    return torch.stack([(level - 0.2 * k).abs() for k in range(CLASSES)], 1)


def objective(name):
    task = MODELS[name].task
    return TASKS[task].make(nn.Identity(), Recipe(model=name, task=task, steps=0)).objective


@pytest.mark.parametrize(("channels", "at"), [(1, 0), (3, 1)])
def test_forward_at_two_sizes_and_a_gradient_reaches_every_parameter(name, channels, at):
    network, x = narrow(name, channels, at)
    with torch.no_grad():
        z = network.eval()(x)
    assert z.shape[:2] == (len(x), CLASSES)
    assert z.dim() == (2 if MODELS[name].task == "classification" else 4)
    objective(name)(network.train()(x), targets(name, x, z)).backward()
    gradients = {
        key: p.grad
        for key, p in network.named_parameters()
        if name not in ZERO or ZERO[name] not in key
    }
    assert not [key for key, grad in gradients.items() if grad is None or not grad.any()]
    assert all(grad.isfinite().all() for grad in gradients.values())


def test_an_evaluation_does_not_depend_on_who_else_is_in_it_and_changes_nothing(name):
    if name in DEGRADED:
        pytest.skip("so deep without shortcuts that it amplifies the last bit of float64")
    network, x = settled_network(name)
    with torch.no_grad():
        y = targets(name, x, network(x))
    y = y.float() if y.is_floating_point() else y
    task = TASKS[MODELS[name].task].make(network.train(), Recipe(model=name, steps=0))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    whole = task.evaluate("val", x, y)["val/loss"]
    alone = [task.evaluate("val", x[k : k + 1], y[k : k + 1])["val/loss"] for k in range(len(x))]
    assert whole == pytest.approx(sum(alone) / len(x), rel=1e-5)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert all(module.training for module in network.modules())


def normalized_variants(name):
    """Networks of a model with each batch normalization that its builder offers, and batches."""
    norms = [None] if MODELS[name].default("norm") is None else ["batch"]
    norms += ["noisy_batch"] if name == "mlp" else []
    return [narrow(name, **({"norm": norm} if norm else {})) for norm in norms]


def trained_once(network, x):
    """The layers of batch normalization and what came into each, in one pass in training mode."""
    seen = []
    hooks = [
        layer.register_forward_hook(lambda layer, inputs, _: seen.append((layer, inputs[0])))
        for layer in network.modules()
        if isinstance(layer, nn.modules.batchnorm._BatchNorm)
    ]
    with torch.no_grad():
        network.train()(x)
    for hook in hooks:
        hook.remove()
    return seen


def test_batch_normalization_counts_a_tenth_of_each_batch_and_evaluates_by_what_it_counted(name):
    for network, x in normalized_variants(name):
        seen = trained_once(network, x)
        assert seen or MODELS[name].default("norm") is None
        for layer, inputs in seen:
            values = inputs.transpose(0, 1).flatten(1)
            assert layer.running_mean is not None, "it evaluates by the batch"
            mean, variance = 0.1 * values.mean(1), 0.9 + 0.1 * values.var(1)
            torch.testing.assert_close(layer.running_mean, mean, rtol=1e-9, atol=1e-12)
            torch.testing.assert_close(layer.running_var, variance, rtol=1e-9, atol=1e-12)
            scale = layer.weight / (variance + layer.eps).sqrt()
            wanted = (values - mean[:, None]) * scale[:, None] + layer.bias[:, None]
            z = layer.eval()(inputs).transpose(0, 1).flatten(1)
            torch.testing.assert_close(z, wanted, rtol=1e-9, atol=1e-9)


HES = {  # models that draw their own: the fan in the variance of their 3x3 convolutions
    **dict.fromkeys(("alexnet", "vgg11", "vgg11_bn", "unet", "residual_stack"), "in"),
    **dict.fromkeys(("encoder_decoder", "densenet121", "densenet_40_12"), "in"),
    **dict.fromkeys(("resnet18", "resnet50", "resnet20", "plain20"), "out"),
}


@pytest.mark.parametrize(("model", "fan"), HES.items())
def test_convolutions_begin_with_hes_normal_distribution(model, fan):
    torch.manual_seed(0)
    width = 4 if model == "residual_stack" else 0.25
    network = create_model(model, input_shape=(1, 64, 64), width=width)
    drawn = []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3) and layer.weight.any():
            units = layer.in_channels if fan == "in" else layer.out_channels
            drawn.append(layer.weight.detach().flatten() / (2 / (9 * units)) ** 0.5)
    for z in drawn:
        assert z.std().item() == pytest.approx(1, abs=4 / len(z) ** 0.5)
    z = torch.cat(drawn)
    share = (z.abs() < 1).float().mean().item()
    assert share == pytest.approx(math.erf(0.5**0.5), abs=0.02)  # uniform, it is 0.58, not 0.68


def test_one_batch_can_be_over_fitted(name):
    if name in DEGRADED:
        pytest.skip("too deep to train: the claim of architectures/residual_depth")
    if name == "constant":
        pytest.skip("does not see its input")
    assert any(_remaining_loss(name, lr) < 0.25 for lr in (0.003, 0.001))


def _remaining_loss(name, lr):
    """The loss of one batch, relative to the best constant answer's.

    After at most 200 steps of Adam, without dropout.
    """
    network, x = narrow(name)
    network, x = network.float(), x.float()
    for module in network.modules():
        if isinstance(module, (nn.Dropout, nn.Dropout2d)):
            module.p = 0.0
    with torch.no_grad():
        y = targets(name, x, network.eval()(x))
    network.train()
    optimizer, constant = torch.optim.Adam(network.parameters(), lr=lr), _loss_of_constant(y)
    for _ in range(200):
        loss = objective(name)(network(x), y)
        if loss.item() < 0.25 * constant:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item() / constant


def _loss_of_constant(y):
    """The least loss of an answer that ignores the input: the class shares, or the mean colour."""
    if y.is_floating_point():
        return (y - y.mean((0, 2, 3), keepdim=True)).square().mean().item()
    share = y.flatten().bincount(minlength=CLASSES) / y.numel()
    return torch.special.entr(share).sum().item()


def test_weights_go_out_and_in_and_depend_on_the_seed_alone(name):
    network, x = narrow(name)
    again, _ = narrow(name)
    other, _ = narrow(name, seed=1)
    for a, b in zip(network.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    with torch.no_grad():
        z = network.eval()(x)
        if any(p.any() for p in network.parameters()):  # the perceptron's are initially zero
            assert not torch.equal(z, other.eval()(x))
        other.load_state_dict(network.state_dict())
        assert torch.equal(z, other(x))


def test_channels_last_agrees(name):
    if name in DEGRADED:
        pytest.skip("so deep without shortcuts that it amplifies the last bit of float64")
    network, x = settled_network(name)
    with torch.no_grad():
        z = network(x)
        network = network.to(memory_format=torch.channels_last)
        last = network(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(last, z, rtol=1e-10, atol=1e-10)


def test_an_exported_network_runs_in_onnx_runtime(name):
    if name in GIANTS:
        pytest.skip("only deeper than resnet110 and plain110, which are exported")
    network, x = settled_network(name)
    with torch.no_grad():
        exact = network(x)
        network, x = network.float(), x.float()
        z = network(x)
    # the older exporter takes a tenth of the time
    output, _ = in_onnx_runtime(network, x, dynamo=name not in DEEPER)
    assert output.shape == z.shape
    if name in DEGRADED:
        return  # it amplifies the last bit of float32 to the size of its outputs
    rounding = (z - exact).abs().max().item()
    assert rounding < 1e-3
    # The outputs of a hundred layers in float32 are themselves no closer to those in float64.
    assert (output - z).abs().max().item() < max(1e-4, 10 * rounding)


def test_the_ablation_about_onnx_asks_every_model():
    ablation = load(ROOT / "ablations" / "frameworks" / "test_interchange.py")
    models = {ablation.arm(arm, "cpu").model for arm in ablation.arms}
    known = {name for name in MODELS if MODELS[name].proof}  # a test may register others
    assert models == known - {"function", *GIANTS}


def test_its_entry_names_its_source_and_the_test_that_proves_it(name):
    model = MODELS[name]
    assert 1900 < model.year <= 2026
    assert model.paper
    assert model.family
    assert model.task in TASKS
    assert model.build.__doc__
    file, _, test = model.proof.partition("::")
    assert re.search(rf"^def {test}\(", (ROOT / file).read_text(), re.MULTILINE)


def test_what_is_no_image_is_refused_in_one_message(name):
    if name in ("linear", "perceptron", "mlp"):
        pytest.skip("takes any shape")
    with pytest.raises(DlgbenchError, match=r"\(C, H, W\)|\(2,\)"):
        create_model(name, input_shape=(2,))


def test_it_comes_as_a_lightning_module(name):
    side = MODELS[name].sides[0]
    args = {"input_shape": (1, side, side), "num_classes": CLASSES, **narrow_args(name)}
    module = create(name, lr=0.1, model_args=args)
    assert module.recipe.lr == 0.1
    assert module.recipe.task == MODELS[name].task

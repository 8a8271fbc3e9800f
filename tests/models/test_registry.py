"""Over the whole registry, unasked: a new model is tested as soon as it is registered."""

import functools
import re
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from dlgbench import DlgbenchError, create_model
from dlgbench.layers.initialization import weighted
from dlgbench.models import MODELS
from dlgbench.recipe import Recipe
from dlgbench.tasks import TASKS, create
from dlgbench.tasks.dense import centre

ROOT = Path(__file__).parents[2]
WIDTHS = (1.0, 0.5, 0.25, 0.125)
PARAMETERS = 60_000  # at most, where the width can bring it there
CLASSES = 5
DEGRADED = ("plain110", "plain1202")

pytestmark = pytest.mark.parametrize(
    "name", [name for name, model in MODELS.items() if model.task != "minimization"]
)  # a function has no input


@functools.cache
def width(name, channels, side):
    """The largest width at which the model is small."""
    if MODELS[name].default("width") is None:
        return None
    for width in WIDTHS:
        with torch.device("meta"):
            network = create_model(
                name, input_shape=(channels, side, side), num_classes=CLASSES, width=width
            )
        if sum(p.numel() for p in network.parameters()) <= PARAMETERS:
            break
    return width


def narrow(name, channels=1, at=0, seed=0, **args):
    """A narrow network of the registry for square inputs, and a batch of its inputs in float64."""
    side = MODELS[name].sides[at]
    if (chosen := width(name, channels, side)) is not None:
        args["width"] = chosen
    torch.manual_seed(seed)
    network = create_model(name, input_shape=(channels, side, side), num_classes=CLASSES, **args)
    return network.double(), inputs(name, channels, side)


def settled(name):
    """A narrow network for evaluation whose batch normalization has seen its batch: without, a deep one's outputs are astronomical."""
    network, x = narrow(name)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(x)
    return network.eval(), x


def inputs(name, channels, side):
    """Four inputs: noise for a classifier, something smooth where every pixel wants an answer."""
    random = torch.Generator().manual_seed(1)
    if MODELS[name].task == "classification":
        return torch.rand(4, channels, side, side, dtype=torch.float64, generator=random)
    return nn.functional.interpolate(
        torch.rand(4, channels, 3, 3, dtype=torch.float64, generator=random),
        (side, side),
        mode="bilinear",
    )


def targets(name, x, z):
    """Targets that fit the output z and the model's task: any labels, or a function of the input at the pixel."""
    if MODELS[name].task == "classification":
        return torch.randint(0, CLASSES, (len(x),), generator=torch.Generator().manual_seed(2))
    level = centre(x, z).mean(1)
    if MODELS[name].task == "segmentation":
        return (level * CLASSES).long().clamp(0, CLASSES - 1)
    return torch.stack([(level - 0.2 * k).abs() for k in range(CLASSES)], 1)


def objective(name):
    task = MODELS[name].task
    return TASKS[task](nn.Identity(), Recipe(model=name, task=task, steps=0)).objective


@pytest.mark.parametrize(("channels", "at"), [(1, 0), (3, 1)])
def test_forward_at_two_sizes_and_a_gradient_reaches_every_parameter(name, channels, at):
    network, x = narrow(name, channels, at)
    with torch.no_grad():
        z = network.eval()(x)
    assert z.shape[:2] == (len(x), CLASSES)
    assert z.dim() == (2 if MODELS[name].task == "classification" else 4)
    objective(name)(network.train()(x), targets(name, x, z)).backward()
    starved = [
        parameter
        for parameter, p in network.named_parameters()
        if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert not starved


def test_one_batch_can_be_over_fitted(name):
    if name in DEGRADED:
        pytest.skip(
            "a plain net this deep does not train: the claim of architectures/residual_depth"
        )
    assert any(_fall(name, lr) < 0.25 for lr in (0.01, 0.001))


def _fall(name, lr):
    """What is left of the loss of one batch after at most 200 steps of Adam, without dropout, as a share of the best blind answer's."""
    network, x = narrow(name)
    network, x = network.float(), x.float()
    for module in network.modules():
        if isinstance(module, (nn.Dropout, nn.Dropout2d)):
            module.p = 0.0
    with torch.no_grad():
        y = targets(name, x, network.eval()(x))
    network.train()
    rule, blind = torch.optim.Adam(network.parameters(), lr=lr), _blind(y)
    for _ in range(200):
        loss = objective(name)(network(x), y)
        if loss.item() < 0.25 * blind:
            break
        rule.zero_grad()
        loss.backward()
        rule.step()
    return loss.item() / blind


def _blind(y):
    """The least loss of an answer that does not look at the input: the classes' shares, or the mean colour."""
    if y.is_floating_point():
        return (y - y.mean((0, 2, 3), keepdim=True)).square().mean().item()
    share = y.flatten().bincount(minlength=CLASSES) / y.numel()
    return torch.special.entr(share).sum().item()


def test_weights_go_out_and_in_and_depend_on_the_seed_alone(name):
    network, x = narrow(name)
    again, _ = narrow(name)
    other, _ = narrow(name, seed=1)
    assert all(
        torch.equal(a, b)
        for a, b in zip(network.state_dict().values(), again.state_dict().values(), strict=True)
    )
    with torch.no_grad():
        z = network.eval()(x)
        if any(p.any() for p in network.parameters()):  # the perceptron begins at zero
            assert not torch.equal(z, other.eval()(x))
        other.load_state_dict(network.state_dict())
        assert torch.equal(z, other(x))


def test_channels_last_agrees(name):
    if name in DEGRADED:
        pytest.skip("a plain net this deep amplifies the last bit of float64")
    network, x = settled(name)
    with torch.no_grad():
        z = network(x)
        last = network.to(memory_format=torch.channels_last)(
            x.contiguous(memory_format=torch.channels_last)
        )
    torch.testing.assert_close(last, z, rtol=1e-10, atol=1e-10)


def test_an_exported_network_runs_in_onnx_runtime(name, tmp_path):
    import onnxruntime

    network, x = settled(name)
    with torch.no_grad():
        exact = network(x)
        network, x = network.float(), x.float()
        z = network(x)
    file = str(tmp_path / "network.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if len(weighted(network)) < 60:
            torch.onnx.export(network, (x,), file, dynamo=True, verbose=False, optimize=False)
        else:  # the newer exporter takes 55 s for 1,202 layers, the older one 15
            torch.onnx.export(network, (x,), file, dynamo=False)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    found = torch.from_numpy(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])
    assert found.shape == z.shape
    if name in DEGRADED:
        return  # it amplifies the last bit of float32 to the size of its outputs
    rounding = (z - exact).abs().max().item()
    assert rounding < 1e-3
    assert (found - z).abs().max().item() < max(
        1e-4, 10 * rounding
    )  # a net of a hundred layers is itself no closer to float64


def test_its_entry_tells_where_it_comes_from_and_what_proves_it(name):
    model = MODELS[name]
    assert 1900 < model.year <= 2026
    assert model.paper
    assert model.family
    assert model.task in TASKS
    assert model.build.__doc__
    file, _, test = model.proof.partition("::")
    assert re.search(rf"^def {test}\(", (ROOT / file).read_text(), re.MULTILINE), (
        f"{model.proof!r} is no test"
    )


def test_what_is_no_image_is_refused_in_one_message(name):
    if name in ("linear", "perceptron", "mlp"):
        pytest.skip("takes any shape")
    with pytest.raises(DlgbenchError, match=r"\(C, H, W\)|\(2,\)"):
        create_model(name, input_shape=(2,))


def test_it_comes_as_a_lightning_module(name):
    args = (
        {}
        if width(name, 1, MODELS[name].sides[0]) is None
        else {"width": width(name, 1, MODELS[name].sides[0])}
    )
    module = create(
        name,
        lr=0.1,
        model_args={
            "input_shape": (1, *[MODELS[name].sides[0]] * 2),
            "num_classes": CLASSES,
            **args,
        },
    )
    assert module.recipe.lr == 0.1
    assert module.recipe.task == MODELS[name].task

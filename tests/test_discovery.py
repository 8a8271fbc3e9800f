"""From files to ablations: names, twins, what is told of a file without importing it."""

import ast
import re
import sys
from pathlib import Path

import pytest

from dlgbench import Ablation, DlgbenchError, Recipe
from dlgbench.discovery import declares, discover, find_root, identify, load
from dlgbench.scale import JUDGED
from dlgbench.stats import ALPHA

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "ablations").rglob("test_*.py"))
PLAIN = Ablation(
    question="Q?",
    recipe=Recipe(model="mlp", steps=0),
    arms={"a": {}},
    scales={"cpu": {}, "gpu": {}},
)


def test_the_name_is_the_files_place(tmp_path):
    named = identify(PLAIN, ROOT / "ablations/depth/test_x.py")
    assert (named.name, named.file) == ("depth/x", "ablations/depth/test_x.py")
    assert identify(PLAIN, tmp_path / "test_mine.py").name == "mine"
    (tmp_path / "ablations" / "depth").mkdir(parents=True)
    assert find_root(tmp_path / "ablations" / "depth") == tmp_path
    assert identify(PLAIN, tmp_path / "ablations" / "test_mine.py").name == "mine"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ABLATION = 1", True),
        ("ABLATION: int = 1", True),
        ("x = ABLATION = 1", True),
        ("# ABLATION = 1", False),
        ("TEXT = '''\nABLATION = 1\n'''", False),
        ("def f():\n    ABLATION = 1", False),
        ("from mine import ABLATION", False),
        ("ABLATION = (", True),  # the import says what is wrong with it
        ("raise SystemExit  # ABLATION", False),
    ],
)
def test_whether_a_file_declares_an_ablation_is_read_off_its_code(text, wanted, tmp_path):
    (tmp_path / "test_x.py").write_text(f"import dlgbench\n{text}")
    assert declares(tmp_path / "test_x.py") == wanted


def test_a_file_that_knows_nothing_of_dlgbench_is_let_alone(tmp_path):
    (tmp_path / "test_x.py").write_text("ABLATION = {'a': 1}")
    assert not declares(tmp_path / "test_x.py")


def test_what_is_no_ablation_is_said_by_name(tmp_path):
    nothing = f"expected a folder with test_*.py files that declare ABLATION, got {tmp_path}"
    with pytest.raises(DlgbenchError, match=re.escape(nothing)):
        discover(tmp_path)
    (tmp_path / "test_x.py").write_text("# ABLATION = 1\n")
    with pytest.raises(DlgbenchError, match=re.escape(nothing)):
        discover(tmp_path)
    assert not declares(tmp_path / "test_gone.py")
    ours = "from dlgbench import Ablation\nABLATION = Ablation(question='Q?')\n"
    messages = {
        "test_one.py": ("ABLATION = 1\n", "expected ABLATION = Ablation(...), got 1"),
        "test_syntax.py": ("ABLATION = (\n", "can't be imported: SyntaxError: '(' was never"),
        "test_import.py": ("import not_there\nABLATION = 1\n", "ModuleNotFoundError: No module"),
        "test_ours.py": (ours, "ablation 'Q?': expected a recipe, or train with its config, got"),
    }
    for name, (text, message) in messages.items():
        file = tmp_path / name
        file.write_text(text)
        with pytest.raises(DlgbenchError, match=rf"{file}.*{re.escape(message)}"):
            load(file)


def test_a_file_may_import_its_siblings_and_is_executed_once(tmp_path):
    (tmp_path / "my_parts.py").write_text("from dlgbench import Recipe\nR = Recipe('mlp', steps=0)")
    (tmp_path / "test_x.py").write_text(
        '"""How it is asked.\n\n    Indented.\n"""\n'
        "from dlgbench import Ablation\nfrom my_parts import R\n"
        "S = {'cpu': {}, 'gpu': {}}\n"
        "ABLATION = Ablation('Q?', recipe=R, arms={'a': {}}, scales=S)\n"
    )
    first, again = load(tmp_path / "test_x.py"), load(tmp_path / "test_x.py")
    assert first.work is again.work
    assert first.protocol == "How it is asked.\n\nIndented."
    assert [ablation.name for ablation in discover(tmp_path)] == ["x"]


# twins --------------------------------------------------------------------------------------------

DROPOUT = """
from dlgbench import Ablation, Claim, Recipe, at_least, difference

ABLATION = Ablation(
    question="Does dropout help?",
    slide="Dropout",
    recipe=Recipe(model="mlp", data="mnist5k", steps=100, target={"val/error": 0.2}),
    arms={"none": {}, "dropout": {"model_args.dropout": 0.5}, "unused": {"steps": 9}},
    claims=[Claim("C", difference("test/error", "none", "dropout"), at_least(0.1))],
    scales={"cpu": {"seeds": 6, "arms": ("none", "dropout"), "steps": 50}, "gpu": {"steps": 70}},
    tune={"lr": (0.1, 0.2)},
    select="steps_to_target",
    dataset_overrides={"fashion_mnist": {"weight_decay": 0.3}},
)
"""
MIXUP = """
from dlgbench import Ablation

def train(config, seed, log):
    return {"val/error": 0.1}

ABLATION = Ablation(
    question="Does mixup help?",
    train=train,
    config={"mixup": 0.0, "net": {"width": 8}},
    metrics={"val/error": "share"},
    arms={"none": {}, "mixup": {"mixup": 0.2}},
    scales={"smoke": {"net.width": 2}},
    timing=True,
)
"""
TWIN = """
from dlgbench import Ablation, Recipe

ABLATION = Ablation(question="A/A?", twin_of={parent!r}, {arguments})
"""


@pytest.fixture
def twin(tmp_path):
    """`twin(parent, arguments)`: loads a control of regularization/dropout, or of mixup."""
    folder = tmp_path / "ablations"
    for name in ("regularization", "controls"):
        (folder / name).mkdir(parents=True)
    (folder / "regularization" / "test_dropout.py").write_text(DROPOUT)
    (folder / "test_mixup.py").write_text(MIXUP)

    def twin(parent, arguments, name="twin"):
        file = folder / "controls" / f"test_{name}.py"
        file.write_text(TWIN.format(parent=parent, arguments=arguments))
        return load(file)

    return twin


def test_a_twin_takes_from_its_parent_what_it_does_not_say(twin):
    control = twin("regularization/dropout", "arms={'one': {}, 'two': {'random_stream': 1}}")
    assert (control.name, control.question) == ("controls/twin", "A/A?")
    assert (control.slide, control.claims, control.select) == ("Dropout", (), "steps_to_target")
    recipe = Recipe(model="mlp", data="mnist5k", steps=100, target={"val/error": 0.2})
    assert control.work == recipe
    assert control.tune == {"lr": (0.1, 0.2)}
    assert control.dataset_overrides == {"fashion_mnist": {"weight_decay": 0.3}}
    cpu, gpu = {"seeds": 6, "steps": 50}, {"steps": 70}
    assert control.scales == {"cpu": cpu, "gpu": gpu, "paper": gpu}
    assert control.arm("two", "cpu") == recipe.override(steps=50, random_stream=1)
    assert {cell.arm for cell in control.cells("cpu")} == {"one", "two"}  # not the parent's arms


def test_a_twin_says_what_differs(twin):
    control = twin(
        "regularization/dropout",
        "arms={'one': {}, 'two': {'random_stream': 1}}, slide='', select='val/loss', tune={}, "
        "override={'model_args.hidden': (3,), 'lr': 0.3}, dataset_overrides={},"
        "scales={'cpu': {'seeds': 8, 'arms': ('one', 'two')}}",
    )
    assert control.work.model_args == {"hidden": (3,)}
    assert (control.work.lr, control.work.steps) == (0.3, 100)
    assert (control.slide, control.select, control.tune) == ("Dropout", "val/loss", {})
    assert control.dataset_overrides == {}
    assert control.scales["cpu"] == {"seeds": 8, "steps": 50, "arms": ("one", "two")}
    assert control.scales["gpu"] == {"steps": 70}


def test_at_paper_a_twin_keeps_what_it_says_at_gpu(twin, tmp_path):
    """Else a control whose parent has a budget of its own there would lose its sabotage."""
    arguments = "arms={'one': {}}, scales={'gpu': {'data': 'digits'}}"
    assert twin("regularization/dropout", arguments).scales["paper"] == {
        "steps": 70,
        "data": "digits",
    }
    parent = tmp_path / "ablations" / "regularization" / "test_longer.py"
    parent.write_text(
        DROPOUT.replace('"gpu": {"steps": 70}', '"gpu": {"steps": 70}, "paper": {"steps": 900}')
    )
    control = twin("regularization/longer", arguments, name="longer_twin")
    assert control.scales["gpu"] == {"steps": 70, "data": "digits"}
    assert control.scales["paper"] == {"steps": 900, "data": "digits"}
    arguments = "arms={'one': {}}, scales={'paper': {'seeds': 7}}"
    control = twin("regularization/longer", arguments, name="seeds_twin")
    assert control.scales["paper"] == {"steps": 900, "seeds": 7}


def test_a_twin_of_own_training_code_and_a_twin_of_a_twin(twin):
    override = "override={'net.width': 4}"
    own = twin("mixup", f"arms={{'one': {{}}, 'two': {{'mixup': 0.0}}}}, {override}")
    assert own.work.config == {"mixup": 0.0, "net": {"width": 4}}
    assert own.work.metrics == {"val/error": "share"}
    assert own.arm("one", "smoke").config["net"] == {"width": 2}
    assert own.timing
    again = twin("controls/twin", "arms={'one': {}}, override={'mixup': 0.5}", name="again")
    assert again.work.config == {"mixup": 0.5, "net": {"width": 4}}


def test_twins_of_each_other_are_refused(twin, tmp_path):
    own = TWIN.format(parent="controls/twin", arguments="arms={'one': {}}")
    (tmp_path / "ablations" / "controls" / "test_other.py").write_text(own)
    with pytest.raises(DlgbenchError, match="got a circle of twins"):
        twin("controls/other", "arms={'one': {}}")


@pytest.mark.parametrize(
    ("message", "parent", "arguments"),
    [
        ("expected the name of another ablation, folder/file without", "dropout", "arms={'a': {}}"),
        ("expected the name of another ablation", "controls/twin", "arms={'a': {}}"),  # itself
        (
            "expected what changes in the parent's under override, got recipe",
            "regularization/dropout",
            "arms={'a': {}}, recipe=Recipe(model='mlp', steps=0)",
        ),
        (
            "no field of Recipe is called 'lrr'; did you mean 'lr'?",
            "regularization/dropout",
            "arms={'a': {}}, override={'lrr': 0.1}",
        ),
        (
            "arm 'a' at cpu: no entry of config is called 'random_stream'",
            "mixup",
            "arms={'a': {'random_stream': 1}}",
        ),
        ("expected at least one arm, got none", "regularization/dropout", ""),
    ],
)
def test_a_twin_that_makes_no_sense_is_one_message(message, parent, arguments, twin, tmp_path):
    where = f"{tmp_path / 'ablations/controls/test_twin.py'}, twin_of {parent!r}: "
    with pytest.raises(DlgbenchError) as raised:
        twin(parent, arguments)
    assert str(raised.value).startswith(where)
    assert message in str(raised.value)


# the suite's own ----------------------------------------------------------------------------------


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_ablation_imports_only_the_public_names(file):
    ablation = load(file)
    modules = {"torch" if name.startswith("torch.") else name for name in imports(file)}
    modules -= sys.stdlib_module_names
    assert modules - ({"torch"} if ablation.train else set()) == {"dlgbench"}
    assert ablation.name == "/".join([file.parent.name, file.stem.removeprefix("test_")])
    assert ablation.claims


def imports(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_every_claim_of_a_control_must_not_be_supported_or_is_a_check():
    for ablation in discover(ROOT / "ablations/controls"):
        for claim in ablation.claims:
            control = claim.kind in {"control", "twin"} and claim.expect == "not supported"
            check = claim.kind == "check" and claim.expect == "supported"
            assert control or check, (ablation.name, claim.statement)


def test_a_sabotage_whose_arms_are_equal_has_seeds_enough_to_fail():
    """By the sign test no five values that agree decide a claim: a control that can't fail."""
    found = 0
    for ablation in discover(ROOT / "ablations/controls"):
        checks = [claim for claim in ablation.claims if claim.threshold.kind == "exactly"]
        if not ablation.name.endswith("_sabotage") or not checks:
            continue
        for scale in JUDGED:
            tested = set(ablation.claims_at(scale)) - set(checks)
            seeds = ablation.at(scale).seeds
            assert 2 * 0.5**seeds <= ALPHA / len(tested), (ablation.name, scale)
            found += 1
    assert found


def test_no_control_trains_at_one_rate_that_is_outside_the_grid_of_what_it_controls():
    seen = set()
    for file in sorted((ROOT / "ablations/controls").glob("test_*.py")):
        control, twin = load(file), re.search(r'twin_of="(.*)"', file.read_text())
        folder, _, name = twin[1].rpartition("/")
        parent = load(ROOT / "ablations" / folder / f"test_{name}.py")
        for scale in ("cpu", "gpu", "paper"):
            grids = [parent.grid(arm, scale) for arm in parent.arms_at(scale)]
            rates = [setting["lr"] for grid in grids for setting in grid if "lr" in setting]
            arms = [arm for arm in control.arms_at(scale) if not control.grid(arm, scale)]
            fixed = [work.lr for arm in arms if (work := control.arm(arm, scale)).steps and rates]
            outside = [lr for lr in fixed if not min(rates) <= lr <= max(rates)]
            assert not outside, (control.name, scale, rates)
            seen |= {scale} if fixed else set()
    assert seen == {"cpu", "gpu", "paper"}


def test_no_scale_leaves_out_what_an_ablation_claims_something_about():
    for ablation in discover(ROOT / "ablations"):
        for scale in ("cpu", "gpu", "paper"):
            left = about(ablation.claims) - about(ablation.claims_at(scale))
            assert not left, (ablation.name, scale, left)


def about(claims):
    return {(claim.kind == "control", name) for claim in claims for name, _ in claim.effect.needs}

import dataclasses
import pickle
import re
from pathlib import Path

import pytest

from dlgbench import Ablation, Claim, DlgbenchError, Recipe, at_least, difference, exactly, value
from dlgbench.ablation import discover, find_root, load, named

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "ablations").rglob("test_*.py"))
SOUND = {
    "question": "Q?",
    "slide": "S",
    "recipe": Recipe(model="mlp", data="mnist5k", steps=100),
    "arms": {"none": {}, "dropout": {"model_args.dropout": 0.5}, "untrained": {"steps": 0}},
    "claims": [Claim("C", difference("test/error", "none", "dropout"), at_least(0.1))],
    "scales": {"cpu": {"steps": 50, "seeds": 6}, "gpu": {"precision": "bf16"}},
    "tune": {"lr": (0.1, 0.2, 0.3)},
}


def test_cells_are_arms_times_seeds_and_tuning_seeds_never_evaluate():
    cells = Ablation(**SOUND).cells("cpu")
    tuning, evaluation = (
        [c for c in cells if c.purpose == "tune"],
        [c for c in cells if c.purpose == "evaluate"],
    )
    assert (len(tuning), len(evaluation)) == (2 * 3 * 2, 3 * 6)  # what trains nothing is not tuned
    assert not {c.seed for c in tuning} & {c.seed for c in evaluation}
    assert {c.recipe.steps for c in cells} == {0, 50}
    assert len({c.id for c in cells}) == len(cells)
    assert pickle.loads(pickle.dumps(cells)) == cells


def test_scales_change_the_recipe_before_the_arms_do():
    ablation = Ablation(
        **SOUND
        | {"scales": {"cpu": {"model_args.dropout": 0.1, "model_args.hidden": (3,)}, "gpu": {}}}
    )
    assert ablation.arm("dropout", "cpu").model_args == {"dropout": 0.5, "hidden": (3,)}
    assert Ablation(**SOUND).at("gpu").precision == "bf16"
    smoke = Ablation(**SOUND).arm("none", "smoke")
    assert (smoke.steps, smoke.data_args) == (4, {"train": 200, "val": 100})
    assert Ablation(**SOUND).arm("untrained", "smoke").steps == 0


def test_grids_per_arm():
    grids = {"none": {"lr": (0.1, 0.2)}, "dropout": {"weight_decay": (0.1, 0.2)}}
    assert Ablation(**SOUND | {"tune": grids}).grid("dropout", "cpu") == [
        {"weight_decay": 0.1},
        {"weight_decay": 0.2},
    ]


def test_a_scale_may_take_some_arms_and_with_them_some_claims():
    scales = {"cpu": {"arms": ("none", "untrained")}, "gpu": {}}
    ablation = Ablation(**SOUND | {"scales": scales})
    assert {cell.arm for cell in ablation.cells("cpu")} == {"none", "untrained"}
    assert (len(ablation.claims_at("cpu")), len(ablation.claims_at("gpu"))) == (0, 1)


def test_another_set_of_images_stands_in_and_changes_what_it_must():
    arms = SOUND["arms"] | {"toy": {"data": "xor"}}
    recipe = SOUND["recipe"].override(
        {"data_args.val": 1000, "data_args.shrink": 2}, target={"val/error": 0.1}
    )
    dataset_overrides = {"fashion_mnist": {"target": {"val/error": 0.3}}}
    own = named(
        Ablation(
            **SOUND | {"recipe": recipe, "arms": arms, "dataset_overrides": dataset_overrides}
        ),
        ROOT / "ablations/mine/test_q.py",
    )
    there, digits = own.with_data("fashion_mnist"), own.with_data("digits")
    assert (there.name, own.name, there.data) == ("mine/q@fashion_mnist", "mine/q", "fashion_mnist")
    assert there.arm("none", "cpu") == own.arm("none", "cpu").override(
        data="fashion_mnist", target={"val/error": 0.3}
    )
    assert digits.arm("none", "cpu") == own.arm("none", "cpu").override(
        {"data": "digits", "data_args.val": 200, "data_args.shrink": 1}
    )
    assert there.arm("toy", "cpu") == digits.arm("toy", "cpu") == own.arm("toy", "cpu")
    with pytest.raises(DlgbenchError, match="no set of labelled images is called 'xor'"):
        own.with_data("xor")


def claim(metric, arm="none"):
    return [Claim("C", value(metric, arm), exactly(1))]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"claims": [Claim("C", difference("test/error", "none", "dropuot"), at_least(1))]}, "claim 'C': no arm is called 'dropuot'; did you mean 'dropout'?"),
        ({"claims": claim("test/eror")}, "no metric is called 'test/eror'; did you mean 'test/error'?"),
        ({"claims": claim("gradient/first")}, "no metric is called 'gradient/first'"),  # no probe records it
        ({"claims": claim("test/error", "untrained")}, "no metric is called 'test/error'"),
        ({"claims": SOUND["claims"] * 2}, "two claims are called 'C'"),
        ({"arms": {}}, "at least one arm is wanted"),
        ({"dataset_overrides": {"digits": {"steps": 9}}}, "arm 'untrained' sets steps, and dataset_overrides would set it again"),
        ({"dataset_overrides": {"fashion": {}}}, "dataset_overrides: no set of labelled images is called 'fashion'; did you mean 'fashion_mnist'?"),
        ({"dataset_overrides": {"digits": {"target": {"val/eror": 0.1}}}}, "no metric for a target is called 'val/eror'"),
        ({"arms": {"none": {"model_arg.x": 1}}}, "arm 'none' at cpu: no field of Recipe is called 'model_arg'"),
        ({"scales": {"cpu": {}}}, "what it takes at cpu and at gpu, and nothing else; cpu came"),
        ({"scales": {"cpu": {"seeds": 3}, "gpu": {}}}, "at least 5 seeds; 3 came"),
        ({"scales": {"cpu": {"seeds": 0}, "gpu": {}}}, "seeds must be a whole number from 1 to 999; 0 came"),
        ({"scales": {"cpu": {"precision": "fp8"}, "gpu": {}}}, "no precision is called 'fp8'"),
        ({"scales": {"cpu": {"arms": ("nine",)}, "gpu": {}}}, "no arm is called 'nine'; did you mean 'none'?"),
        ({"scales": {"cpu": {"arms": ("none",)}, "gpu": {"arms": ("none",)}}}, "claim 'C': no scale runs all of its arms"),
        ({"tune": {"none": {"lr": (0.1,)}, "dropout": {"lr": (0.1, 0.2)}}}, "the same tuning budget"),
        ({"tune": {"none": {"lr": (0.1,)}}}, "tune gives dropout no grid"),
        ({"arms": {"a": {"lr": 0.1}, "none": {}, "dropout": {}}}, "arm 'a' sets lr, and its grid would set it again"),
        ({"recipe": SOUND["recipe"].override(steps=0), "tune": {}, "claims": [], "scales": {"cpu": {"seeds": 1}, "gpu": {}}}, "at least 5 seeds; 1 came"),
        ({"tune": {"lr": 0.1}}, "lr wants a tuple of values; 0.1 came"),
        ({"tune": {"lrr": (0.1,)}}, "no field of Recipe is called 'lrr'; did you mean 'lr'?"),
        ({"select": "test/error"}, "no metric on the validation split is called 'test/error'"),
        ({"select": "steps_to_target"}, "no metric on the validation split is called 'steps_to_target'"),  # there is no target
        ({"select": "steps_to_target", "recipe": SOUND["recipe"].override(target={"train/loss": 1})}, "no metric on the validation split"),
        ({"recipe": SOUND["recipe"].override(probes=("gradient",))}, "no probe is called 'gradient'; did you mean 'gradients'?"),
        ({"recipe": SOUND["recipe"].override(target={"test/error": 0.1})}, "no metric for a target is called 'test/error'"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_when_declared(change, message):
    with pytest.raises(DlgbenchError, match=re.escape(message)):
        Ablation(**SOUND | change)


def test_the_quickest_setting_may_be_chosen_where_the_target_is_on_the_validation_split():
    assert (
        Ablation(
            **SOUND
            | {
                "select": "steps_to_target",
                "recipe": SOUND["recipe"].override(target={"val/error": 0.1}),
            }
        ).select
        == "steps_to_target"
    )


def test_the_name_is_the_files_place(tmp_path):
    ablation = Ablation(**SOUND)
    assert named(ablation, ROOT / "ablations/depth/test_x.py").name == "depth/x"
    assert named(ablation, tmp_path / "test_mine.py").name == "mine"
    (tmp_path / "ablations" / "depth").mkdir(parents=True)
    assert find_root(tmp_path / "ablations" / "depth") == tmp_path
    assert named(ablation, tmp_path / "ablations" / "test_mine.py").name == "mine"


def test_an_empty_folder_is_said_by_name(tmp_path):
    with pytest.raises(DlgbenchError, match=f"no ablations below {tmp_path}"):
        discover(tmp_path)
    (tmp_path / "test_x.py").write_text("# ABLATION = 1\n")
    with pytest.raises(DlgbenchError, match="no ablations below"):
        discover(tmp_path)
    with pytest.raises(DlgbenchError, match="declares ABLATION"):
        load(tmp_path / "test_x.py")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_ablation_file_is_short_and_imports_only_the_public_names(file):
    text = file.read_text()
    assert len(text.splitlines()) <= 60
    assert set(re.findall(r"^(?:from|import) (\S+)", text, re.MULTILINE)) - {"math"} == {"dlgbench"}
    ablation = load(file)
    assert ablation.name == "/".join([file.parent.name, file.stem.removeprefix("test_")])
    assert dataclasses.is_dataclass(ablation)


def test_every_claim_of_a_control_expects_not_to_be_supported_or_is_exact():
    for ablation in discover(ROOT / "ablations/controls"):
        assert all(
            c.expect == "not supported" or c.threshold.kind == "exactly" for c in ablation.claims
        ), ablation.name

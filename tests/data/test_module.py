"""The splits of a seed: who draws them, what is done to them, and what they refuse."""

import itertools

import numpy as np
import pytest
import torch

from dlgbench import Arrays, DlgbenchError, Recipe, register_data, registry
from dlgbench.data import load
from dlgbench.data.augmentation import crop
from dlgbench.data.module import DataModule, PlaceholderData

CPU = torch.device("cpu")
DIGITS = Recipe(
    model="mlp",
    data="digits",
    data_args={"train": 600, "val": 200},
    batch_size=50,
    steps=24,
    evaluations=4,
)


def splits_of(recipe=DIGITS, seed=0, may_test=True, **changes):
    """The splits of a recipe with changes, in which __ stands for a dot."""
    dotted = {name.replace("__", "."): value for name, value in changes.items()}
    return DataModule(recipe.override(dotted), seed, CPU, may_test)


def minibatches(splits):
    return [batch for stack in splits.train_dataloader() for batch in stack.minibatches()]


def test_a_seed_draws_its_splits_from_the_pool_alone():
    one, again, other = (splits_of(seed=seed, may_test=False) for seed in (0, 0, 1))
    assert torch.equal(one.train[0], again.train[0])
    assert not torch.equal(one.train[1], other.train[1])
    assert (one.train[0].shape, one.val[0].shape) == ((600, 1, 8, 8), (200, 1, 8, 8))
    assert one.train[0].mean().item() == pytest.approx(0, abs=1e-5)
    assert one.train[0].std().item() == pytest.approx(1, abs=1e-5)
    larger = splits_of(data_args__train=700)
    assert torch.equal(larger.train[1][:600], one.train[1])  # more data is the same data and more


@pytest.fixture
def numbered(monkeypatch):
    """A data set whose x is the number of its row in the pool, or -1, -2, ... in the test split."""
    monkeypatch.setattr(registry.DATA, "_parts", dict(registry.DATA))
    pool, test = np.arange(80.0)[:, None], -np.arange(1.0, 11)[:, None]
    register_data("numbered")(
        lambda: Arrays((pool, np.arange(80) % 4), (test, np.arange(10) % 4), 4)
    )


@pytest.mark.parametrize("sizes", [{}, {"train": 30}, {"train": 50, "val": 30}, {"val": 1}])
@pytest.mark.usefixtures("numbered")
def test_the_three_splits_share_no_row_for_any_seed(sizes):
    args = sizes | {"standardize": False}
    recipe = Recipe(model="mlp", data="numbered", data_args=args, steps=9, batch_size=11)
    val = sizes.get("val", 16)
    drawn = []
    for seed in [*range(12), 1000, 1001]:
        splits = splits_of(recipe, seed)
        train, held_out, test = (
            x[:, 0].int().tolist() for x, _ in (splits.train, splits.val, splits.test())
        )
        assert (len(train), len(held_out)) == (sizes.get("train", 80 - val), val)
        assert len({*train, *held_out}) == len(train) + val
        assert {*train, *held_out} <= set(range(80))
        assert test == list(range(-1, -11, -1))
        assert splits.rows.tolist() == train
        for x, y in (splits.train, splits.val):  # and each keeps its label
            assert torch.equal(x[:, 0].int() % 4, y.int())
        seen = torch.cat([x for x, _ in minibatches(splits)])[:, 0].int().tolist()
        assert set(seen) <= set(train)
        drawn.append((tuple(train), tuple(held_out)))
    assert len(set(drawn)) == len(drawn)  # each seed draws its own
    if val > 1:
        assert len({frozenset(held_out) for _, held_out in drawn}) == len(drawn)


@pytest.mark.parametrize(("pool", "val"), [(5, 1), (9_999, 1999), (49_999, 9999), (60_000, 10_000)])
def test_validation_gets_a_fifth_at_most_10000_and_training_the_rest(monkeypatch, pool, val):
    x, y = np.arange(float(pool))[:, None], np.zeros(pool, int)
    arrays = Arrays((x, y), (x[:1], y[:1]), 1)
    monkeypatch.setattr("dlgbench.data.module.load", lambda _name: arrays)
    recipe = Recipe(model="mlp", data="digits", data_args={"standardize": False}, steps=1)
    splits = splits_of(recipe)
    assert [len(part) for part in splits.val] == [val] * 2
    assert [len(part) for part in splits.train] == [pool - val] * 2
    rows = torch.cat([splits.train[0], splits.val[0]])[:, 0]
    assert torch.equal(rows.sort().values, torch.arange(float(pool), dtype=rows.dtype))  # each once


def test_shrinking_averages_squares_of_pixels():
    small, full = (splits_of(data_args__shrink=side) for side in (2, 1))
    blocks = full.train[0].view(600, 1, 4, 2, 4, 2).mean((3, 5))
    assert torch.allclose(small.train[0], (blocks - blocks.mean()) / blocks.std(), atol=1e-4)
    assert next(iter(small.test_dataloader()))[0].shape == (597, 1, 4, 4)


def test_the_pool_that_seeds_share_stays_as_it_is():
    before = splits_of().train[0].clone()
    splits_of(seed=1).train[0].zero_()
    splits_of(seed=2, data_args__standardize=False).train[0].zero_()
    assert splits_of(data_args__shrink=2).train[0].shape == (600, 1, 4, 4)
    assert torch.equal(splits_of().train[0], before)


def test_each_epoch_sees_every_example_once():
    sizes = {"data_args": {"train": 100, "val": 50}, "batch_size": 30}
    stacks = list(splits_of(**sizes, steps=10, evaluations=3).train_dataloader())
    assert [stack.rows.shape for stack in stacks] == [(4, 30), (4, 30), (2, 30)]
    rows = torch.cat([stack.rows.flatten() for stack in stacks])
    assert all(sorted(rows[k : k + 100].tolist()) == list(range(100)) for k in (0, 100, 200))


def test_a_minimization_has_one_row_of_zeros_for_each_step():
    recipe = Recipe(model="function", task="minimization", steps=6, evaluations=2)
    minimization = PlaceholderData(recipe, CPU)
    for x, y in [*minibatches(minimization), *minimization.val_dataloader()]:
        assert x.tolist() == y.tolist() == [[0]]
    assert [len(stack.rows) for stack in minimization.train_dataloader()] == [3, 3]


@pytest.mark.parametrize("name", ["xor", "digits", "polynomial", "photographs_noisy"])
def test_the_test_split_is_standardized_once_however_often_it_is_used(name):
    recipe = Recipe(model="mlp", data=name, data_args={"train": 500, "val": 100}, steps=1)
    before = load(name).test[0].copy()
    first, second = (splits_of(recipe) for _ in range(2))
    x = next(iter(first.test_dataloader()))[0]
    assert torch.equal(x, next(iter(second.test_dataloader()))[0])
    assert torch.equal(x, first.test()[0])
    assert np.array_equal(before, load(name).test[0])
    pool = first.train[0] * first.sd + first.mean
    raw = torch.as_tensor(before).float() / (255 if before.dtype == np.uint8 else 1)
    assert torch.allclose(x, (raw - pool.mean()) / pool.std(), atol=1e-4)


def test_of_the_test_split_the_first_may_be_read_alone():
    whole, few = splits_of().test(), splits_of(data_args__test=20).test()
    assert [len(part) for part in few] == [20, 20]
    assert torch.equal(few[0], whole[0][:20])
    assert torch.equal(few[1], whole[1][:20])


def test_standardize_false_keeps_pixels_between_0_and_1():
    plain = splits_of(data_args__standardize=False)
    assert (plain.train[0].min(), plain.train[0].max()) == (0, 1)
    x, _ = plain.test()
    assert torch.equal(x, torch.as_tensor(load("digits").test[0]).float() / 255)
    standardized = (plain.train[0] - plain.train[0].mean()) / plain.train[0].std()
    assert torch.allclose(splits_of().train[0], standardized, atol=1e-5)


def test_images_of_bytes_as_targets_are_read_as_0_to_1():
    recipe = Recipe(model="mlp", data="photographs", task="image_to_image", steps=1)
    photographs = splits_of(recipe, data_args={"train": 50, "val": 50})
    x, y = photographs.train
    assert y.dtype == torch.float32
    assert 0 <= y.min() < 0.1
    assert 0.9 < y.max() <= 1
    assert torch.allclose(x * photographs.sd + photographs.mean, y, atol=1e-5)


def test_label_noise_reaches_its_share_of_the_training_labels_alone():
    recipe = Recipe(model="mlp", data="mnist5k", steps=1)
    clean, noisy = (splits_of(recipe, data_args__label_noise=share) for share in (0.0, 0.4))
    assert torch.equal(clean.train[0], noisy.train[0])
    changed = noisy.train[1] != clean.train[1]
    expected = 0.4 * 0.9  # a tenth is drawn to what it was
    assert changed.float().mean().item() == pytest.approx(expected, abs=0.04)
    assert torch.bincount(noisy.train[1][changed], minlength=10).min() > 0.6 * changed.sum() / 10
    assert torch.equal(clean.val[1], noisy.val[1])
    assert torch.equal(clean.test()[1], noisy.test()[1])
    assert torch.equal(noisy.train[1], splits_of(noisy.recipe).train[1])
    others = (splits_of(splits.recipe, seed=1).train[1] for splits in (clean, noisy))
    assert not torch.equal(changed, torch.ne(*others))
    more = splits_of(recipe, data_args__label_noise=0.6).train[1] != clean.train[1]
    assert more[changed].all()  # more noise is the same noise and more
    random = splits_of(recipe, data_args__label_noise=1.0).train[1]
    assert random.eq(clean.train[1]).float().mean().item() == pytest.approx(0.1, abs=0.03)


def test_crop_agrees_with_a_loop_over_images():
    random = torch.Generator().manual_seed(0)
    x = torch.rand(40, 3, 9, 12, generator=random)
    top, left = torch.randint(0, 9, (2, 40), generator=random)
    flip = torch.rand(40, generator=random) < 0.5
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (4, 4), (4, 4)))
    loop = []
    for image, i, j, mirrored in zip(
        padded, top.tolist(), left.tolist(), flip.tolist(), strict=True
    ):
        cut = image[:, i : i + 9, j : j + 12]
        loop.append(cut[:, :, ::-1] if mirrored else cut)
    assert np.array_equal(crop(x, top, left, flip).numpy(), np.stack(loop))
    middle, none = torch.full((40,), 4), torch.zeros(40, dtype=torch.bool)
    assert torch.equal(crop(x, middle, middle, none), x)


def placement(padded, augmented, flips):
    """Where an augmented image lies in the padded one, and whether it is mirrored."""
    for i, j, flip in itertools.product(range(9), range(9), flips):
        cut = padded[:, i : i + 8, j : j + 8]
        if np.array_equal(augmented, cut[..., ::-1] if flip else cut):
            return i, j, flip
    raise AssertionError("it is no crop of the image")


@pytest.mark.parametrize(("name", "mirrored"), [("crop", 0.0), ("crop_flip", 0.5)])
def test_augmentation_crops_the_image_at_a_place_of_its_own_and_mirrors_its_share(name, mirrored):
    plain, augmented = splits_of(), splits_of(data_args__augment=name)
    places = []
    for (x, y), (xa, ya) in zip(minibatches(plain), minibatches(augmented), strict=True):
        assert torch.equal(y, ya)
        assert x.shape == xa.shape
        padded = np.pad(x.numpy(), ((0, 0), (0, 0), (4, 4), (4, 4)))
        flips = (False, True) if mirrored else (False,)
        pairs = zip(padded, xa.numpy(), strict=True)
        places += [placement(image, cut, flips) for image, cut in pairs]
    tops, lefts, flips = np.array(places).T
    assert all(np.bincount(axis, minlength=9).min() > len(places) / 9 / 2 for axis in (tops, lefts))
    # Blank and symmetric crops count as not mirrored.
    assert flips.mean() == pytest.approx(mirrored, abs=0.06)
    assert len(set(places[:50])) > 30


def test_augmentation_leaves_validation_and_test_alone_and_follows_the_random_streams():
    plain, augmented = splits_of(), splits_of(data_args__augment="crop_flip")
    assert torch.equal(plain.val[0], augmented.val[0])
    assert torch.equal(plain.test()[0], augmented.test()[0])
    assert torch.equal(plain.train[0], augmented.train[0])

    def inputs(splits):
        return torch.cat([x for x, _ in minibatches(splits)])

    x = inputs(augmented)
    assert torch.equal(x, inputs(augmented))  # the same again
    assert torch.equal(x, inputs(splits_of(augmented.recipe)))
    for changes in ({"seed": 1}, {"random_stream": 1}):
        assert not torch.equal(x, inputs(splits_of(augmented.recipe, **changes)))
    stacks = zip(plain.train_dataloader(), augmented.train_dataloader(), strict=True)
    assert all(torch.equal(one.rows, other.rows) for one, other in stacks)
    first, second = x[:50], x[12 * 50 : 13 * 50]  # in epochs of 12 minibatches
    assert not torch.equal(first.sort(0).values, second.sort(0).values)  # anew in each step


POINTS, CANVASES = "inputs of shape (2,)", "inputs of shape (1, 18, 36)"


@pytest.mark.parametrize(
    ("data", "args", "wanted", "came"),
    [
        ("digits", {"train": "5"}, "train: expected a whole number above 0", "'5'"),
        ("digits", {"shrink": 0}, "shrink: expected a whole number above 0", "0"),
        ("digits", {"label_noise": 2}, "label_noise: expected a share from 0 to 1", "2"),
        (
            "digits",
            {"train": 1001, "val": 200},
            "expected train and val of at most 1200 in all, the pool of digits",
            "train=1001 and val=200",
        ),
        (
            "xor",
            {"augment": "crop"},
            "augment: expected images with labels",
            f"{POINTS} and targets of shape () from xor",
        ),
        (
            "dense_cue",
            {"augment": "crop"},
            "augment: expected images with labels",
            f"{CANVASES} and targets of shape (18, 36) from dense_cue",
        ),
        (
            "polynomial",
            {"label_noise": 0.1},
            "label_noise: expected one label for each input",
            "targets of shape (1,) from polynomial",
        ),
        (
            "photographs",
            {"shrink": 2},
            "shrink: expected a target for each image",
            "one for each pixel from photographs",
        ),
        (
            "xor",
            {"shrink": 2},
            "shrink: expected images with sides that 2 divides",
            f"{POINTS} from xor",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused(data, args, wanted, came):
    with pytest.raises(DlgbenchError) as raised:
        splits_of(Recipe(model="mlp", data=data, data_args=args, steps=1))
    assert str(raised.value) == f"data_args: {wanted}, got {came}"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"trian": 5}, "data_args: no argument is called 'trian'; did you mean 'train'"),
        ({"augment": "flip"}, "data_args: augment: no augmentation is called 'flip'"),
    ],
)
def test_unknown_names_come_with_the_nearest(args, message):
    with pytest.raises(DlgbenchError, match=f"^{message}"):
        splits_of(data_args=args)

import numpy as np
import pytest
import torch

from dlgbench import DlgbenchError, Recipe
from dlgbench.data import load
from dlgbench.data.augmentation import crop
from dlgbench.data.module import DataModule

CPU = torch.device("cpu")
DIGITS = Recipe(
    model="mlp",
    data="digits",
    data_args={"train": 600, "val": 200},
    batch_size=50,
    steps=24,
    evaluations=4,
)


def module(recipe=DIGITS, seed=0, may_test=True, **changes):
    return DataModule(
        recipe.override({name.replace("__", "."): value for name, value in changes.items()}),
        seed,
        CPU,
        may_test,
    )


def test_a_seed_draws_its_splits_from_the_pool_alone():
    recipe = Recipe(model="mlp", data="digits", data_args={"train": 300, "val": 200}, steps=1)
    one, again, other = (DataModule(recipe, seed, CPU, may_test=False) for seed in (0, 0, 1))
    assert torch.equal(one.train[0], again.train[0])
    assert not torch.equal(one.train[1], other.train[1])
    assert (one.train[0].shape, one.val[0].shape) == ((300, 1, 8, 8), (200, 1, 8, 8))
    assert one.train[0].mean().item() == pytest.approx(0, abs=1e-5)
    assert one.train[0].std().item() == pytest.approx(1, abs=1e-5)
    larger = DataModule(recipe.override({"data_args.train": 400}), 0, CPU, may_test=False)
    assert torch.equal(larger.train[1][:300], one.train[1])  # more data is the same data and more


def test_shrinking_averages_squares_of_pixels():
    recipe = Recipe(
        model="mlp", data="digits", data_args={"train": 300, "val": 200, "shrink": 2}, steps=1
    )
    small, full = (
        DataModule(recipe.override({"data_args.shrink": by}), 0, CPU, may_test=True)
        for by in (2, 1)
    )
    blocks = full.train[0].view(300, 1, 4, 2, 4, 2).mean((3, 5))
    assert torch.allclose(small.train[0], (blocks - blocks.mean()) / blocks.std(), atol=1e-4)
    assert next(iter(small.test_dataloader()))[0].shape == (597, 1, 4, 4)


def test_the_pool_that_seeds_share_stays_as_it_is():
    recipe = Recipe(model="mlp", data="digits", data_args={"train": 300, "val": 200}, steps=1)
    before = DataModule(recipe, 0, CPU, may_test=False).train[0].clone()
    DataModule(recipe, 1, CPU, may_test=False).train[0].zero_()
    DataModule(recipe.override({"data_args.standardize": False}), 2, CPU, may_test=False).train[
        0
    ].zero_()
    assert DataModule(recipe.override({"data_args.shrink": 2}), 0, CPU, may_test=False).train[
        0
    ].shape == (300, 1, 4, 4)
    assert torch.equal(DataModule(recipe, 0, CPU, may_test=False).train[0], before)


def test_each_epoch_sees_every_example_once():
    recipe = Recipe(
        model="mlp",
        data="digits",
        data_args={"train": 100, "val": 50},
        batch_size=30,
        steps=10,
        evaluations=3,
    )
    stacks = list(DataModule(recipe, 0, CPU, may_test=False).train_dataloader())
    assert [stack.rows.shape for stack in stacks] == [(4, 30), (4, 30), (2, 30)]
    rows = torch.cat([stack.rows.flatten() for stack in stacks])
    assert all(sorted(rows[k : k + 100].tolist()) == list(range(100)) for k in (0, 100, 200))


@pytest.mark.parametrize("name", ["xor", "digits", "polynomial", "photographs_noisy"])
def test_the_test_split_is_standardized_once_however_often_it_is_asked_for(name):
    recipe = Recipe(model="mlp", data=name, data_args={"train": 500, "val": 100}, steps=1)
    before = load(name).test[0].copy()
    first, second = (DataModule(recipe, 0, CPU, may_test=True) for _ in range(2))
    x = next(iter(first.test_dataloader()))[0]
    assert torch.equal(x, next(iter(second.test_dataloader()))[0])
    assert torch.equal(x, first.test()[0])
    assert np.array_equal(before, load(name).test[0])
    pool = first.train[0] * first._sd + first._mean
    raw = torch.as_tensor(before).float() / (255 if before.dtype == np.uint8 else 1)
    assert torch.allclose(x, (raw - pool.mean()) / pool.std(), atol=1e-4)


def test_standardize_false_keeps_pixels_between_0_and_1():
    plain = module(data_args__standardize=False)
    assert (plain.train[0].min(), plain.train[0].max()) == (0, 1)
    x, _ = plain.test()
    assert torch.equal(x, torch.as_tensor(load("digits").test[0]).float() / 255)
    assert torch.allclose(
        module().train[0],
        (plain.train[0] - plain.train[0].mean()) / plain.train[0].std(),
        atol=1e-5,
    )


def test_images_of_bytes_as_targets_are_read_as_0_to_1():
    recipe = Recipe(
        model="mlp",
        data="photographs",
        task="image_to_image",
        data_args={"train": 50, "val": 50},
        steps=1,
    )
    photographs = DataModule(recipe, 0, CPU, may_test=False)
    x, y = photographs.train
    assert y.dtype == torch.float32
    assert 0 <= y.min() < 0.1
    assert 0.9 < y.max() <= 1
    assert torch.allclose(x * photographs._sd + photographs._mean, y, atol=1e-5)


def test_label_noise_reaches_its_share_of_the_training_labels_alone():
    clean, noisy = (
        module(Recipe(model="mlp", data="mnist5k", steps=1), data_args__label_noise=share)
        for share in (0.0, 0.4)
    )
    assert torch.equal(clean.train[0], noisy.train[0])
    changed = noisy.train[1] != clean.train[1]
    assert changed.float().mean().item() == pytest.approx(
        0.4 * 0.9, abs=0.04
    )  # a tenth is drawn to what it was
    assert torch.bincount(noisy.train[1][changed], minlength=10).min() > 0.6 * changed.sum() / 10
    assert torch.equal(clean.val[1], noisy.val[1])
    assert torch.equal(clean.test()[1], noisy.test()[1])
    assert torch.equal(noisy.train[1], module(noisy.recipe).train[1])
    assert not torch.equal(
        changed, module(noisy.recipe, seed=1).train[1] != module(clean.recipe, seed=1).train[1]
    )
    more = module(noisy.recipe, data_args__label_noise=0.6).train[1] != clean.train[1]
    assert more[changed].all()  # more noise is the same noise and more
    assert module(clean.recipe, data_args__label_noise=1.0).train[1].eq(
        clean.train[1]
    ).float().mean().item() == pytest.approx(0.1, abs=0.03)


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
    assert torch.equal(
        crop(x, torch.full((40,), 4), torch.full((40,), 4), torch.zeros(40, dtype=torch.bool)), x
    )


def minibatches(splits):
    return [batch for stack in splits.train_dataloader() for batch in stack.minibatches()]


@pytest.mark.parametrize(("name", "mirrored"), [("crop", 0.0), ("crop_flip", 0.5)])
def test_augmentation_is_a_crop_of_the_drawn_image_of_each_place_and_mirrored_as_said(
    name, mirrored
):
    plain, augmented = module(), module(data_args__augment=name)
    places = []
    for (x, y), (xa, ya) in zip(minibatches(plain), minibatches(augmented), strict=True):
        assert torch.equal(y, ya)
        assert x.shape == xa.shape
        padded = np.pad(x.numpy(), ((0, 0), (0, 0), (4, 4), (4, 4)))
        for image, came in zip(padded, xa.numpy(), strict=True):
            places.append(next(
                (i, j, flip) for i in range(9) for j in range(9) for flip in ((False, True) if mirrored else (False,))
                if np.array_equal(came, image[:, i : i + 8, j : j + 8][..., :: -1 if flip else 1])
            ))  # fmt: skip
    tops, lefts, flips = np.array(places).T
    assert all(np.bincount(axis, minlength=9).min() > len(places) / 9 / 2 for axis in (tops, lefts))
    assert flips.mean() == pytest.approx(
        mirrored, abs=0.06
    )  # blank and symmetric crops count as not mirrored
    assert len(set(places[:50])) > 30  # each image has a place of its own


def test_augmentation_leaves_validation_and_test_alone_and_follows_seed_and_replicate():
    plain, augmented = module(), module(data_args__augment="crop_flip")
    assert torch.equal(plain.val[0], augmented.val[0])
    assert torch.equal(plain.test()[0], augmented.test()[0])
    assert torch.equal(plain.train[0], augmented.train[0])
    x = torch.cat([x for x, _ in minibatches(augmented)])
    assert torch.equal(x, torch.cat([x for x, _ in minibatches(augmented)]))  # the same again
    assert torch.equal(x, torch.cat([x for x, _ in minibatches(module(augmented.recipe))]))
    rows = [stack.rows for stack in augmented.train_dataloader()]
    for other in (module(augmented.recipe, seed=1), module(augmented.recipe, random_stream=1)):
        assert not torch.equal(x, torch.cat([x for x, _ in minibatches(other)]))
    assert all(
        torch.equal(a, b.rows) for a, b in zip(rows, plain.train_dataloader(), strict=True)
    )  # and the order is the plain one's
    first, second = (x for x, _ in minibatches(augmented)[:13:12])  # epochs of 12 minibatches
    assert not torch.equal(first.sort(0).values, second.sort(0).values)  # anew in each step


@pytest.mark.parametrize(
    ("data", "args", "message"),
    [
        ("digits", {"trian": 5}, "data_args: no argument is called 'trian'; did you mean 'train'"),
        ("digits", {"augment": "flip"}, "no augmentation is called 'flip'"),
        ("xor", {"augment": "crop"}, r"augment wants images with labels; xor has inputs \(2,\)"),
        (
            "dense_cue",
            {"augment": "crop"},
            r"augment wants images with labels; dense_cue has inputs \(1, 18, 36\) and targets \(18, 36\)",
        ),
        (
            "polynomial",
            {"label_noise": 0.1},
            r"label_noise wants one label for each input; polynomial has targets of shape \(1,\)",
        ),
        (
            "photographs",
            {"shrink": 2},
            "photographs has a target for each pixel, which can't be shrunk",
        ),
        ("xor", {"shrink": 2}, r"inputs of shape \(2,\) can't be shrunk by 2"),
    ],
)
def test_arguments_that_do_not_fit_the_data_are_said(data, args, message):
    with pytest.raises(DlgbenchError, match=message):
        DataModule(Recipe(model="mlp", data=data, data_args=args, steps=1), 0, CPU, may_test=False)

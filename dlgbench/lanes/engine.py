"""train(cells) -> runs: cells whose networks have one architecture, trained side by side.

What a cell is, is told by `dlgbench.train`, which prepares, evaluates and probes each lane as it
does for a cell alone; here the optimizer steps of all lanes are made at once. On a CPU a run agrees
to the bit with that of the same cell in any other company, and alone.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dlgbench.ablation import Cell, Run
from dlgbench.data.module import DataModule, MinibatchStack
from dlgbench.engine import Engine
from dlgbench.errors import DlgbenchError
from dlgbench.grouping import key
from dlgbench.lanes.losses import LOSSES
from dlgbench.lanes.rules import Rule
from dlgbench.lanes.stack import Stack
from dlgbench.layers.noise import seed_noise
from dlgbench.probes.measuring import observers
from dlgbench.train import Trial, carry_out


def train(cells: Sequence[Cell]) -> list[Run]:
    """Trains cells that `dlgbench.grouping.key` puts together, and evaluates each.

    The runs are those of `dlgbench.train.train`, up to rounding.

    Raises:
        DlgbenchError: for cells that do not go together, and for a recipe that can't be carried
            out, before anything is trained.
        KeyboardInterrupt: on Ctrl-C. Nothing is returned.
    """
    if len(keys := {key(cell) for cell in cells}) > 1:
        raise DlgbenchError(
            f"lanes: expected cells with one grouping.key, got {len(keys)}: {', '.join(keys)}"
        )
    return carry_out([dataclasses.replace(cell, engine="lanes") for cell in cells], fit)


class Lane(Engine):
    """One cell among those that are trained together."""

    def __init__(self, trial: Trial) -> None:
        super().__init__(trial.task)
        assert isinstance(trial.splits, DataModule)
        self.trial, self.splits, self.recipe = trial, trial.splits, trial.recipe
        seed_noise(self.network, trial.cell.seed, self.recipe.random_stream)
        self.stacks = list(self.splits.train_dataloader())
        self.observers = observers(self.recipe)
        self.rule = self.configure_optimizers()

    def optimizers(self, use_pl_optimizer: bool = True) -> Any:  # noqa: ARG002
        """The lane's torch optimizer: its constants and its present lr, for observers."""
        return self.rule

    def rates(self, stack: MinibatchStack) -> list[float]:
        """The learning rate of each of a stack's steps."""
        steps = range(self.done, self.done + len(stack.rows))
        return [self.recipe.lr * self.task.factor(step / self.recipe.steps) for step in steps]


class Together:
    """The lanes that are still trained, with their stacked weights and their rule's memory."""

    def __init__(self, lanes: list[Lane]) -> None:
        self.lanes = lanes
        self.stack = Stack([lane.network for lane in lanes])
        self.rule = Rule([lane.rule for lane in lanes], self.stack.weights)
        self._gather()

    def keep(self, numbers: list[int]) -> None:
        """Goes on with some of the lanes, by their numbers."""
        self.stack.release()
        self.lanes = [self.lanes[number] for number in numbers]
        self.stack = Stack([lane.network for lane in self.lanes])
        self.rule.keep(numbers)
        self._gather()

    def _gather(self) -> None:
        """What differs between lanes, as tensors of R rows."""
        first, like = self.lanes[0], self.stack.weights
        name = first.recipe.loss or next(iter(LOSSES[first.recipe.task]))
        self.loss = LOSSES[first.recipe.task][name]
        self.inputs = first.splits.pool.to(like.dtype)  # all lanes draw from one pool
        scale = [(lane.splits.mean, lane.splits.sd) for lane in self.lanes]
        shape = (len(self.lanes), *[1] * self.inputs.dim())
        self.mean, self.sd = (
            like.new_tensor(part).view(shape) for part in zip(*scale, strict=True)
        )
        self.is_scaled = any(pair != (0.0, 1.0) for pair in scale)
        norms = [lane.recipe.max_norm for lane in self.lanes]
        self.max_norm = None if norms[0] is None else like.new_tensor(norms)

    def make_steps(self, k: int) -> list[float]:
        """The optimizer steps of the k-th stack of minibatches; the mean loss of each lane."""
        like, stacks = self.stack.weights, [lane.stacks[k] for lane in self.lanes]
        pairs = list(zip(self.lanes, stacks, strict=True))
        rows = torch.stack([lane.splits.rows[stack.rows] for lane, stack in pairs], 1)
        y = torch.stack([stack.y[stack.rows] for stack in stacks], 1)
        lr = like.new_tensor([lane.rates(stack) for lane, stack in pairs]).T[..., None]
        augment = [stack.augment for stack in stacks] if stacks[0].augment else []
        losses = []
        for step in range(len(rows)):
            x = self._inputs(rows[step])
            if augment:
                x = torch.stack([of(each) for of, each in zip(augment, x, strict=True) if of])
            loss, gradient = self.stack.step(self.loss, x, y[step])
            with torch.no_grad():
                self.rule.step(self.stack.weights, gradient, lr[step])
            if self.max_norm is not None:
                self.stack.constrain(self.max_norm)
            losses.append(loss)
        for lane, rate in zip(self.lanes, lr[-1, :, 0].tolist(), strict=True):
            lane.rule.param_groups[0]["lr"] = rate
            lane.advance(len(rows))
        self.stack.release()
        # torch.mean over steps would add them in an order that depends on R
        return [statistics.fmean(lane) for lane in torch.stack(losses, 1).tolist()]

    def _inputs(self, rows: Tensor) -> Tensor:
        """The minibatches (R, B, ...) of pool rows (R, B), standardized as each lane's are."""
        x = self.inputs.index_select(0, rows.flatten()).view(*rows.shape, *self.inputs.shape[1:])
        return x.sub_(self.mean).div_(self.sd) if self.is_scaled else x


def fit(trials: Sequence[Trial]) -> None:
    """Trains the trials' networks together, as `dlgbench.train.fit` does one by one."""
    clock = time.perf_counter()
    lanes = [Lane(trial) for trial in trials]
    together, left = Together(lanes), lanes
    for k in range(len(lanes[0].stacks)):
        for lane in left:
            _call(lane, "on_train_batch_start", k)
        losses = together.make_steps(k)
        for lane, loss in zip(left, losses, strict=True):
            lane.record_loss(loss)
            _call(lane, "on_train_batch_end", k)
            if not lane.diverged:
                lane.validate(lane.splits.val)
        healthy = [number for number, lane in enumerate(left) if not lane.diverged]
        if not healthy:
            break
        if len(healthy) < len(left):
            together.keep(healthy)
            left = together.lanes
    seconds = (time.perf_counter() - clock) / len(lanes)
    for lane in lanes:
        lane.trial.finish(lane, lane.observers, seconds)


def _call(lane: Lane, hook: str, k: int) -> None:
    """Calls a hook of the lane's observers as Lightning does, but without a Trainer."""
    outputs = [None] if hook == "on_train_batch_end" else []
    for observer in lane.observers:
        getattr(observer, hook)(None, lane, *outputs, lane.stacks[k], k)

"""The typical training steps in three ways: a bare loop, Lightning, and the suite's engine."""

from __future__ import annotations

import copy
import statistics
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.environments import LightningEnvironment
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError
from dlgbench.probes.observers import Observer
from dlgbench.probes.timing import synchronised
from dlgbench.streams import isolated

if TYPE_CHECKING:
    from dlgbench.data.module import MinibatchStack

Loss = Callable[[Tensor, Tensor], Tensor]
Minibatches = Iterable[tuple[Tensor, Tensor]]


def bare(
    network: nn.Module, loss_of: Loss, rule: torch.optim.Optimizer, minibatches: Minibatches
) -> list[Tensor]:
    """A step for each minibatch as the slide has it; returns the losses, 0-dimensional tensors.

    Slide "Typical Training Steps": load a minibatch, evaluate the network, compute the loss,
    backpropagate, take the optimizer's step.
    """
    losses = []
    for x, y in minibatches:
        loss = loss_of(network(x), y)
        rule.zero_grad()
        loss.backward()
        rule.step()
        losses.append(loss.detach())
    return losses


class _Plain(pl.LightningModule):
    """A LightningModule as Lightning's documentation writes it."""

    def __init__(self, network: nn.Module, loss_of: Loss, rule: torch.optim.Optimizer) -> None:
        super().__init__()
        self.network, self.loss_of, self.rule = network, loss_of, rule
        self.losses: list[Tensor] = []

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        x, y = batch
        loss = self.loss_of(self.network(x), y)
        self.log("train/loss", loss)
        self.losses.append(loss.detach())
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.rule


class _Clock(pl.Callback):
    """Leaves out what the Trainer does before the first step and after the last."""

    def on_train_start(self, *_: Any) -> None:
        self.start = synchronised()

    def on_train_end(self, *_: Any) -> None:
        self.seconds = synchronised() - self.start


def lightning(
    network: nn.Module,
    loss_of: Loss,
    rule: torch.optim.Optimizer,
    minibatches: Minibatches,
    **options: Any,
) -> tuple[list[Tensor], float]:
    """The same by Lightning's Trainer, with automatic optimization; and the seconds that it takes.

    Args:
        network, loss_of, rule, minibatches: as for `bare`; `minibatches` may be a DataLoader.
        options: of the Trainer, such as `max_steps`.
    """
    clock, module = _Clock(), _Plain(network, loss_of, rule)
    device = next(network.parameters()).device
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=1 if device.index is None else [device.index],
            plugins=[LightningEnvironment()],  # also in a job of Slurm
            default_root_dir=folder,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[clock],
            **options,
        )
        trainer.fit(module, minibatches)
    network.to(device)  # Lightning leaves it on the CPU
    return module.losses, clock.seconds


class _Minibatches:
    """The minibatches of a stack, as a loader that Lightning takes."""

    def __init__(self, stack: MinibatchStack) -> None:
        self.stack = stack

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.stack.minibatches()


class _Rival:
    """A copy of the network and its optimizer that goes through the engine's minibatches by itself.

    Attributes:
        seconds: of a step, in each round.
        difference: the largest |mean loss - the engine's| and |weight - the engine's| so far.
    """

    def __init__(self, engine: Any) -> None:
        trained = engine.network, engine.optimizers(use_pl_optimizer=False)
        self.network, self.rule = copy.deepcopy(trained)
        self.loss_of = engine.task.loss
        self.seconds: list[float] = []
        self.difference = 0.0

    def train(self, stack: MinibatchStack) -> None:
        """Takes the steps of a round."""
        self.seconds.append(self.steps(stack) / len(stack.rows))

    def steps(self, stack: MinibatchStack) -> float:
        """A bare step for each minibatch; the seconds of all."""
        start = synchronised()
        self.losses = bare(self.network, self.loss_of, self.rule, stack.minibatches())
        return synchronised() - start

    def compare(self, engine: Any) -> None:
        """Notes how far this copy is from what the engine has trained."""
        pairs = zip(self.network.parameters(), engine.network.parameters(), strict=True)
        apart = [float((a - b).detach().abs().max()) for a, b in pairs]
        (loss,) = [value for name, _, value in engine.history[-1:] if name == "train/loss"]
        mean = torch.stack(self.losses).mean().item()
        self.difference = max(self.difference, abs(mean - loss), *apart)


class _Reversed(_Rival):
    """The bare loop, with the minibatches of each round in reverse order."""

    def steps(self, stack: MinibatchStack) -> float:
        return super().steps(stack._replace(rows=stack.rows.flip(0)))


class _Lightning(_Rival):
    """Lightning's Trainer, which takes one minibatch at a time."""

    def steps(self, stack: MinibatchStack) -> float:
        parts = self.network, self.loss_of, self.rule
        options: dict[str, Any] = {"max_steps": len(stack.rows), "max_epochs": -1}
        options |= {"logger": False, "enable_checkpointing": False}
        self.losses, took = lightning(*parts, _Minibatches(stack), **options)
        return took


class TrainingStep(Observer):
    """The cost of an optimizer step, by the suite's engine, a bare loop, and Lightning.

    All three start with the same weights and go through the same minibatches, and so must have the
    same losses and weights to the bit. Between two evaluations they take turns: one round. The
    first round warms up. What Lightning does before the first step of a round and after its last,
    and the evaluations, are left out.

    A fourth loop is the bare one again, with the minibatches of each round in reverse order: it
    must cost the same, and must not have the same losses. It takes its turn after the engine where
    the bare one takes it before, and the other way round in every second round.

    Needs a constant lr and no augmentation, max-norm or auxiliary heads.
    """

    def on_train_start(self, _trainer: pl.Trainer, module: Any) -> None:
        """Makes the copies."""
        recipe = module.task.recipe
        augmented = recipe.data_args.get("augment", "none") != "none"
        if recipe.schedule != "constant" or recipe.max_norm or augmented:
            wanted = "a recipe with a constant schedule, and without max_norm and augment"
            raise DlgbenchError(f"probe training_step: expected {wanted}")
        self.rivals = {
            "bare": _Rival(module),
            "reversed": _Reversed(module),
            "lightning": _Lightning(module),
        }
        self.engine: list[float] = []

    def on_train_batch_start(self, _trainer: pl.Trainer, module: Any, batch: Any, *_: Any) -> None:
        """The turn of those who come before the engine."""
        names = ["bare", "reversed"]
        if len(self.engine) % 2:
            names.reverse()
        self.before, *self.after = names
        self._take_turns([self.before], batch, module)
        self.start = synchronised()

    def on_train_batch_end(
        self, _trainer: pl.Trainer, module: Any, _outputs: Any, batch: Any, *_: Any
    ) -> None:
        """The turn of those who come after it."""
        self.engine.append((synchronised() - self.start) / len(batch.rows))
        self._take_turns([*self.after, "lightning"], batch, module)
        for rival in self.rivals.values():
            rival.compare(module)

    def _take_turns(self, names: Sequence[str], stack: MinibatchStack, module: Any) -> None:
        with isolated(next(module.network.parameters()).device), torch.enable_grad():
            for name in names:
                self.rivals[name].train(stack)

    def summary(self) -> dict[str, float]:
        """Milliseconds of a step, the median over the rounds; and the differences."""
        times = {name: rival.seconds for name, rival in self.rivals.items()}
        medians = {
            name: 1e3 * statistics.median(rounds[1:] or rounds)
            for name, rounds in {"engine": self.engine, **times}.items()
        }
        apart = {f"{name}_difference": rival.difference for name, rival in self.rivals.items()}
        return {f"training_step/{name}": number for name, number in {**medians, **apart}.items()}

"""A teacher's weights: where they are found, what identifies them, and a copy in the run."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from gancompress.errors import CheckpointError
from gancompress.store import RunDirectory, load_weights, save_tensors

STAGE: Final = "teacher"
GENERATOR: Final = "generator.safetensors"
DISCRIMINATORS: Final = "discriminators.safetensors"
_LISTED: Final = 10
# latest_net_G.pth, latest_net_G_A.pth, full-G.pth: by convention its critic has a D for the G.
_GENERATOR_FILE: Final = re.compile(r"^(|.*[-_.]|.*net)G(?=[-_.])")


@dataclass(frozen=True, eq=False)
class TeacherWeights:
    """The tensors of a teacher, of any precision.

    Args:
        generator: The generator's state dict.
        discriminators: The discriminators' state dict; None where only a generator is at hand.
        source: Where they come from, for errors and for the record.
        beside: The file that the discriminators were found in, where that lies beside the
            generator's; None otherwise.
    """

    generator: Mapping[str, Tensor]
    discriminators: Mapping[str, Tensor] | None
    source: str
    beside: Path | None = None

    @classmethod
    def read(cls, path: Path) -> "TeacherWeights":
        """Find and read a teacher, and run no code that a file may hold.

        Args:
            path: A folder with ``generator.safetensors`` and, if there are any,
                ``discriminators.safetensors``; the run directory of a training; or one file with
                the generator's weights, safetensors or PyTorch. Beside a file whose name has a
                ``G`` for the generator, such as ``latest_net_G.pth``, lie its discriminators, if
                there is one with a ``D`` in its place.

        Returns:
            The weights.

        Raises:
            CheckpointError: If there are none, or a file is truncated or unsafe.
        """
        if path.is_file():
            beside = _critic_beside(path)
            critic = None if beside is None else load_weights(beside)
            return cls(load_weights(path), critic, str(path), beside)
        folder = _folder(path)
        critics = folder / DISCRIMINATORS
        return cls(
            load_weights(folder / GENERATOR),
            load_weights(critics) if critics.exists() else None,
            str(folder),
        )

    @classmethod
    def of(cls, generator: nn.Module, source: str) -> "TeacherWeights":
        """Take the weights that a generator holds.

        Args:
            generator: The trained generator.
            source: What to call it.
        """
        return cls({k: v.detach() for k, v in generator.state_dict().items()}, None, source)

    @cached_property
    def sha256(self) -> str:
        """Digest of names, shapes and values: the same wherever the files lie."""
        digest = sha256()
        for part, tensors in (("g", self.generator), ("d", self.discriminators or {})):
            for name in sorted(tensors):
                tensor = tensors[name].detach().cpu().contiguous()
                digest.update(f"{part} {name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
                digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


def keep_teacher(run: RunDirectory, weights: TeacherWeights) -> None:
    """Copy the weights into ``teacher/`` of a run, so that later verbs need no other folder.

    Args:
        run: An open run directory.
        weights: What is copied, at its own precision.

    Raises:
        StorageError: If the disk is full.
    """
    folder = run.path("teacher")
    parts = {GENERATOR: weights.generator, DISCRIMINATORS: weights.discriminators}
    wanted = {folder / name: tensors for name, tensors in parts.items() if tensors is not None}
    if run.stage_done(STAGE) and all(path.is_file() for path in wanted):
        return
    for path, tensors in wanted.items():
        save_tensors(path, tensors)
    run.finish_stage(STAGE, {"source": weights.source, "sha256": weights.sha256})


def load_into(module: nn.Module, weights: Path | Mapping[str, Tensor], source: str = "") -> None:
    """Load weights strictly, at the module's own precision.

    Args:
        module: Changed in place.
        weights: A ``.safetensors`` or PyTorch file, or its tensors.
        source: What to name in the error where tensors are given.

    Raises:
        CheckpointError: If the file cannot be read, or is of another architecture.
    """
    state = load_weights(weights) if isinstance(weights, Path) else weights
    named = source or (str(weights) if isinstance(weights, Path) else "the checkpoint")
    mismatch = find_mismatch(module, state)
    if mismatch:
        raise CheckpointError(
            f"'{named}' is of another architecture: it {mismatch}",
            hint="give the options, or the generator, that it was trained with",
        )
    module.load_state_dict(state)


def find_mismatch(module: nn.Module, state: Mapping[str, Tensor]) -> str:
    """Say how a state dict differs from what a module wants.

    Args:
        module: The module.
        state: Tensors by name.

    Returns:
        The end of a sentence that begins with "it", with up to ten names each of what is missing,
        unexpected and of another shape; empty where they fit.
    """
    own = module.state_dict()
    lacking, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    unlike = [
        f"'{k}' ({_shape(state[k])} for {_shape(own[k])})"
        for k in sorted(own.keys() & state.keys())
        if own[k].shape != state[k].shape
    ]
    kinds = (
        ("lacks", [f"'{k}'" for k in lacking]),
        ("has the unknown", [f"'{k}'" for k in unknown]),
        ("differs in", unlike),
    )
    return "; ".join(f"{what} {_listed(names)}" for what, names in kinds if names)


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "one number"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{', '.join(names[:_LISTED])}{more}"


def _critic_beside(path: Path) -> Path | None:
    """Find the discriminator of a generator's file by its name."""
    name = _GENERATOR_FILE.sub(r"\g<1>D", path.name)
    beside = path.with_name(name)
    return beside if name != path.name and beside.is_file() else None


def _folder(path: Path) -> Path:
    for folder in (path, path / "teacher"):
        if (folder / GENERATOR).is_file():
            return folder
    if (path / "config.json").is_file():
        raise CheckpointError(
            f"'{path}' holds no finished teacher",
            hint="its training goes on when the same `gancompress train` is called again",
        )
    kind = f"holds no '{GENERATOR}'" if path.is_dir() else "does not exist"
    raise CheckpointError(
        f"the teacher '{path}' {kind}",
        hint="give the run directory of `gancompress train`, a folder, or a file with weights",
    )

"""The contract of a GAN family."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations, islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from gancompress.config import Recipe, RunConfig
from gancompress.errors import GancompressError
from gancompress.gan import (
    AnyFamily,
    Batch,
    FamilyOptions,
    GanFamily,
    Objective,
    Source,
    TeacherObjective,
    collate,
    find_pictures,
)
from gancompress.store import load_tensors, save_tensors
from gancompress.testing.checks import require

SPLITS: Final = ("train", "val", "test")
_COMPARED: Final = 64  # samples a split that are compared with those of the others
_SCHEMES: Final = frozenset({"http", "https", "ftp", "file"})
_UNKNOWN_KEY: Final = "no_family_has_an_option_of_this_name"


@dataclass(frozen=True)
class Subject:
    """The family under test.

    Args:
        family: The family.
        options: Its options, validated.
        values: What the options were made from.
    """

    family: AnyFamily
    options: FamilyOptions
    values: Mapping[str, Any] = field(default_factory=dict)

    def batch(self, size: int = 2) -> Batch:
        """Return the first samples of ``train`` as one batch; a small split repeats itself."""
        data: Any = self.family.dataset(self.options, "train")
        return collate([data[index % len(data)] for index in range(size)])

    def generator(self) -> nn.Module:
        """Build a generator whose weights are the same at every call."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self.family.generator(self.options)

    def objective(self) -> Objective:
        """Build an objective whose weights are the same at every call."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self.family.objective(self.options)

    def teacher_objective(self) -> TeacherObjective | None:
        """Build what a teacher is trained with, if the family has it, with the same weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self.family.teacher_objective(self.options)


class FamilyContract:
    """What every `GanFamily` promises; subclass it with `family` and `options`.

    Attributes:
        family: The family under test; an attribute or a fixture.
        options: Values of its options that make a small net and little data.
    """

    family: ClassVar[Any]
    options: ClassVar[Any] = MappingProxyType({})

    @pytest.fixture
    def subject(self, request: pytest.FixtureRequest) -> Subject:
        """Gather the family and its options, from attributes or from fixtures."""
        family = getattr(self, "family", None)
        if not isinstance(family, GanFamily):
            family = request.getfixturevalue("family")
        values = self.options
        if not isinstance(values, Mapping):
            values = request.getfixturevalue("options")
        return Subject(family, family.options(**values), values)

    def test_name_and_options_are_declared(self, subject: Subject) -> None:
        """The name can be typed on a command line, and the options are a pydantic model."""
        name, options = subject.family.name, subject.family.options
        require(bool(name) and name.split() == [name], f"name {name!r} is empty or has spaces")
        require(
            isinstance(options, type) and issubclass(options, FamilyOptions),
            f"options {options!r} is no subclass of FamilyOptions",
        )

    def test_options_are_frozen(self, subject: Subject) -> None:
        """No option can be changed after validation."""
        for name in type(subject.options).model_fields:
            with pytest.raises(ValidationError, match="frozen"):
                setattr(subject.options, name, getattr(subject.options, name))

    def test_unknown_options_are_refused(self, subject: Subject) -> None:
        """A misspelt key is an error and not ignored."""
        with pytest.raises(ValidationError, match=_UNKNOWN_KEY):
            subject.family.options(**{**subject.values, _UNKNOWN_KEY: 1})

    def test_splits_are_open_and_disjoint(self, subject: Subject) -> None:
        """Every split has samples, and no sample of one is in another."""
        prints = {split: _fingerprints(subject, split) for split in SPLITS}
        for split, found in prints.items():
            require(bool(found), f"split '{split}' is empty")
        for one, other in combinations(SPLITS, 2):
            shared = len(prints[one] & prints[other])
            require(not shared, f"splits '{one}' and '{other}' share {shared} samples")

    @pytest.mark.parametrize("split", ["val", "test"])
    def test_evaluation_splits_are_not_augmented(self, subject: Subject, split: str) -> None:
        """A sample that a search or an evaluation looks at is the same every time."""
        first, second = (_fingerprints(subject, split) for _ in range(2))
        require(first == second, f"split '{split}' gives other samples the second time")

    def test_pictures_are_in_range(self, subject: Subject) -> None:
        """Inputs and targets lie in [-1, 1] and are float32."""
        batch = subject.batch()
        pictures = [*batch.inputs, *([] if batch.target is None else [batch.target])]
        for picture in pictures:
            require(picture.dtype == torch.float32, f"a picture is of {picture.dtype}")
            _require_range(picture, "a picture of the data")

    def test_generator_makes_pictures(self, subject: Subject) -> None:
        """The generator maps the data's inputs to the target's shape, within [-1, 1]."""
        batch = subject.batch()
        with torch.no_grad():
            output: Tensor = subject.generator().eval()(*batch.inputs)
        if batch.real is not None:
            _require_shape(output, batch.real, "the generator's picture")
        _require_range(output, "the generator's picture")

    def test_baseline_is_a_picture(self, subject: Subject) -> None:
        """The picture that costs nothing has the generator's shape."""
        batch = subject.batch()
        with torch.no_grad():
            output: Tensor = subject.generator().eval()(*batch.inputs)
        baseline = subject.family.baseline(subject.options, batch)
        _require_shape(baseline, output, "the baseline")

    def test_generator_losses_reach_the_generator(self, subject: Subject) -> None:
        """The adversarial terms are finite scalars whose gradient moves the generator."""
        batch, generator = subject.batch(), subject.generator().train()
        losses = subject.objective().generator_losses(batch, generator(*batch.inputs))
        _total(losses, "generator_losses").backward()  # type: ignore[no-untyped-call]
        require(_has_gradient(generator), "generator_losses gives the generator no gradient")

    def test_discriminator_losses_reach_every_discriminator(self, subject: Subject) -> None:
        """The discriminators' terms are finite scalars, and each discriminator learns."""
        batch, objective = subject.batch(), subject.objective()
        with torch.no_grad():
            output: Tensor = subject.generator().train()(*batch.inputs)
        require(bool(len(objective.discriminators)), "the objective has no discriminators")
        losses = objective.discriminator_losses(batch, output)
        _total(losses, "discriminator_losses").backward()  # type: ignore[no-untyped-call]
        for name, discriminator in objective.discriminators.items():
            require(_has_gradient(discriminator), f"discriminator '{name}' gets no gradient")

    def test_teacher_objective_trains_every_part(self, subject: Subject) -> None:
        """The generator and each helper with parameters learn, and so does each discriminator."""
        objective = subject.teacher_objective()
        if objective is None:
            return
        helpers, batch, generator = objective.helpers, subject.batch(), subject.generator().train()
        require("generator" not in helpers, "a helper is named 'generator'")
        drawn = objective.draw(generator, batch)
        full = replace(batch, extras={**batch.extras, **drawn.extras})
        losses = {**drawn.terms, **objective.generator_losses(full, drawn.output)}
        _total(losses, "draw and generator_losses").backward()  # type: ignore[no-untyped-call]
        learning = [k for k, m in helpers.items() if any(True for _ in m.parameters())]
        for name, part in (("generator", generator), *((k, helpers[k]) for k in learning)):
            require(_has_gradient(part), f"'{name}' gets no gradient from the teacher's losses")
        objective.discriminators.zero_grad()
        critics = objective.discriminator_losses(full.detached(), drawn.output.detach())
        _total(critics, "discriminator_losses").backward()  # type: ignore[no-untyped-call]
        for name, discriminator in objective.discriminators.items():
            require(_has_gradient(discriminator), f"discriminator '{name}' gets no gradient")

    def test_what_a_teacher_keeps_is_what_a_student_starts_from(self, subject: Subject) -> None:
        """The discriminators that are saved fit those of `GanFamily.objective`."""
        objective = subject.teacher_objective()
        if objective is None:
            return
        saved, wanted = (
            {key: tuple(value.shape) for key, value in critics.state_dict().items()}
            for critics in (objective.kept, subject.objective().discriminators)
        )
        require(saved == wanted, "the kept discriminators are not those of the objective")

    def test_recipes_are_valid(self, subject: Subject) -> None:
        """Every recipe makes a run configuration, and its options are the family's."""
        for name, recipe in subject.family.recipes().items():
            require(isinstance(recipe, Recipe), f"recipe '{name}' is of type {type(recipe)}")
            subject.family.options(**recipe.options)
            RunConfig(family=subject.family.name, recipe=name, **recipe.model_dump())

    def test_sources_have_a_place_and_a_way_to_get_them(self, subject: Subject) -> None:
        """Each is called what it is found by, lies where no other does, and says what it is."""
        sources = subject.family.sources()
        for name, source in sources.items():
            require(isinstance(source, Source), f"source '{name}' is of type {type(source)}")
            require(source.name == name, f"source '{source.name}' is found as '{name}'")
            require(bool(source.layout), f"source '{name}' does not say what it consists of")
            require(bool(source.licence), f"source '{name}' does not say on what terms it comes")
            scheme = urlsplit(source.url).scheme
            found = scheme in _SCHEMES if source.url else bool(source.by_hand)
            require(found, f"source '{name}' has no address and no way to get it by hand")
        places = Counter(s.path(Path("data")) for s in sources.values() if s.url)
        shared = [str(place) for place, count in places.items() if count > 1]
        require(not shared, f"several sources are to lie in {shared}")

    def test_preparers_refuse_folders_that_are_not_there(
        self, subject: Subject, tmp_path: Path
    ) -> None:
        """Each has a name of its own, defaults for its options, and an error for a wrong folder."""
        preparers = subject.family.preparers()
        names = [preparer.name for preparer in preparers]
        require(len(set(names)) == len(names), f"preparers share names: {names}")
        for preparer in preparers:
            name = preparer.name
            require(bool(name and preparer.summary), f"preparer '{name}' does not say what it does")
            require(bool(preparer.inputs), f"preparer '{name}' takes no folder")
            nowhere = [tmp_path / f"nowhere{place}" for place in range(len(preparer.inputs))]
            try:
                preparer.plan(nowhere, preparer.options())
            except GancompressError:
                continue
            except Exception as error:  # noqa: BLE001 - whatever it is, a user would see it
                pytest.fail(f"preparer '{name}' fails on a missing folder: {error!r}")
            pytest.fail(f"preparer '{name}' plans what to do with a folder that is not there")

    def test_folders_are_those_of_the_data(self, subject: Subject) -> None:
        """Every folder that is named holds pictures; those of pairs belong together."""
        folders = subject.family.folders(subject.options)
        splits = [each.split for each in folders]
        require(len(set(splits)) == len(splits), f"a split has folders twice: {splits}")
        for each in folders:
            require(each.split in SPLITS, f"there is no split '{each.split}'")
            names = [part.name for part in each.parts]
            require(bool(names), f"split '{each.split}' has no folder")
            require(len(set(names)) == len(names), f"parts of '{each.split}' share names: {names}")
            found = {part.name: find_pictures(part.folder) for part in each.parts}
            keys = {name: {each.key(path) for path in paths} for name, paths in found.items()}
            alike = not each.paired or len({frozenset(own) for own in keys.values()}) == 1
            require(alike, f"the files of '{each.split}' do not belong together: {keys}")

    def test_state_dict_round_trip(self, subject: Subject, tmp_path: Path) -> None:
        """Weights that are saved and loaded into a new generator compute the same picture."""
        batch, trained = subject.batch(), subject.generator()
        fresh = subject.family.generator(subject.options)
        save_tensors(tmp_path / "generator.safetensors", trained.state_dict())
        fresh.load_state_dict(load_tensors(tmp_path / "generator.safetensors"))
        with torch.no_grad():
            before, after = (net.eval()(*batch.inputs) for net in (trained, fresh))
        require(torch.equal(before, after), "the state dict does not hold all that computes")


def _require_shape(picture: Tensor, expected: Tensor, noun: str) -> None:
    shapes = tuple(picture.shape), tuple(expected.shape)
    require(shapes[0] == shapes[1], f"{noun} is {shapes[0]}, and should be {shapes[1]}")


def _require_range(picture: Tensor, noun: str) -> None:
    low, high = picture.min().item(), picture.max().item()
    # Comparisons with NaN are false, so this refuses NaN too.
    require(low >= -1 and high <= 1, f"{noun} has values from {low:.3g} to {high:.3g}")


def _total(losses: Mapping[str, Tensor], method: str) -> Tensor:
    require(bool(losses), f"{method} returns no loss")
    for name, loss in losses.items():
        require(loss.ndim == 0, f"loss '{name}' is {tuple(loss.shape)}, and should be a scalar")
        require(bool(torch.isfinite(loss)), f"loss '{name}' is {loss.item()}")
        require(loss.requires_grad, f"loss '{name}' has no gradient")
    return torch.stack(list(losses.values())).sum()


def _has_gradient(module: nn.Module) -> bool:
    return any(p.grad is not None and bool(p.grad.any()) for p in module.parameters())


def _fingerprints(subject: Subject, split: str) -> set[bytes]:
    data: Any = subject.family.dataset(subject.options, split)
    indices: Iterable[int] = islice(range(len(data)), _COMPARED)
    return {_fingerprint(data[index]) for index in indices}


def _fingerprint(sample: Batch) -> bytes:
    pictures = [*sample.inputs, *([] if sample.target is None else [sample.target])]
    # Without pairs one input meets several pictures, so each domain stands for itself.
    return b"".join(picture.contiguous().numpy().tobytes() for picture in pictures)

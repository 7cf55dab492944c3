"""The contract accepts a family that keeps it, and refuses each way of breaking it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from gancompress.config import Recipe
from gancompress.errors import DataError
from gancompress.gan import Batch, FamilyOptions, Part, Preparer, Source, SplitFolders
from gancompress.plugins.loading import load_file
from gancompress.testing import FamilyContract, Subject

ROOT = Path(__file__).parents[2]
Minimal: Any = load_file(ROOT / "examples" / "minimal_plugin" / "gancompress_minimal.py").Minimal
SMALL = {"size": 16, "pictures": 3, "width": 4, "blocks": 1}


class TestAttributes(FamilyContract):
    family = Minimal()
    options: ClassVar[dict[str, int]] = SMALL


class TestFixtures(FamilyContract):
    @pytest.fixture
    def family(self) -> Any:
        return Minimal()

    @pytest.fixture
    def options(self) -> dict[str, int]:
        return SMALL


def test_the_minimal_plugin_is_small() -> None:
    source = ROOT / "examples" / "minimal_plugin" / "gancompress_minimal.py"

    assert len(source.read_text().splitlines()) <= 60


def variant(**members: Any) -> Subject:
    family = type("Variant", (Minimal,), members)()
    return Subject(family, family.options(**SMALL), SMALL)


def pictures(value: float = 0.0, size: int = 16, count: int = 3) -> list[Batch]:
    return [Batch((torch.full((1, size, size), value),), torch.zeros(1, size, size))] * count


def refuses(check: Callable[..., None], subject: Subject, sentence: str, *more: Any) -> None:
    with pytest.raises(pytest.fail.Exception, match=sentence):
        check(FamilyContract(), subject, *more)


class Loose(FamilyOptions, frozen=False, extra="allow"):
    size: int = 16
    pictures: int = 3
    width: int = 4
    blocks: int = 1


@pytest.mark.parametrize("name", ["", "two words"])
def test_names_that_cannot_be_typed_are_refused(name: str) -> None:
    refuses(FamilyContract.test_name_and_options_are_declared, variant(name=name), "empty or has")


def test_options_of_another_kind_are_refused() -> None:
    subject = variant()
    type(subject.family).options = dict
    refuses(FamilyContract.test_name_and_options_are_declared, subject, "no subclass")


def test_loose_options_are_refused() -> None:
    subject = variant(options=Loose)
    refuses(FamilyContract.test_options_are_frozen, subject, "DID NOT RAISE")
    refuses(FamilyContract.test_unknown_options_are_refused, subject, "DID NOT RAISE")


def test_splits_that_share_samples_are_refused() -> None:
    subject = variant(dataset=lambda self, options, split: pictures())
    refuses(FamilyContract.test_splits_are_open_and_disjoint, subject, "'train' and 'val' share 1")


def test_empty_splits_are_refused() -> None:
    def dataset(self: Any, options: Any, split: str) -> list[Batch]:
        return [] if split == "test" else pictures()

    subject = variant(dataset=dataset)
    refuses(FamilyContract.test_splits_are_open_and_disjoint, subject, "split 'test' is empty")


def test_augmented_evaluation_is_refused() -> None:
    def dataset(self: Any, options: Any, split: str) -> list[Batch]:
        return pictures(torch.rand(1).item())

    check = FamilyContract.test_evaluation_splits_are_not_augmented
    refuses(check, variant(dataset=dataset), "split 'val' gives other", "val")


@pytest.mark.parametrize(
    ("value", "sentence"), [(2.0, "from 2 to 2"), (float("nan"), "from nan to nan")]
)
def test_pictures_out_of_range_are_refused(value: float, sentence: str) -> None:
    subject = variant(dataset=lambda self, options, split: pictures(value))
    refuses(FamilyContract.test_pictures_are_in_range, subject, sentence)


def test_pictures_of_another_type_are_refused() -> None:
    def dataset(self: Any, options: Any, split: str) -> list[Batch]:
        return [Batch((torch.zeros(1, 4, 4, dtype=torch.float64),))]

    refuses(FamilyContract.test_pictures_are_in_range, variant(dataset=dataset), "float64")


class Unbounded(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 0 + 3


@pytest.mark.parametrize(
    ("net", "sentence"),
    [
        (nn.AvgPool2d(2), r"is \(2, 1, 8, 8\), and should be \(2, 1, 16, 16\)"),
        (Unbounded(), "values from 3 to 3"),
    ],
)
def test_generators_of_other_pictures_are_refused(net: nn.Module, sentence: str) -> None:
    subject = variant(generator=lambda self, options: net)
    refuses(FamilyContract.test_generator_makes_pictures, subject, sentence)


def test_an_odd_baseline_is_refused() -> None:
    subject = variant(baseline=lambda self, options, batch: torch.zeros(1))
    refuses(FamilyContract.test_baseline_is_a_picture, subject, "the baseline is")


def test_unpaired_data_need_no_target() -> None:
    def dataset(self: Any, options: Any, split: str) -> list[Batch]:
        return [Batch((torch.zeros(1, 16, 16),))]

    subject = variant(dataset=dataset)
    FamilyContract().test_pictures_are_in_range(subject)
    FamilyContract().test_generator_makes_pictures(subject)


class Objective:
    def __init__(self, losses: dict[str, Tensor], critics: nn.ModuleDict | None = None) -> None:
        self.losses = losses
        self.discriminators = nn.ModuleDict() if critics is None else critics

    def generator_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        return self.losses

    discriminator_losses = generator_losses


@pytest.mark.parametrize(
    ("losses", "sentence"),
    [
        ({}, "generator_losses returns no loss"),
        ({"a": torch.ones(2)}, r"loss 'a' is \(2,\)"),
        ({"a": torch.tensor(float("inf"))}, "loss 'a' is inf"),
        ({"a": torch.tensor(1.0)}, "loss 'a' has no gradient"),
        ({"a": torch.tensor(1.0, requires_grad=True)}, "gives the generator no gradient"),
    ],
)
def test_losses_that_do_not_train_the_generator_are_refused(
    losses: dict[str, Tensor], sentence: str
) -> None:
    subject = variant(objective=lambda self, options: Objective(losses))
    refuses(FamilyContract.test_generator_losses_reach_the_generator, subject, sentence)


def test_discriminators_that_do_not_learn_are_refused() -> None:
    loss = {"a": torch.tensor(1.0, requires_grad=True)}
    check = FamilyContract.test_discriminator_losses_reach_every_discriminator
    none = variant(objective=lambda self, options: Objective(loss))
    refuses(check, none, "has no discriminators")
    idle = nn.ModuleDict({"idle": nn.Linear(1, 1)})
    subject = variant(objective=lambda self, options: Objective(loss, idle))
    refuses(check, subject, "discriminator 'idle' gets no gradient")


def test_recipes_are_checked() -> None:
    check = FamilyContract.test_recipes_are_valid
    check(FamilyContract(), variant(recipes=lambda self: {"r": Recipe(options=SMALL)}))
    refuses(check, variant(recipes=lambda self: {"r": {}}), "recipe 'r' is of type")
    with pytest.raises(ValueError, match="sise"):
        check(FamilyContract(), variant(recipes=lambda self: {"r": Recipe(options={"sise": 1})}))


class Forgetful(nn.Module):
    """Computes with a number that its state dict does not hold."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.hidden = torch.rand(1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight * self.hidden


def test_state_outside_the_state_dict_is_noticed(tmp_path: Path) -> None:
    subject = variant(generator=lambda self, options: Forgetful())
    check = FamilyContract.test_state_dict_round_trip
    refuses(check, subject, "does not hold all that computes", tmp_path)


GOOD = Source("set", "data", "https://a.org/set.zip", "zip", "train and test", "free")


@pytest.mark.parametrize(
    ("sources", "sentence"),
    [
        ({"set": "https://a.org/set.zip"}, "source 'set' is of type"),
        ({"other": GOOD}, "source 'set' is found as 'other'"),
        ({"set": replace(GOOD, layout="")}, "does not say what it consists of"),
        ({"set": replace(GOOD, licence="")}, "does not say on what terms"),
        ({"set": replace(GOOD, url="a.org/set.zip")}, "has no address"),
        ({"set": replace(GOOD, url="")}, "no way to get it by hand"),
        ({"set": GOOD, "b": replace(GOOD, name="b", place="set")}, r"are to lie in \['data/set'\]"),
    ],
)
def test_sources_are_checked(sources: dict[str, Any], sentence: str) -> None:
    check = FamilyContract.test_sources_have_a_place_and_a_way_to_get_them
    refuses(check, variant(sources=lambda self: sources), sentence)
    by_hand = replace(GOOD, name="hand", url="", by_hand="ask")
    check(FamilyContract(), variant(sources=lambda self: {"set": GOOD, "hand": by_hand}))


def plan(inputs: Any, options: Any) -> list[Any]:
    raise DataError(f"'{inputs[0]}' is not a folder", hint="give one")


GOOD_PREPARER = Preparer("pairs", "makes pairs", ("A", "B"), FamilyOptions, plan)


@pytest.mark.parametrize(
    ("preparers", "sentence"),
    [
        ([GOOD_PREPARER, GOOD_PREPARER], "share names"),
        ([replace(GOOD_PREPARER, summary="")], "does not say what it does"),
        ([replace(GOOD_PREPARER, inputs=())], "takes no folder"),
        ([replace(GOOD_PREPARER, plan=lambda inputs, options: [])], "that is not there"),
        ([replace(GOOD_PREPARER, plan=lambda inputs, options: 1 / 0)], "fails on a missing folder"),
    ],
)
def test_preparers_are_checked(preparers: list[Any], sentence: str, tmp_path: Path) -> None:
    check = FamilyContract.test_preparers_refuse_folders_that_are_not_there
    refuses(check, variant(preparers=lambda self: preparers), sentence, tmp_path)
    check(FamilyContract(), variant(preparers=lambda self: [GOOD_PREPARER]), tmp_path)


def test_folders_are_checked(tmp_path: Path) -> None:
    check = FamilyContract.test_folders_are_those_of_the_data
    for place in ("A/1.png", "A/2.png", "B/1.png", "C/1.png"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).touch()
    a, b, c = (Part(name, tmp_path / name) for name in "ABC")

    def named(*folders: SplitFolders) -> Subject:
        return variant(folders=lambda self, options: folders)

    check(FamilyContract(), named(SplitFolders("train", (b, c)), SplitFolders("test", (a,))))
    check(FamilyContract(), named(SplitFolders("train", (a, b), paired=False)))
    refuses(check, named(SplitFolders("train", (a,)), SplitFolders("train", (b,))), "twice")
    refuses(check, named(SplitFolders("trian", (a,))), "no split 'trian'")
    refuses(check, named(SplitFolders("val", ())), "split 'val' has no folder")
    refuses(check, named(SplitFolders("val", (a, a))), "share names")
    refuses(check, named(SplitFolders("val", (a, b))), "do not belong together")
    with pytest.raises(DataError, match="is not a folder"):
        check(FamilyContract(), named(SplitFolders("val", (Part("D", tmp_path / "D"),))))

"""Mean intersection over union: a case by hand, the kinds of segmenters, label mappings."""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from gancompress.errors import CheckpointError, ConfigError, DataError, MissingExtraError
from gancompress.gan import Batch
from gancompress.metrics import MeanIou
from gancompress.metrics.labels import read_mapping
from gancompress.metrics.miou import confusion
from gancompress.plugins.loading import load_reference

GREY = (-1.0, 0.0, 1.0)
OWN = """
import torch
from torch import nn

class ByGrey(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("levels", torch.tensor([-1.0, 0.0, 1.0]))
    def forward(self, x):
        return -(x.mean(1, keepdim=True) - self.levels[:, None, None]).abs()

class Classes(ByGrey):
    def forward(self, x):
        return super().forward(x).argmax(1)

class Nothing(nn.Module):
    def forward(self, x):
        return x.mean()

def failing():
    return nn.Conv2d(7, 2, 1)

ready = ByGrey()
number = 3
"""


class ByGrey(nn.Module):
    """Scores three classes by how near a pixel is to black, grey and white."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("levels", torch.tensor(GREY))

    def forward(self, x: Tensor) -> Tensor:
        return -(x.mean(1, keepdim=True) - self.levels[:, None, None]).abs()


def drawn(rows: list[list[int]]) -> Tensor:
    """A picture ``(1, 3, H, W)`` whose pixels have the grey of a class."""
    return torch.tensor(GREY)[torch.tensor(rows)].expand(1, 3, -1, -1)


# By hand, rows of the truth and of what was drawn:
TRUTH = [[0, 0, 0, 1], [1, 1, 2, 2]]
DRAWN = [[0, 0, 1, 1], [1, 0, 2, 1]]
# confusion: 0 -> 2 0s and 1 1; 1 -> 1 0 and 2 1s; 2 -> 1 1 and 1 2
CONFUSION = [[2, 1, 0], [1, 2, 0], [0, 1, 1]]
IOU = {"0": 2 / 4, "1": 2 / 5, "2": 1 / 2}
PIXELS = 5 / 8


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "own.py"
    file.write_text(OWN)
    return file


def metric(**options: Any) -> MeanIou:
    return MeanIou(load_reference).configure(options)


def check(found: Any) -> None:
    assert found.details["confusion"] == CONFUSION
    assert found.details["iou"] == pytest.approx(IOU)
    assert found.details["pixel_accuracy"] == PIXELS
    assert found.value == pytest.approx(sum(IOU.values()) / 3)
    json.dumps(dict(found.details))


@pytest.mark.parametrize(
    ("name", "more"), [("ByGrey", {}), ("ready", {}), ("Classes", {"classes": 3})]
)
def test_a_case_by_hand_on_a_segmenter_of_ones_own(own: Path, name: str, more: Any) -> None:
    given = metric(segmenter=f"{own}:{name}", **more)
    real = drawn(TRUTH)
    check(given.against([Batch((real,), real)]).measure(drawn(DRAWN)))
    assert given.compute(drawn(DRAWN), real) == pytest.approx(sum(IOU.values()) / 3)
    assert given.compute(real, real) == 1
    assert given.protocol()["kind"] == "module"


def test_torchscript_needs_trust(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.save(torch.jit.script(ByGrey()), path)
    plain = MeanIou(load_reference)
    with pytest.raises(CheckpointError, match="TorchScript runs code") as caught:
        plain.configure({"segmenter": str(path)}).protocol()
    assert "--trust" in caught.value.hint
    trusted = plain.configure({"segmenter": str(path)}, trust=True)
    real = drawn(TRUTH)
    check(trusted.against([Batch((real,), real)]).measure(drawn(DRAWN)))
    path.write_bytes(b"no archive")
    with pytest.raises(CheckpointError, match="is no TorchScript file"):
        plain.configure({"segmenter": str(path)}, trust=True).protocol()


def save_onnx(path: Path, batch: int | str) -> None:
    """The same scores as an ONNX graph: minus the distance of red from three greys."""
    nodes = [
        helper.make_node("Slice", ["x", "start", "end", "axis"], ["red"]),
        helper.make_node("Sub", ["red", "levels"], ["difference"]),
        helper.make_node("Abs", ["difference"], ["distance"]),
        helper.make_node("Neg", ["distance"], ["scores"]),
    ]
    constants = [
        helper.make_tensor(name, TensorProto.INT64, [1], [value])
        for name, value in (("start", 0), ("end", 1), ("axis", 1))
    ]
    constants.append(helper.make_tensor("levels", TensorProto.FLOAT, [1, 3, 1, 1], GREY))
    graph = helper.make_graph(
        nodes,
        "grey",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, "h", "w"])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 3, "h", "w"])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)


@pytest.mark.parametrize("batch", ["n", 1])
def test_an_onnx_segmenter(tmp_path: Path, batch: int | str) -> None:
    path = tmp_path / "net.onnx"
    save_onnx(path, batch)
    given = metric(segmenter=str(path))
    real = drawn(TRUTH)
    check(given.against([Batch((real,), real)]).measure(drawn(DRAWN)))
    several = real.expand(10, -1, -1, -1)
    assert given.compute(several, several) == 1
    assert given.protocol()["kind"] == "onnx"


def test_onnx_that_is_damaged_or_has_no_runtime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"no graph")
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        metric(segmenter=str(path)).protocol()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError) as caught:
        metric(segmenter=str(path)).protocol()
    assert "gancompress[onnx]" in caught.value.hint


def one_hot(rows: list[list[int]], classes: int, edges: bool = False) -> Tensor:
    code = torch.nn.functional.one_hot(torch.tensor([rows]), classes).permute(0, 3, 1, 2).float()
    return torch.cat([code, torch.ones(1, 1, *code.shape[2:])], 1) if edges else code


@pytest.mark.parametrize("kind", ["ids", "flat ids", "one-hot", "with edges"])
def test_the_truth_may_be_what_the_generator_gets(own: Path, kind: str) -> None:
    inputs = {
        "ids": torch.tensor([[TRUTH]]),
        "flat ids": torch.tensor([TRUTH]),
        "one-hot": one_hot(TRUTH, 3),
        "with edges": one_hot(TRUTH, 3, edges=True),
    }[kind]
    given = metric(segmenter=f"{own}:ByGrey", truth="input")
    check(given.against([Batch((inputs,), drawn(TRUTH))]).measure(drawn(DRAWN)))
    with pytest.raises(DataError, match="takes its truth from 'input'"):
        given.compute(drawn(DRAWN), drawn(TRUTH))


def test_labels_are_renamed_and_those_that_are_not_listed_ignored(
    own: Path, tmp_path: Path
) -> None:
    ids = torch.tensor([[7, 7, 7, 8], [8, 8, 11, 255]])  # 255 was class 2
    labels = Batch((drawn(TRUTH),), drawn(TRUTH), {"labels": ids[None]})
    file = tmp_path / "ids.txt"
    file.write_text("# id class name\n7 0 road\n8 1 side walk\n\n11 2 building  # the last\n")
    (tmp_path / "ids.json").write_text('{"7": 0, "8": 1, "11": 2}')
    for mapping in (
        "7:0,8:1,11:2",
        str(file),
        str(tmp_path / "ids.json"),
        {"7": 0, "8": 1, "11": 2},
    ):
        given = metric(segmenter=f"{own}:ByGrey", truth="extras.labels", labels=mapping)
        found = given.against([labels]).measure(drawn(DRAWN))
        assert found.details["confusion"] == [[2, 1, 0], [1, 2, 0], [0, 0, 1]]
        assert found.details["ignored_pixels"] == 1
        names = ["road", "side walk", "building"] if mapping == str(file) else ["0", "1", "2"]
        assert list(found.details["iou"]) == names
        assert found.details["pixel_accuracy"] == 5 / 7
        assert given.protocol()["labels"] == {"7": 0, "8": 1, "11": 2}


def test_classes_of_the_segmenter_are_merged(own: Path) -> None:
    given = metric(
        segmenter=f"{own}:ByGrey", truth="input", predicted="0:0,1:0,2:1", labels={"0": 0, "2": 1}
    )
    found = given.against([Batch((torch.tensor([[TRUTH]]),), drawn(TRUTH))]).measure(drawn(DRAWN))
    assert found.details["confusion"] == [[3, 0], [1, 1]]
    part = metric(segmenter=f"{own}:ByGrey", predicted="0:0,1:0")
    with pytest.raises(ConfigError, match="class 2, which 'predicted' does not list"):
        part.compute(drawn(DRAWN), drawn(TRUTH))


def test_over_which_classes_the_mean_goes(own: Path) -> None:
    truth, seen = [[0, 0]], [[0, 1]]
    given = {"segmenter": f"{own}:ByGrey"}
    # class 0: 1 of 2; class 1: 0 of 1, and does not occur in the truth; class 2: nowhere
    assert metric(**given).compute(drawn(seen), drawn(truth)) == 0.25
    assert metric(**given, average="truth").compute(drawn(seen), drawn(truth)) == 0.5
    found = metric(**given).against([Batch((drawn(truth),), drawn(truth))]).measure(drawn(seen))
    assert found.details["iou"] == {"0": 0.5, "1": 0.0, "2": None}


@pytest.mark.parametrize("resize", ["no", "truth"])
def test_scores_are_brought_to_the_size_of_the_label_maps(own: Path, resize: str) -> None:
    large = torch.tensor([[TRUTH]]).repeat_interleave(4, 2).repeat_interleave(4, 3)
    given = metric(segmenter=f"{own}:ByGrey", truth="input", resize=resize)
    found = given.against([Batch((large,), drawn(TRUTH))]).measure(drawn(TRUTH))
    assert sum(map(sum, found.details["confusion"])) == large.numel()
    assert 0.5 < found.value < 1  # the borders between classes are smooth


class Recorder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.seen = torch.zeros(0)

    def forward(self, x: Tensor) -> Tensor:
        self.seen = x
        return torch.stack([x[:, 0], -x[:, 0]], 1)


def test_pictures_reach_the_segmenter_in_its_units() -> None:
    net = Recorder()
    colour = torch.tensor([1.0, 0.0, -1.0])[None, :, None, None].expand(1, 3, 4, 4)
    given = MeanIou(lambda _: net).configure(
        {"segmenter": "own:net", "mean": "0.5,0.25,0", "std": (0.5, 0.25, 1), "bgr": "true"}
    )
    given.compute(colour, colour)
    bytes_ = torch.tensor([255, 128, 0]) / 255
    expected = ((bytes_ - torch.tensor([0.5, 0.25, 0])) / torch.tensor([0.5, 0.25, 1])).flip(0)
    assert torch.allclose(net.seen[0, :, 0, 0], expected)


@pytest.mark.parametrize(
    ("options", "words", "hint"),
    [
        ({}, "'miou' needs a segmenter", "miou.segmenter="),
        ({"segmenter": "absent.onnx"}, "'absent.onnx' cannot be read", "ONNX"),
        ({"segmenter": "OWN:number"}, "is of type 'int'", "torch.nn.Module"),
        ({"segmenter": "OWN:failing"}, "segmenter failed on pictures", "(N, 3, H, W)"),
        ({"segmenter": "OWN:Nothing"}, "gives (), not scores", "wrap it"),
        ({"segmenter": "OWN:Classes"}, "does not say how many", "miou.classes="),
        ({"segmenter": "OWN:Classes", "classes": 1}, "finds class 2, and there are 1", "classes"),
        ({"segmenter": "OWN:ByGrey", "truth": "input"}, "holds no label maps", "truth = targets"),
        ({"segmenter": "OWN:ByGrey", "truth": "extras.x"}, "have no 'extras.x'", "one of: none"),
        ({"segmenter": "OWN:ByGrey", "labels": "0:7"}, "lists class 7, and there are 3", "from 0"),
        ({"segmenter": "OWN:ByGrey", "labels": "a:b"}, "no 'id class'", "7:0,8:1"),
        ({"segmenter": "OWN:ByGrey", "labels": "absent.txt"}, "cannot be read", "JSON"),
        ({"segmenter": "OWN:ByGrey", "labels": {}}, "must list ids", "ignore"),
    ],
)
def test_what_cannot_work_is_one_sentence(
    own: Path, options: dict[str, Any], words: str, hint: str
) -> None:
    given = {k: v.replace("OWN", str(own)) if isinstance(v, str) else v for k, v in options.items()}
    real = drawn(TRUTH)

    def use() -> None:
        one = metric(**given)
        one.protocol()
        one.rehearse([Batch((real,), real)])

    with pytest.raises((ConfigError, DataError, CheckpointError)) as caught:
        use()
    assert words in caught.value.message
    assert hint in caught.value.hint


def test_options_that_are_unknown() -> None:
    with pytest.raises(ConfigError, match=r"'truth' in \[metrics.miou\]"):
        metric(truth="files")
    with pytest.raises(ConfigError, match="'segmentor'"):
        metric(segmentor="x.onnx")


def test_other_pictures_than_label_maps_are_refused(own: Path) -> None:
    real = drawn(TRUTH)
    ruler = metric(segmenter=f"{own}:ByGrey").against([Batch((real,), real)])
    with pytest.raises(DataError, match="1 label maps for 2 pictures"):
        ruler.measure(real.expand(2, -1, -1, -1))


def test_a_truth_of_ignored_ids_alone_is_refused(own: Path) -> None:
    given = metric(segmenter=f"{own}:ByGrey", truth="input", labels="9:0")
    ruler = given.against([Batch((torch.tensor([[TRUTH]]),), drawn(TRUTH))])
    with pytest.raises(DataError, match="no pixel with a class"):
        ruler.measure(drawn(DRAWN))


def test_confusion_counts_every_pixel_once() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(-1, 6, (4, 9, 9), generator=generator)
    found = torch.randint(0, 5, (4, 9, 9), generator=generator)
    matrix = confusion(truth, found, 5)
    for i in range(5):
        for j in range(5):
            assert matrix[i, j] == ((truth == i) & (found == j)).sum()


def test_a_mapping_keeps_what_it_lists() -> None:
    mapping = read_mapping({"3": 1, "4": 0}, "labels")
    assert mapping.apply(torch.tensor([3, 4, 5])).tolist() == [1, 0, -1]

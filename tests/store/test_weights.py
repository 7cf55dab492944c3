import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import safetensors
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from gancompress.errors import CheckpointError
from gancompress.store import load_tensors, load_weights, save_tensors

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.bool]


class Burglar:
    """Writes a file when it is unpickled."""

    def __init__(self, loot: Path) -> None:
        self.loot = loot

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.loot),))


@settings(derandomize=True, max_examples=40, deadline=None)
@given(
    tensors=st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
        st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 4), max_size=4)),
        max_size=4,
    )
)
def test_tensors_come_back_as_they_were(tensors: dict[str, Any]) -> None:
    made = {name: (torch.rand(shape) * 10).to(dtype) for name, (dtype, shape) in tensors.items()}

    with TemporaryDirectory() as folder:
        save_tensors(Path(folder) / "x.safetensors", made)
        loaded = load_tensors(Path(folder) / "x.safetensors")

    assert loaded.keys() == made.keys()
    for name, tensor in made.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor)


def test_shared_strided_and_trained_tensors_can_be_saved(tmp_path: Path) -> None:
    base = torch.rand(2, 4, 6, 6, requires_grad=True)
    tensors = {
        "whole": base,
        "same": base,
        "part": base[:, 1:3],
        "channels_last": base.detach().to(memory_format=torch.channels_last),
        "expanded": torch.ones(1).expand(5),
    }

    save_tensors(tmp_path / "x.safetensors", tensors)
    loaded = load_tensors(tmp_path / "x.safetensors")

    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())


def test_metadata_are_in_the_header(tmp_path: Path) -> None:
    save_tensors(tmp_path / "x.safetensors", {"a": torch.zeros(1)}, {"format": "7"})

    with safetensors.safe_open(tmp_path / "x.safetensors", "pt") as file:
        assert file.metadata() == {"format": "7"}


def save_bare(path: Path, state: dict[str, Tensor]) -> None:
    torch.save(state, path)


def save_old_format(path: Path, state: dict[str, Tensor]) -> None:
    torch.save(state, path, _use_new_zipfile_serialization=False)


def save_nested(path: Path, state: dict[str, Tensor]) -> None:
    torch.save({"epoch": 3, "state_dict": state}, path)


@pytest.mark.parametrize(
    ("save", "name"),
    [
        (save_bare, "x.pth"),
        (save_old_format, "x.pt"),
        (save_nested, "x.ckpt"),
        (save_tensors, "x.safetensors"),
    ],
)
def test_foreign_state_dicts_are_read(
    tmp_path: Path, save: Callable[[Path, dict[str, Tensor]], None], name: str
) -> None:
    state = nn.BatchNorm2d(3).state_dict()
    save(tmp_path / name, state)

    loaded = load_weights(tmp_path / name)

    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[key], state[key]) for key in state)


def test_parameters_come_back_without_gradient(tmp_path: Path) -> None:
    torch.save(dict(nn.Linear(2, 2).named_parameters()), tmp_path / "x.pt")

    assert not any(t.requires_grad for t in load_weights(tmp_path / "x.pt").values())


def test_code_is_named_and_not_run(tmp_path: Path) -> None:
    loot = tmp_path / "loot"
    torch.save({"a": Burglar(loot)}, tmp_path / "evil.pt")

    with pytest.raises(CheckpointError, match=r"would execute code .* names 'posix.mkdir'") as it:
        load_weights(tmp_path / "evil.pt")

    assert "state_dict()" in it.value.hint
    assert not loot.exists()


def test_a_plain_pickle_is_not_run(tmp_path: Path) -> None:
    loot = tmp_path / "loot"
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Burglar(loot)))

    with pytest.raises(CheckpointError, match="is a pickle that would execute code"):
        load_weights(tmp_path / "evil.pkl")

    assert not loot.exists()


def test_a_plain_pickle_without_code_holds_no_weights(tmp_path: Path) -> None:
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(["no", "weights"]))

    with pytest.raises(CheckpointError, match="holds no"):
        load_weights(tmp_path / "plain.pkl")


def test_a_whole_pickled_module_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "x.pt")

    with pytest.raises(CheckpointError, match="would execute code"):
        load_weights(tmp_path / "x.pt")


def test_torchscript_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("net/constants.pkl", b"")

    with pytest.raises(CheckpointError, match="is TorchScript"):
        load_weights(tmp_path / "x.pt")


@pytest.mark.parametrize("name", ["x.pt", "x.safetensors"])
def test_missing_files_and_folders_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match=f"'.*{name}' does not exist"):
        load_weights(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(CheckpointError, match=f"'.*{name}' is a folder"):
        load_weights(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    save_tensors(tmp_path / "x.safetensors", {})
    (tmp_path / "x.safetensors").chmod(0)

    with pytest.raises(CheckpointError, match="Permission denied"):
        load_tensors(tmp_path / "x.safetensors")


def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_tensors(tmp_path / "x.safetensors", {})

    def broken(_path: Path) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", broken)
    with pytest.raises(CheckpointError, match="cannot be read: Input/output error"):
        load_tensors(tmp_path / "x.safetensors")


@settings(derandomize=True, max_examples=30, deadline=None)
@given(kept=st.floats(0, 0.99), save=st.sampled_from([save_bare, save_old_format, save_tensors]))
def test_truncated_files_are_refused(
    kept: float, save: Callable[[Path, dict[str, Tensor]], None]
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / ("x.safetensors" if save is save_tensors else "x.pt")
        save(path, {"a": torch.rand(64)})
        data = path.read_bytes()
        path.write_bytes(data[: int(kept * len(data))])

        # An old pickle that ends within the name of a function looks like one of an unknown name.
        sentence = r"is truncated|names 'torch\." if save is save_old_format else "is truncated"
        with pytest.raises(CheckpointError, match=sentence):
            load_weights(path)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (3, "holds no state dict$"),
        ({}, "holds no state dict$"),
        ({"epoch": 3}, "'epoch' is of type 'int'"),
        ({"state_dict": {"a": [1]}}, "'a' is of type 'list'"),
        ({1: torch.zeros(1)}, "'1' is of type"),
    ],
)
def test_what_is_no_state_dict_is_refused(tmp_path: Path, value: Any, complaint: str) -> None:
    torch.save(value, tmp_path / "x.pt")

    with pytest.raises(CheckpointError) as caught:
        load_weights(tmp_path / "x.pt")

    assert caught.match(complaint.replace("$", "")), complaint

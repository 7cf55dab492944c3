import pytest

from gancompress.elastic import SubnetConfig
from gancompress.errors import SubnetError


def test_round_trip_and_order() -> None:
    config = SubnetConfig({"model.4": 32, "model.1": 16})
    again = SubnetConfig.from_json(config.to_json())
    assert again == config
    assert hash(again) == hash(config)
    assert list(again.widths) == ["model.4", "model.1"]
    assert config.to_json() == '{"widths": {"model.4": 32, "model.1": 16}}'


def test_equal_widths_are_equal_in_any_order() -> None:
    left, right = SubnetConfig({"a": 1, "b": 2}), SubnetConfig({"b": 2, "a": 1})
    assert left == right
    assert len({left, right, SubnetConfig({"a": 1})}) == 2


def test_later_changes_of_the_argument_do_not_matter() -> None:
    widths = {"a": 1}
    config = SubnetConfig(widths)
    widths["a"] = 9
    assert config.widths == {"a": 1}


@pytest.mark.parametrize("text", ["{", "[]", '{"widths": 3}', '{"widths": {}, "width": 1}',
                                  '{"widths": {"a": 1.5}}', '{"widths": {"a": true}}',
                                  '{"widths": {"a": 0}}'])  # fmt: skip
def test_what_is_no_subnet_is_refused(text: str) -> None:
    with pytest.raises(SubnetError) as caught:
        SubnetConfig.from_json(text)
    assert caught.value.hint
    assert "'" in caught.value.message

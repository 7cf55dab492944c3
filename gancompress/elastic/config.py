"""A subnet as a value: the width of each channel group."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from gancompress.errors import SubnetError


@dataclass(frozen=True)
class SubnetConfig:
    """Widths by group; hashable, and equal where the widths are.

    Args:
        widths: Number of active units of each group, by the group's key such as ``model.4``.
            Groups that are not named stay at full width.

    Raises:
        SubnetError: If a key is not a string or a width not a positive whole number.
    """

    widths: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, width in self.widths.items():
            if not isinstance(key, str) or isinstance(width, bool) or not isinstance(width, int):
                raise SubnetError(
                    f"the width of group '{key}' is '{width}', which is no whole number",
                    hint='a subnet looks like {"widths": {"model.4": 32}}',
                )
            if width < 1:
                raise SubnetError(
                    f"the width of group '{key}' is {width}",
                    hint="a group keeps at least one unit",
                )
        object.__setattr__(self, "widths", dict(self.widths))

    def __hash__(self) -> int:
        return hash(frozenset(self.widths.items()))

    def to_json(self) -> str:
        """Return ``{"widths": {...}}`` with the groups in their own order."""
        return json.dumps({"widths": dict(self.widths)})

    @classmethod
    def from_json(cls, text: str) -> "SubnetConfig":
        """Read what `to_json` wrote.

        Args:
            text: A JSON object with the one key ``widths``.

        Raises:
            SubnetError: If the text is no JSON, or describes no subnet.
        """
        hint = 'a subnet looks like {"widths": {"model.4": 32}}'
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise SubnetError(f"the subnet is not valid 'JSON': {error}", hint=hint) from error
        if not isinstance(value, dict) or not isinstance(value.get("widths"), dict):
            raise SubnetError("the subnet has no object 'widths'", hint=hint)
        unknown = sorted(set(value) - {"widths"})
        if unknown:
            raise SubnetError(f"the subnet has an unknown key '{unknown[0]}'", hint=hint)
        return cls(value["widths"])

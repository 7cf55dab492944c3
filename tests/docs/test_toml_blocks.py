"""Every TOML block is a configuration that a run takes."""

import tomllib

import pytest

from gancompress.compress.metrics import configure_metrics
from gancompress.config import RunConfig, parse
from gancompress.plugins import PluginHost

from .conftest import BLOCKS, Block


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.language == "toml" and not b.untested], ids=str
)
def test_toml_blocks_are_configurations(block: Block) -> None:
    values = {"family": "pix2pix", **tomllib.loads(block.text)}
    config = parse(RunConfig, values, source=str(block))
    host = PluginHost.discover()
    host.family(config.family).options(**config.options)
    configure_metrics(host.metrics(), config.metrics)

"""The hooks are the documented ones, typed and explained."""

import inspect
import subprocess
import sys

from gancompress.hookspecs import HookSpecs, Resolved
from gancompress.plugins.checking import HOOKS


def test_the_hooks_are_those_of_the_design() -> None:
    assert set(HOOKS) == {
        "gancompress_families",
        "gancompress_op_rules",
        "gancompress_passes",
        "gancompress_distill_losses",
        "gancompress_metrics",
        "gancompress_export_targets",
        "gancompress_resolve_generator",
        "gancompress_event",
    }


def test_every_hook_is_annotated_and_says_when_it_fires() -> None:
    for name in HOOKS:
        hook = getattr(HookSpecs, name)
        signature = inspect.signature(hook)
        assert signature.return_annotation is not inspect.Signature.empty, name
        for parameter in list(signature.parameters.values())[1:]:
            assert parameter.annotation is not inspect.Parameter.empty, name
        assert "Fires " in (inspect.getdoc(hook) or ""), name


def test_listing_plugins_loads_no_torch() -> None:
    script = (
        "import sys; from gancompress.plugins import PluginHost; PluginHost().distributions();"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_plugin_can_name_the_answer_of_resolve_generator_in_an_annotation() -> None:
    # Evaluated when the function is made, as in a plugin without the future import.
    def answer(reference: str) -> Resolved | None:
        return None

    assert answer("net.py:make") is None

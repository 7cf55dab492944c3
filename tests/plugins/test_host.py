import logging
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from torch import Tensor, nn

from gancompress import hookimpl
from gancompress.errors import ConfigError, DataError, PluginError
from gancompress.events import Notice
from gancompress.plugins import BrokenPlugin, PluginHost, PluginInfo

Install = Callable[..., None]

FAMILY = """
from gancompress import hookimpl
from gancompress.gan import FamilyOptions, GanFamily

class Family(GanFamily[FamilyOptions]):
    name = "{name}"
    options = FamilyOptions
    def generator(self, options): raise NotImplementedError
    def dataset(self, options, split): raise NotImplementedError
    def objective(self, options): raise NotImplementedError

@hookimpl
def gancompress_families():
    return [Family()]
"""
INFO = PluginInfo("fake", "fake-dist", "3.1")
EVENT = Notice("train", "hello")


def quiet(_broken: BrokenPlugin) -> None:
    """Report to nobody."""


def reasons(host: PluginHost) -> dict[str, str]:
    return {broken.name: broken.reason for broken in host.broken}


def nothing() -> list[object]:
    return []


def plugin(**hooks: Callable[..., Any]) -> ModuleType:
    module = ModuleType("plug")
    for name, function in hooks.items():
        setattr(module, f"gancompress_{name}", hookimpl(function))
    return module


def host_with(*plugins: object) -> PluginHost:
    host = PluginHost(report=quiet)
    for number, each in enumerate(plugins):
        host.register(each, PluginInfo(f"fake{number}", f"fake-dist{number}", f"{number}.0"))
    return host


def test_a_bare_host_has_the_core_and_no_family() -> None:
    host = PluginHost()

    (core,) = host.distributions()
    assert (core.name, core.distribution) == ("core", "gancompress")
    assert "gancompress_resolve_generator" in core.hooks
    assert "gancompress_families" not in core.hooks
    assert host.families() == {}
    assert host.broken == ()
    with pytest.raises(PluginError, match="there is no family 'x'") as caught:
        host.family("x")
    assert caught.value.hint == "known families: none"


def test_the_core_names_its_version_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: "7.5")
    assert PluginHost().distributions()[0].origin == "gancompress 7.5"

    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    assert PluginHost().distributions()[0].origin == "gancompress"


def test_the_core_offers_metrics_passes_and_targets_through_the_hooks() -> None:
    host = PluginHost()

    assert {"l1", "psnr", "frechet-lite0"} <= host.metrics().keys()
    assert "onnx" in host.export_targets()
    assert [type(one).__name__ for one in host.passes()] == ["FoldReparametrisation"]
    assert host.op_rules() == ()
    assert host.broken == ()


def test_installed_plugins_are_found_with_their_distribution(install: Install) -> None:
    install("nice-gan", FAMILY.format(name="nice"), version="2.5")

    host = PluginHost.discover(report=quiet)

    assert host.family("nice").name == "nice"
    assert host.families_by_plugin()["nice-gan"] == ("nice",)
    (info,) = (info for info in host.distributions() if info.name == "nice-gan")
    assert info == PluginInfo("nice-gan", "nice-gan", "2.5", ("gancompress_families",))
    assert info.origin == "nice-gan 2.5"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_package_at_all", "ModuleNotFoundError: No module named"),
        ("raise SystemExit(3)", "it cannot be imported: SystemExit: 3"),
        ("raise ValueError", "it cannot be imported: ValueError"),
        ("def broken(:", "it cannot be imported: SyntaxError"),
    ],
)
def test_a_plugin_that_fails_to_import_is_kept_apart(
    install: Install, source: str, reason: str
) -> None:
    install("bad-gan", source, version="0.3")
    install("nice-gan", FAMILY.format(name="nice"))

    host = PluginHost.discover(report=quiet)

    assert "nice" in host.families()
    (broken,) = (broken for broken in host.broken if broken.name == "bad-gan")
    assert (broken.distribution, broken.version) == ("bad-gan", "0.3")
    assert reason in broken.reason
    with pytest.raises(PluginError) as caught:
        host.family("bad")
    assert "plugin 'bad-gan' of 'bad-gan 0.3' is broken" in caught.value.hint


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            "@hookimpl\ndef gancompress_familys(): return []",
            "'gancompress_familys' is no hook; did you mean 'gancompress_families'?",
        ),
        ("@hookimpl\ndef offer(): return []", "'offer' is no hook; known hooks: gancompress_"),
        (
            "def gancompress_families(): return []",
            "'gancompress_families' is not marked with @gancompress.hookimpl",
        ),
        (
            "@hookimpl\ndef gancompress_event(happening): pass",
            "Argument(s) {'happening'} are declared in the hookimpl but can not be found",
        ),
        ("", "it implements no hook"),
    ],
)
def test_a_misspelt_hook_takes_the_whole_plugin_out(
    install: Install, source: str, reason: str
) -> None:
    good = FAMILY.format(name="half") if "gancompress_families" not in source and source else ""
    install("half-gan", f"from gancompress import hookimpl\n{good}\n{source}\n")

    host = PluginHost.discover(report=quiet)

    assert "half" not in host.families()
    assert "half-gan" not in {info.name for info in host.distributions()}
    assert reason in reasons(host)["half-gan"]


def test_optional_and_renamed_hooks_are_allowed() -> None:
    seen: list[Any] = []

    class Newer:
        @hookimpl(specname="gancompress_event")
        def watch(self, event: object) -> None:
            seen.append(event)

        @hookimpl(optionalhook=True)
        def gancompress_of_tomorrow(self) -> list[object]:
            return []

    host = host_with(Newer())
    host.emit(EVENT)

    assert host.broken == ()
    assert seen == [EVENT]


def test_two_families_of_one_name_name_both_distributions(install: Install) -> None:
    install("first-gan", FAMILY.format(name="same"), version="1.1")
    install("other-gan", FAMILY.format(name="same"), version="2.2")

    with pytest.raises(
        PluginError, match=r"family 'same' is offered by 'first-gan 1.1' and by 'other-gan 2.2'"
    ) as caught:
        PluginHost.discover(report=quiet).families()

    assert "--no-plugin" in caught.value.hint
    assert "same" in PluginHost.discover(blocked=["first_gan"], report=quiet).families()


def test_two_plugins_of_one_name_live_side_by_side(install: Install) -> None:
    install("first-gan", FAMILY.format(name="one"), name="plug")
    install("other-gan", FAMILY.format(name="two"), name="plug")

    host = PluginHost.discover(report=quiet)
    assert {"one", "two"} <= host.families().keys()
    assert host.families_by_plugin()["plug"] in {("one", "two"), ("two", "one")}
    assert (
        not {"one", "two"} & PluginHost.discover(blocked=["plug"], report=quiet).families().keys()
    )


def test_one_plugin_cannot_be_registered_twice() -> None:
    twice = plugin(event=lambda event: None)
    host = host_with(twice, twice)

    assert len(host.distributions()) == 2
    assert "already registered" in reasons(host)["fake1"]
    host.emit(EVENT)


def test_entry_points_that_no_distribution_made_are_plugins_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    point = metadata.EntryPoint("loose", "no_such_module_anywhere", "gancompress")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point])

    (broken,) = PluginHost.discover(report=quiet).broken

    assert (broken.name, broken.distribution) == ("loose", "no_such_module_anywhere")


def test_blocked_plugins_are_not_even_imported(install: Install) -> None:
    install("bad-gan", "raise RuntimeError('imported')")

    assert "bad-gan" not in reasons(PluginHost.discover(blocked=["Bad.Gan"], report=quiet))
    with pytest.raises(PluginError, match="there is no plugin 'worse-gan'") as caught:
        PluginHost.discover(blocked=["worse-gan"], report=quiet)
    assert "bad-gan" in caught.value.hint


def test_a_file_is_a_plugin(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("NAME = 'mine'\n")
    path = tmp_path / "my_gan.py"
    path.write_text("from beside import NAME\n" + FAMILY.format(name="mine"))

    host = PluginHost.discover([path], report=quiet)

    assert host.families()["mine"].name == "mine"
    (info,) = (info for info in host.distributions() if info.name == "my_gan")
    assert (info.distribution, info.version, info.origin) == (str(path), "", str(path))


def test_a_file_that_fails_is_kept_apart_and_one_that_is_missing_is_an_error(
    tmp_path: Path,
) -> None:
    (tmp_path / "bad.py").write_text("1 / 0")

    host = PluginHost.discover([str(tmp_path / "bad.py")], report=quiet)

    assert reasons(host)["bad"] == "it cannot be imported: ZeroDivisionError: division by zero"
    with pytest.raises(PluginError, match=r"'.*none.py' does not exist"):
        PluginHost.discover([tmp_path / "none.py"], report=quiet)


def fail(*_args: object) -> list[object]:
    raise RuntimeError("no GPU\nand more lines")


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        (fail, "'gancompress_metrics' failed: RuntimeError: no GPU"),
        (lambda: 3, "TypeError: 'int' object is not iterable"),
        (lambda: [int], "TypeError: <class 'int'> is no gancompress.metrics.Metric"),
    ],
)
def test_a_hook_that_fails_is_reported_once_and_the_others_answer(
    returned: Callable[[], Any], reason: str
) -> None:
    host = host_with(plugin(metrics=returned, passes=nothing))

    for _ in range(2):
        assert "l1" in host.metrics()

    assert len(host.broken) == 1
    assert reason in reasons(host)["fake0"]
    assert host.broken[0].version == "0.0"
    assert "fake0" in {info.name for info in host.distributions()}


def test_generators_of_values_are_fine_and_plugins_come_before_the_core() -> None:
    from gancompress.passes import FoldReparametrisation

    class Mine(FoldReparametrisation):
        name = "mine"

    def offer() -> Any:
        yield Mine()

    names = [type(one).__name__ for one in host_with(plugin(passes=offer)).passes()]

    assert names == ["Mine", "FoldReparametrisation"]


def test_distillation_losses_come_by_name() -> None:
    from gancompress.distill import PictureLoss, core_losses

    class Mine(PictureLoss):
        name = "mine"

        def compare(self, output: Tensor, goal: Tensor) -> Tensor:
            return (output - goal).abs().mean()

    mine = Mine()
    core = {loss.name for loss in core_losses()}
    offered = host_with(plugin(distill_losses=lambda: [mine])).distill_losses()
    assert offered.keys() == {"mine", *core}
    assert offered["mine"] is mine
    # The core's own come through the same hook.
    assert PluginHost().distill_losses().keys() == core


def test_metrics_clash_as_families_do() -> None:
    from gancompress.metrics import PeakSignal

    host = host_with(plugin(metrics=lambda: [PeakSignal()]))

    with pytest.raises(PluginError, match=r"metric 'psnr' .* 'fake-dist0 0.0' and by 'gancompress"):
        host.metrics()


def test_an_observer_that_raises_is_reported_once_and_dropped() -> None:
    seen: list[Any] = []
    reported: list[BrokenPlugin] = []
    calls: list[object] = []

    def bad(event: object) -> None:
        calls.append(event)
        raise RuntimeError("tracker is down")

    def good(event: object) -> None:
        seen.append(event)

    host = PluginHost(report=reported.append)
    host.register(plugin(event=good, passes=nothing), PluginInfo("good", "good"))
    host.register(plugin(event=bad), PluginInfo("bad", "bad-dist", "1.0"))
    for _ in range(3):
        host.emit(EVENT)

    assert seen == [EVENT] * 3
    assert calls == [EVENT]
    (broken,) = reported
    assert str(broken) == (
        "plugin 'bad' of 'bad-dist 1.0' is broken: 'gancompress_event' failed: "
        "RuntimeError: tracker is down"
    )
    assert host.broken == tuple(reported)


def test_an_observer_that_wants_no_argument_is_called() -> None:
    seen: list[int] = []
    host_with(plugin(event=lambda: seen.append(1))).emit(EVENT)

    assert seen == [1]


def test_broken_plugins_are_logged_where_nobody_else_reports(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        assert not PluginHost().register(ModuleType("empty"), INFO)

    (message,) = caplog.messages
    assert message == (
        "plugin 'fake' of 'fake-dist 3.1' is broken: it implements no hook: "
        "mark its functions with @gancompress.hookimpl"
    )


def test_a_plugin_that_cannot_be_hashed_does_not_break_the_host() -> None:
    host = host_with(SimpleNamespace(gancompress_event=hookimpl(lambda event: None)))

    assert "unhashable" in reasons(host)["fake0"]
    host.emit(EVENT)


def test_plugins_resolve_before_the_core() -> None:
    mine = nn.ReLU()
    host = host_with(plugin(resolve_generator=lambda reference: mine if ":" in reference else None))

    assert host.resolve_generator("torch.nn:Tanh").module is mine
    with pytest.raises(ConfigError, match="generator 'hub' is not known"):
        host.resolve_generator("hub")


def test_a_resolver_that_fails_is_named_and_its_own_sentence_passes() -> None:
    with pytest.raises(PluginError, match=r"failed on generator 'x': RuntimeError: no GPU"):
        host_with(plugin(resolve_generator=fail)).resolve_generator("x")

    def sentence(reference: str) -> None:
        raise DataError(f"'{reference}' is not on the hub")

    with pytest.raises(DataError, match="'x' is not on the hub"):
        host_with(plugin(resolve_generator=sentence)).resolve_generator("x")


def test_hosts_do_not_share_plugins() -> None:
    first = host_with(plugin(event=lambda event: None))

    assert len(first.distributions()) == 2
    assert len(PluginHost().distributions()) == 1

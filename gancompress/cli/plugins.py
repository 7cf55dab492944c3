"""``gancompress plugins``."""

import typer

from gancompress.cli.context import Globals


def plugins(context: typer.Context) -> None:
    """List plugins: what they offer, and which are broken and why.

    Example: gancompress plugins
    """
    options: Globals = context.obj
    host = options.host()
    families = host.families_by_plugin()
    working = [
        {
            "name": info.name,
            "distribution": info.distribution,
            "version": info.version,
            "hooks": list(info.hooks),
            "families": list(families.get(info.name, ())),
        }
        for info in host.distributions()
    ]
    broken = [
        {"name": b.name, "distribution": b.distribution, "version": b.version, "reason": b.reason}
        for b in host.broken
    ]
    lines = [
        f"{item['name']} ({item['distribution']} {item['version']})".rstrip()
        + f"\n  families: {', '.join(item['families']) or 'none'}"
        + f"\n  hooks: {', '.join(item['hooks']) or 'none'}"
        for item in working
    ]
    lines += [str(b) for b in host.broken]
    options.show({"plugins": working, "broken": broken}, "\n".join(lines))

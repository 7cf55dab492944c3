"""The recipes that a plugin carries as files."""

from importlib import resources
from pathlib import Path

from gancompress.config import Recipe, parse, read_toml


def read_recipes(package: str) -> dict[str, Recipe]:
    """Read the TOML files in the folder ``recipes`` of a package.

    Args:
        package: Its name. The path of a recipe's teacher starts at the package.

    Returns:
        The recipes by the names of their files.

    Raises:
        ConfigError: If a file is no recipe.
    """
    root = Path(str(resources.files(package)))
    found = {}
    for path in sorted((root / "recipes").glob("*.toml")):
        values = read_toml(path)
        if "teacher" in values:
            values["teacher"] = str(root / values["teacher"])
        recipe: Recipe = parse(Recipe, values, source=path.name)
        found[path.stem] = recipe
    return found

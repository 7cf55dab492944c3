# The same commands that CI calls.
default:
    @just --list

test *ARGS:
    pytest {{ARGS}}

lint:
    ruff check . && ruff format --check . && mypy && lint-imports

format:
    ruff check --fix . && ruff format .

docs:
    sphinx-build -W -b html docs docs/_build

demo *ARGS:
    gancompress demo {{ARGS}}

ci:
    .ci/run

# The same commands that CI calls.
default:
    @just --list

test *ARGS:
    pytest {{ARGS}}

lint:
    ruff check . && ruff format --check . && mypy && lint-imports

format:
    ruff check --fix . && ruff format .

ci:
    .ci/run

"""All errors that the package raises on purpose.

    ContradictError
    ├── InputError                 a file or record is not what it should be (exit code 1)
    ├── ModelError                 a model folder cannot serve as an NLI model or embedder (exit code 1)
    ├── ConfigError                a setting is unknown or out of range (exit code 2)
    └── MissingDependencyError     an optional package is not installed (exit code 3)

Messages name files, lines, fields and statement ids. They never hold the text of a statement:
private statements may reach logs only through a report that the user asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["ConfigError", "ContradictError", "InputError", "MissingDependencyError", "ModelError", "Problem"]

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an input.

    Attributes:
        path: File as the user named it ("-" for standard input).
        line: Line (text formats) or row (tables) counted from 1; None for the whole file.
        field: Column concerned, if one is.
        message: What is wrong, what was expected and what to do.
    """

    path: str
    line: int | None
    field: str | None
    message: str

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{where}: {self.message}" if self.field is None else f"{where}: {self.field}: {self.message}"


class ContradictError(Exception):
    """Base of every error of this package."""

    exit_code = 1


class InputError(ContradictError):
    """Input that cannot be read.

    Attributes:
        problems: Everything found wrong, in the order of the file; the message shows the first ten.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        shown = [str(p) for p in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            shown.append(f"... and {len(self.problems) - _SHOWN} more ({len(self.problems)} problems in all)")
        super().__init__("\n".join(shown))


class ModelError(ContradictError):
    """A model that cannot be used, with the reason."""


class ConfigError(ContradictError):
    """A setting that is unknown, of the wrong type or out of range."""

    exit_code = 2


class MissingDependencyError(ContradictError, ImportError):
    """An optional package is missing.

    Attributes:
        package: The package that could not be imported.
        extra: The extra of this distribution that brings it.
    """

    exit_code = 3

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package = package
        self.extra = extra
        self.purpose = purpose
        super().__init__(f"{purpose} needs {package}, which is not installed. Install it with: pip install 'contradict-nli[{extra}]'")

    def __reduce__(self) -> tuple[type[MissingDependencyError], tuple[str, str, str]]:
        return type(self), (self.package, self.extra, self.purpose)  # workers hand their errors over

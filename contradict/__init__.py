"""Find where an actor's statements contradict each other, above all in private and in public.

    import contradict as ct

    report = ct.scan("article.txt", date="2023-12-23")
    for finding in report.findings:
        print(finding.verdict, finding.probability, finding.a.text, finding.b.text)

The modules follow the way of the data: readers, extraction, actors, pairing, embedding, scoring,
verdicts, reports; `Detector` composes them. Importing this package loads neither torch nor
transformers; names are resolved on first use.
"""

from __future__ import annotations

import importlib
from importlib import metadata
from typing import TYPE_CHECKING, Any

DISTRIBUTION = "contradict-nli"

# Other distributions that install an import package of this name: whichever was installed last has
# overwritten files of the other, so neither can be trusted.
for _other in ("contradict", "contradict-text"):
    try:
        metadata.distribution(_other)
    except metadata.PackageNotFoundError:
        continue
    raise ImportError(
        f"the distribution {_other!r} is installed and has an import package 'contradict' too; "
        f"run: pip uninstall {_other} && pip install --force-reinstall --no-deps {DISTRIBUTION}"
    )
try:
    __version__ = metadata.version(DISTRIBUTION)
except metadata.PackageNotFoundError:  # a source tree on the path, not installed
    __version__ = "0.0.0"

if TYPE_CHECKING:
    from contradict.actors import read_aliases, resolve_actors
    from contradict.backends import load_embedder, load_model
    from contradict.calibration import Calibrator
    from contradict.detector import Config, Detector, scan
    from contradict.errors import ConfigError, ContradictError, InputError, MissingDependencyError, ModelError
    from contradict.evaluation import Evaluation, evaluate
    from contradict.extraction import extract_statements
    from contradict.ledger import Ledger
    from contradict.pairing import RULES, Rule, candidate_pairs, count_pairs, largest_blocks
    from contradict.readers import read_articles, read_labelled_pairs, read_pairs, read_reviews, read_statements
    from contradict.reports import Report
    from contradict.schema import Article, CandidatePairs, DateRange, Finding, LabelledPair, Review, Scores, Statement
    from contradict.scoring import score_pairs

_HOME = {
    "actors": ("read_aliases", "resolve_actors"),
    "backends": ("load_embedder", "load_model"),
    "calibration": ("Calibrator",),
    "detector": ("Config", "Detector", "scan"),
    "errors": ("ConfigError", "ContradictError", "InputError", "MissingDependencyError", "ModelError"),
    "evaluation": ("Evaluation", "evaluate"),
    "extraction": ("extract_statements",),
    "ledger": ("Ledger",),
    "pairing": ("RULES", "Rule", "candidate_pairs", "count_pairs", "largest_blocks"),
    "readers": ("read_articles", "read_labelled_pairs", "read_pairs", "read_reviews", "read_statements"),
    "reports": ("Report",),
    "schema": ("Article", "CandidatePairs", "DateRange", "Finding", "LabelledPair", "Review", "Scores", "Statement"),
    "scoring": ("score_pairs",),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "RULES",
    "Article",
    "Calibrator",
    "CandidatePairs",
    "Config",
    "ConfigError",
    "ContradictError",
    "DateRange",
    "Detector",
    "Evaluation",
    "Finding",
    "InputError",
    "LabelledPair",
    "Ledger",
    "MissingDependencyError",
    "ModelError",
    "Report",
    "Review",
    "Rule",
    "Scores",
    "Statement",
    "candidate_pairs",
    "count_pairs",
    "evaluate",
    "extract_statements",
    "largest_blocks",
    "load_embedder",
    "load_model",
    "read_aliases",
    "read_articles",
    "read_labelled_pairs",
    "read_pairs",
    "read_reviews",
    "read_statements",
    "resolve_actors",
    "scan",
    "score_pairs",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use."""
    if name not in _MODULE:
        raise AttributeError(f"module 'contradict' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"contradict.{_MODULE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

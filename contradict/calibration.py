"""Raw conflict scores -> calibrated probabilities, and the threshold that flags.

The calibrator is a logistic curve over the logit of the raw score (Platt, "Probabilistic outputs for
support vector machines", 1999), which contains temperature scaling as the case without intercept. It
lies as calibration.json beside the weights it belongs to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from contradict.errors import ConfigError, InputError, ModelError, Problem
from contradict.evaluation import BASE_RATES, conflicts, groups, operating_point
from contradict.schema import LabelledPair, Scores

if TYPE_CHECKING:
    from contradict.backends import CrossEncoder

__all__ = ["FALSE_ALARMS", "Calibrator", "Refit", "calibrate", "cross_fit", "refit"]

FALSE_ALARMS = 0.05
"""Largest share of pairs without conflict that a threshold may flag, if nothing else is said."""

FalseAlarms = float | Mapping[str, float]
"""Largest share of the pairs without conflict that may be flagged, or one for the pairs of each label that is named."""

_Floats = npt.NDArray[np.float64]
_Bools = npt.NDArray[np.bool_]
_EPSILON = 1e-6
_FOLDS = 5  # parts of the labelled pairs, each judged by a calibrator fitted on the others
_FEWEST = 10  # pairs of each kind below which nothing can be fitted


def _logit(p: npt.ArrayLike) -> _Floats:
    q = np.clip(np.asarray(p, dtype=np.float64), _EPSILON, 1 - _EPSILON)
    out: _Floats = np.log(q) - np.log1p(-q)
    return out


def _sigmoid(z: _Floats) -> _Floats:
    out: _Floats = np.exp(-np.logaddexp(0, -z))
    return out


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Calibrated probability = sigmoid(slope * logit(raw) + intercept).

    Attributes:
        slope: Slope of the curve; the identity has 1.
        intercept: Its intercept; the identity has 0.
        threshold: Probability from which a pair is flagged.
        fitted: What it was fitted on and what it reached; empty for the identity.
    """

    slope: float = 1.0
    intercept: float = 0.0
    threshold: float = 0.5
    fitted: dict[str, Any] = field(default_factory=dict)

    def probability(self, raw: npt.ArrayLike) -> _Floats:
        """f64[n] probabilities of raw conflict scores f[n] in [0, 1]."""
        return _sigmoid(self.slope * _logit(raw) + self.intercept)

    def level(self, probability: float) -> float:
        """The raw conflict score from which on pairs have at least a probability; 0 where any score may reach it."""
        if self.slope <= 0 or probability <= _EPSILON:  # a curve that falls has no such score
            return 0.0
        return float(_sigmoid((_logit(probability) - self.intercept) / self.slope))

    @classmethod
    def fit(cls, raw: npt.ArrayLike, conflict: npt.ArrayLike, *, weight: npt.ArrayLike | None = None) -> Calibrator:
        """Fit slope and intercept by maximum likelihood with Platt's smoothed targets.

        Args:
            raw: f[n], raw conflict scores in [0, 1].
            conflict: bool[n], whether the pair is a conflict.
            weight: f[n], weight of each pair; None for equal weights.

        Raises:
            ValueError: One of the two classes is missing.
        """
        x = _logit(raw)
        y = np.asarray(conflict, dtype=bool)
        w = np.ones(len(x)) if weight is None else np.asarray(weight, dtype=np.float64)
        positive, negative = w[y].sum(), w[~y].sum()
        if not positive or not negative:
            raise ValueError(f"calibration needs both classes; got {int(y.sum())} conflicts among {len(y)} pairs")
        target = np.where(y, (positive + 1) / (positive + 2), 1 / (negative + 2))
        design = np.stack([x, np.ones_like(x)], axis=1)

        def loss(beta: _Floats) -> float:
            z = design @ beta
            return float(w @ (np.logaddexp(0, z) - target * z))

        beta = np.array([1.0, 0.0])
        for _ in range(100):
            p = _sigmoid(design @ beta)
            gradient = design.T @ (w * (p - target))
            hessian = (design * (w * p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(2)
            step = np.linalg.solve(hessian, gradient)
            # A whole Newton step can overshoot where the curve is flat: halve it until the loss falls.
            while loss(beta - step) > loss(beta) and np.abs(step).max() > 1e-9:
                step /= 2
            beta -= step
            if np.abs(step).max() < 1e-9:
                break
        return cls(float(beta[0]), float(beta[1]))

    def threshold_for(self, raw: npt.ArrayLike, share: float) -> float:
        """The lowest probability, rounded up to four digits, from which at most `share` of these pairs are flagged.

        Args:
            raw: f[n], raw conflict scores of pairs that should not be flagged.
            share: Largest share of them that may be.
        """
        probability = np.sort(self.probability(raw))[::-1]
        allowed = int(share * len(probability))
        if allowed >= len(probability):
            return 0.0
        return min(1.0, float(np.floor(probability[allowed] * 1e4) + 1) / 1e4)

    def to_json(self) -> str:
        """The text of a calibration.json."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    def save(self, folder: Path) -> None:
        """Write calibration.json into a model folder."""
        (folder / "calibration.json").write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path | None) -> Calibrator:
        """The calibrator of a model folder; the identity with threshold 0.5 where there is none.

        Raises:
            ModelError: calibration.json is broken.
        """
        path = None if folder is None else folder / "calibration.json"
        return cls() if path is None or not path.is_file() else cls.read(path)

    @classmethod
    def of(cls, model: CrossEncoder, path: str | None) -> Calibrator:
        """The calibrator of a file that `contradict calibrate` made, or the model's own without one.

        Raises:
            ConfigError: There is no such file, or it was fitted to other weights.
            ModelError: The file is broken.
        """
        if path is None:
            return cls.load(model.folder)
        if not Path(path).is_file():
            raise ConfigError(f"calibration {path}: no such file; make it with contradict calibrate")
        calibrator = cls.read(Path(path))
        if calibrator.fitted.get("model_sha256", model.fingerprint) != model.fingerprint:
            raise ConfigError(f"calibration {path}: was fitted to other weights than those of {model.name}; run contradict calibrate again")
        return calibrator

    @classmethod
    def read(cls, path: Path) -> Calibrator:
        """The calibrator of a calibration.json.

        Raises:
            ModelError: The file is broken.
        """
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            return cls(float(record["slope"]), float(record["intercept"]), float(record["threshold"]), dict(record.get("fitted", {})))
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path}: is no calibration ({error}); expected slope, intercept and threshold") from error


def calibrate(pairs: Sequence[LabelledPair], scores: Scores, *, false_alarms: FalseAlarms = FALSE_ALARMS) -> Calibrator:
    """Fit a calibrator and its threshold to all pairs whose label says conflict or none.

    The threshold is the lowest that keeps `false_alarms`: false alarms decide, not the F1.

    Args:
        pairs: n labelled pairs.
        scores: What the model says of them, in the same order.
        false_alarms: Largest share of pairs without conflict that may be flagged, by label or over all.

    Raises:
        InputError: There are no pairs, or labels are unknown.
        ValueError: There are no conflicts, or only conflicts.
    """
    gold = conflicts(pairs)
    known = gold >= 0
    conflict, raw = gold[known] == 1, scores.conflict()[known].astype(np.float64)
    label = np.array([pair.label for pair in pairs])[known]
    calibrator = Calibrator.fit(raw, conflict)
    threshold = _threshold(calibrator, raw, _limits(label, conflict, false_alarms))
    flagged = calibrator.probability(raw) >= threshold
    about = {
        "on": f"{len(raw):,} pairs, {int(conflict.sum()):,} of them conflicts",
        "rule": _rule(false_alarms),
        "flagged": {name: round(float(flagged[label == name].mean()), 4) for name in sorted(set(label.tolist()))},
    }
    return Calibrator(calibrator.slope, calibrator.intercept, threshold, about)


def _rule(false_alarms: FalseAlarms) -> str:
    if isinstance(false_alarms, Mapping):
        return f"at most {' and '.join(f'{100 * share:g}% of the {label} pairs' for label, share in false_alarms.items())} flagged"
    return f"at most {100 * false_alarms:g}% of the pairs without conflict flagged"


_Limits = Sequence[tuple[_Bools, float]]
"""Which pairs (bool[n]), and the largest share of them that may be flagged."""


def _limits(label: npt.NDArray[np.str_], conflict: _Bools, false_alarms: FalseAlarms) -> _Limits:
    if isinstance(false_alarms, Mapping):
        return [(label == name, share) for name, share in false_alarms.items()]
    return [(~conflict, false_alarms)]


def _threshold(calibrator: Calibrator, raw: _Floats, limits: _Limits) -> float:
    """The lowest threshold that keeps all limits."""
    return max(calibrator.threshold_for(raw[rows], share) for rows, share in limits)


def cross_fit(raw: npt.ArrayLike, conflict: npt.ArrayLike, fold: npt.ArrayLike, *, limits: _Limits | None = None) -> tuple[_Floats, _Bools]:
    """What calibrators say of pairs that they were not fitted on: honest figures without a second set of pairs.

    Args:
        raw: f[n], raw conflict scores in [0, 1].
        conflict: bool[n], whether the pair is a conflict.
        fold: i[n]; the pairs of each fold are judged by a calibrator that was fitted on all the others.
        limits: bool[n] which pairs, and the largest share of these among the others that may be flagged; None for
            `FALSE_ALARMS` of all without conflict.

    Returns:
        f64[n] probabilities and bool[n] whether each pair reaches its calibrator's threshold.

    Raises:
        ValueError: One of the two classes is missing outside some fold.
    """
    x, y, folds = np.asarray(raw, dtype=np.float64), np.asarray(conflict, dtype=bool), np.asarray(fold)
    limits = [(~y, FALSE_ALARMS)] if limits is None else limits
    probability, flagged = np.zeros(len(x)), np.zeros(len(x), dtype=bool)
    for number in np.unique(folds):
        held, others = folds == number, folds != number
        calibrator = Calibrator.fit(x[others], y[others])
        probability[held] = calibrator.probability(x[held])
        flagged[held] = probability[held] >= _threshold(calibrator, x[others], [(rows[others], share) for rows, share in limits])
    return probability, flagged


@dataclass(frozen=True, slots=True)
class Refit:
    """A calibrator fitted to labelled pairs, and what it changes.

    Attributes:
        calibrator: The new calibrator, fitted on all pairs whose label says conflict or none.
        own: The calibrator that the model came with.
        before: Figures of `evaluation.operating_point` at the threshold of `own`.
        after: The same for new calibrators, each pair judged by one that was fitted without it.
        left_out: Pairs whose label leaves open whether they are a conflict.
    """

    calibrator: Calibrator
    own: Calibrator
    before: Mapping[str, float]
    after: Mapping[str, float]
    left_out: int

    def table(self) -> str:
        """Everything as plain text for people; "-" is undefined."""
        width = max(map(len, self.after))
        lines = [
            self.calibrator.fitted["on"] + (f"; {self.left_out:,} of unknown kind left out" if self.left_out else ""),
            f"threshold {self.own.threshold:.4f} before, {self.calibrator.threshold:.4f} after; "
            "figures after are of pairs left out of the fit",
            "",
            f"{'':{width}}  before   after",
        ]
        for name, value in self.after.items():
            shown = ["-" if np.isnan(v) else f"{v:.3f}" for v in (self.before[name], value)]
            lines.append(f"{name:{width}}  {shown[0]:>6}  {shown[1]:>6}")
        return "\n".join(lines)


def refit(
    pairs: Sequence[LabelledPair],
    scores: Scores,
    model: CrossEncoder,
    *,
    false_alarms: FalseAlarms = FALSE_ALARMS,
    base_rates: Sequence[float] = BASE_RATES,
    group: str | None = None,
) -> Refit:
    """Fit a model's calibration anew to labelled pairs; the weights stay as they are.

    Args:
        pairs: n labelled pairs.
        scores: What the model says of them, in the same order.
        model: The model.
        false_alarms: Largest share of pairs without conflict that the threshold may flag, by label or over all.
        base_rates: Shares of conflicts among scored pairs to give figures for.
        group: Column of `extra` whose groups are judged together; None keeps pairs with one premise together.

    Raises:
        ConfigError: A share is not between 0 and 1.
        InputError: There are too few pairs of one kind.
    """
    shares = false_alarms if isinstance(false_alarms, Mapping) else {"": false_alarms}
    named = [*((f"false_alarms {label}".strip(), share) for label, share in shares.items()), *(("base_rate", rate) for rate in base_rates)]
    for name, value in named:
        if not 0 < value < 1:
            raise ConfigError(f"{name} is {value:g}; expected a share between 0 and 1")
    gold = conflicts(pairs)
    label = np.array([pair.label for pair in pairs])
    for name in shares:
        if name and not (label[gold == 0] == name).any():
            raise ConfigError(f"false_alarms names {name!r}; no pair without conflict has this label")
    known = gold >= 0
    conflict, raw = gold[known] == 1, scores.conflict()[known].astype(np.float64)
    told = [pair for pair, k in zip(pairs, known.tolist(), strict=True) if k]
    fold = groups(told, group) % _FOLDS if told else np.empty(0, dtype=np.int64)
    for kind, rows in (("conflicts", conflict), ("pairs without conflict", ~conflict)):
        if rows.sum() < _FEWEST or not all((rows & (fold != number)).any() for number in range(_FOLDS)):
            message = f"there are too few {kind} to calibrate on, or all are in one group; at least {_FEWEST} in several groups are needed"
            raise InputError([Problem("labelled pairs", None, "label", message)])
    own = Calibrator.load(model.folder)
    before = operating_point(conflict, own.probability(raw) >= own.threshold, base_rates)
    limits = _limits(label[known], conflict, false_alarms)
    after = operating_point(conflict, cross_fit(raw, conflict, fold, limits=limits)[1], base_rates)
    calibrator = calibrate(pairs, scores, false_alarms=false_alarms)
    about = {
        "model_sha256": model.fingerprint,
        "figures": {name: None if np.isnan(value) else round(value, 4) for name, value in after.items()},
    }
    return Refit(replace(calibrator, fitted=calibrator.fitted | about), own, before, after, int((~known).sum()))

"""What `ocppj check` counts: frames by action and file, violations by station model and rule.

Owns the counts and their bounds; knows nothing of how they are shown.
"""

import re
from collections import defaultdict
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from ocppj.cli.replay import NO_ACTION, UNKNOWN_ACTION, UNKNOWN_CALL, Counts
from ocppj.cli.terminal import inline_json, shortened
from ocppj.policy import Policy, Violation

__all__ = ["Tally", "Violations"]

NO_ACTIONS: Final = (NO_ACTION, UNKNOWN_ACTION, UNKNOWN_CALL)

MAX_MODELS: Final = 100
"""Maximum number of station models counted separately; further ones count as `OTHER_MODELS`."""

OTHER_MODELS: Final = "(other models)"
MAX_EXAMPLES: Final = 5
"""Maximum number of examples for a station model and rule."""

MAX_TEXT: Final = 60
"""Maximum length of a path or value in an example."""

_INDEX: Final = re.compile(r"\[\d+\]")


@dataclass(slots=True)
class _Cell:
    """Violations of one rule by one station model, examples by action and path without indices."""

    count: int = 0
    examples: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)


class Violations:
    """The violations that the policy reports, by station model and rule."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._models: dict[str, dict[str, _Cell]] = {}
        self._frames = 0

    def add(
        self, file: str, line: int, action: str, model: str, violations: tuple[Violation, ...]
    ) -> bool:
        """Count the violations of a frame, and return whether the policy reports any."""
        reported = [v for v in violations if getattr(self._policy, v.rule) == "report"]
        if not reported:
            return False
        self._frames += 1
        if model not in self._models and len(self._models) >= MAX_MODELS:
            model = OTHER_MODELS
        rules = self._models.setdefault(model, {})
        for violation in reported:
            cell = rules.setdefault(violation.rule, _Cell())
            cell.count += 1
            if len(cell.examples) < MAX_EXAMPLES:
                path = shortened(violation.path, MAX_TEXT)
                place = action, _INDEX.sub("[]", path)
                if place not in cell.examples:
                    absent = violation.rule == "missing"
                    value = None if absent else shortened(inline_json(violation.value), MAX_TEXT)
                    example = {"file": file, "line": line, "action": action}
                    cell.examples[place] = example | {"path": path, "value": value}
        return True

    def summary(self) -> dict[str, Any]:
        """Return the counts for JSON, the most frequent rule of a model first."""
        models = {
            model: {
                rule: {"count": cell.count, "examples": list(cell.examples.values())}
                for rule, cell in sorted(rules.items(), key=lambda item: (-item[1].count, item[0]))
            }
            for model, rules in sorted(self._models.items())
        }
        total = sum(cell.count for rules in self._models.values() for cell in rules.values())
        return {"frames": self._frames, "count": total, "models": models}


class Tally:
    """The counts of all logs of a run.

    Args:
        policy: tells which violations are reported.

    Attributes:
        actions: counts by action, or by a category in `NO_ACTIONS`.
        violations: tolerated violations.
        files: an entry for each log that was read.
        unreadable: an entry for each log that could not be read to its end.
        refused: number of refused frames.
        refused_calls: number of refused frames that are a CALL or SEND.
        seconds: time spent on checking.
    """

    def __init__(self, policy: Policy) -> None:
        self.actions: defaultdict[str, Counts] = defaultdict(Counts)
        self.violations = Violations(policy)
        self.files: list[dict[str, Any]] = []
        self.unreadable: list[dict[str, str]] = []
        self.refused = self.refused_calls = 0
        self.seconds = 0.0

    @property
    def frames(self) -> int:
        """Number of frames."""
        return sum(int(file["frames"]) for file in self.files)

    def summary(self) -> dict[str, Any]:
        """Return the counts for JSON."""
        unknown = self.actions.get(UNKNOWN_CALL, Counts())
        order = sorted(self.actions, key=lambda action: (action in NO_ACTIONS, action))
        rows = {action: asdict(self.actions[action]) for action in order}
        sums = {f.name: sum(row[f.name] for row in rows.values()) for f in fields(Counts)}
        return {
            "files": self.files,
            "actions": rows,
            "totals": {
                "frames": self.frames,
                **sums,
                "unknown_calls": unknown.results + unknown.errors,
                "skipped_lines": sum(file["skipped_lines"] for file in self.files),
                "bytes": sum(file["bytes"] for file in self.files),
                "seconds": round(self.seconds, 6),
                "frames_per_second": round(self.frames / max(self.seconds, 1e-9)),
            },
            "violations": self.violations.summary(),
            "unreadable": self.unreadable,
        }

"""What an evaluation tells: the output, and how every decision on the way came about.

Values are JSON values, as the gateway's EvaluateDecisionResponse carries them in its texts.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs


@attrs.frozen
class EvaluatedInput:
    """An input's value: its name is its label, or else its expression."""

    input_id: str
    input_name: str
    input_value: object


@attrs.frozen
class EvaluatedOutput:
    """A matched rule's value for an output: its name is its label, or else its name."""

    output_id: str
    output_name: str
    output_value: object


@attrs.frozen
class MatchedRule:
    """A rule that held; rules are counted from 1."""

    rule_id: str
    rule_index: int
    evaluated_outputs: Sequence[EvaluatedOutput]


@attrs.frozen
class EvaluatedDecision:
    """A decision, or a business knowledge model that was invoked, and its output.

    Args:
        decision_type: `DECISION_TABLE`, `LITERAL_EXPRESSION`, `CONTEXT`, `INVOCATION`, `LIST` or
            `RELATION`.
        decision_output: null when the decision failed.
    """

    decision_id: str
    decision_name: str
    decision_type: str
    decision_output: object
    evaluated_inputs: Sequence[EvaluatedInput] = ()
    matched_rules: Sequence[MatchedRule] = ()


@attrs.frozen
class DecisionResult:
    """The answer to one evaluation.

    Args:
        output: the decision's output; null when it failed.
        evaluated_decisions: in the order in which they were done, required ones first.
        failed_decision_id: empty when nothing failed.
        failure_message: Zeebe's text; empty when nothing failed.
    """

    output: object
    evaluated_decisions: Sequence[EvaluatedDecision]
    failed_decision_id: str = ""
    failure_message: str = ""

    @property
    def failed(self) -> bool:
        """Whether there is no output because an evaluation failed."""
        return self.failure_message != ""

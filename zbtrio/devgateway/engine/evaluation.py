"""Expressions with the type that their place demands, and Zeebe's words when it is another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeAlias, TypeVar

import attrs

from zbtrio.devgateway import feel

from .model.elements import Source, TimerDefinition
from .times import Cycle, Interval, parse_date_time, to_millis

Variables: TypeAlias = Mapping[str, object]
_T = TypeVar("_T")
_ONCE = Cycle(1, Interval(0, timedelta()))


class EvaluationError(Exception):
    """An expression failed or has the wrong type; the text is the one of Zeebe's incident."""


@attrs.frozen
class Evaluator:
    """Evaluates expressions on a clock.

    Args:
        now: the time, with zone, for FEEL's `now()`.
    """

    now: Callable[[], datetime]

    def value(self, source: Source, variables: Variables) -> object:
        """The result as a JSON value."""
        return feel.to_json_value(self._result(source, variables).value)

    def string(self, source: Source, variables: Variables) -> str:
        """A text."""
        result = self._result(source, variables)
        if isinstance(result.value, str):
            return result.value
        raise _wrong_type(source, result, "STRING")

    def number(self, source: Source, variables: Variables) -> int:
        """A whole number; what stands behind the point is cut off."""
        result = self._result(source, variables)
        if isinstance(result.value, Decimal):
            return int(result.value)
        raise _wrong_type(source, result, "NUMBER")

    def boolean(self, source: Source, variables: Variables) -> bool:
        """True or false."""
        result = self._result(source, variables)
        if isinstance(result.value, bool):
            return result.value
        raise _wrong_type(source, result, "BOOLEAN")

    def array(self, source: Source, variables: Variables) -> list[object]:
        """A list, as JSON values."""
        result = self._result(source, variables)
        if isinstance(result.value, list):
            return [feel.to_json_value(item) for item in result.value]
        raise _wrong_type(source, result, "ARRAY")

    def strings(self, source: Source, variables: Variables) -> list[str]:
        """A list of texts; a text stands for those between its commas."""
        if isinstance(source, feel.Static):
            return [part.strip() for part in source.text.split(",")]
        items = self.array(source, variables)
        texts = [item for item in items if isinstance(item, str)]
        if len(texts) == len(items):
            return texts
        raise EvaluationError(
            f"Expected result of the expression '{source.text}' to be 'ARRAY' containing 'STRING'"
            " items, but was 'ARRAY' containing at least one non-'STRING' item."
        )

    def correlation_key(self, source: Source, variables: Variables) -> str:
        """A text, or a number without what stands behind its point."""
        result = self._result(source, variables)
        if isinstance(result.value, str):
            return result.value
        if isinstance(result.value, Decimal):
            return str(int(result.value))
        text = f"Failed to extract the correlation key for '{source.text}'"
        wrong = f"must be either a string or a number, but was '{feel.result_type(result.value)}'."
        raise EvaluationError(result.with_warnings(f"{text}: The value {wrong}"))

    def date_text(self, source: Source, variables: Variables) -> str | None:
        """A date and time with zone as Java writes it, or nothing."""
        value = self._result(source, variables).value
        if value is None or value == "":
            return None
        if isinstance(value, str):
            value = self._parse(parse_date_time, value, source, "date-time")
        if isinstance(value, datetime):
            return str(feel.to_json_value(value))
        raise _wrong_type(source, feel.Result(value, []), "DATE_TIME", "STRING")

    def timer(self, timer: TimerDefinition, variables: Variables, now: int) -> tuple[int, Cycle]:
        """When a timer is due first, and how it goes on."""
        if timer.kind == "timeDuration":
            return self._interval(timer.source, variables).after(now), _ONCE
        if timer.kind == "timeDate":
            return self._date(timer.source, variables), _ONCE
        try:
            cycle = Cycle.parse(self.string(timer.source, variables))
        except ValueError as error:
            raise EvaluationError(str(error)) from None
        return cycle.first_due(now), cycle

    def _interval(self, source: Source, variables: Variables) -> Interval:
        result = self._result(source, variables)
        if isinstance(result.value, timedelta):
            return Interval(0, result.value)
        if isinstance(result.value, feel.YearsMonths):
            return Interval(result.value.months, timedelta())
        if isinstance(result.value, str):
            return self._parse(Interval.parse, result.value, source, "duration")
        raise _wrong_type(source, result, "DURATION", "PERIOD", "STRING")

    def _date(self, source: Source, variables: Variables) -> int:
        result = self._result(source, variables)
        if isinstance(result.value, datetime):
            return to_millis(self._with_zone(result.value))
        if isinstance(result.value, str):
            return to_millis(self._parse(parse_date_time, result.value, source, "date-time"))
        raise _wrong_type(source, result, "DATE_TIME", "STRING")

    def _with_zone(self, moment: datetime) -> datetime:
        return moment if moment.tzinfo else moment.replace(tzinfo=self.now().tzinfo)

    def _parse(self, parse: Callable[[str], _T], text: str, source: Source, kind: str) -> _T:
        try:
            return parse(text)
        except (ValueError, OverflowError):
            wrong = f"Invalid {kind} format '{text}' for expression '{source.text}'."
            raise EvaluationError(wrong) from None

    def _result(self, source: Source, variables: Variables) -> feel.Result:
        result = source.evaluate(variables, now=self.now)
        if result.failure is not None:
            raise EvaluationError(result.with_warnings(result.failure))
        return result


def _wrong_type(source: Source, result: feel.Result, *wanted: str) -> EvaluationError:
    needed = f"'{wanted[0]}'" if len(wanted) == 1 else f"one of '[{', '.join(wanted)}]'"
    text = f"Expected result of the expression '{source.text}' to be {needed}"
    found = feel.result_type(result.value)
    return EvaluationError(result.with_warnings(f"{text}, but was '{found}'."))

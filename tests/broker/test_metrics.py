"""Reading Prometheus's text format."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zbtrio.broker import BrokerError, Metrics, Sample, parse_metrics, read_metrics

TEXT = """\
# HELP zeebe_log_appender_record_appended_total Count of records
# TYPE zeebe_log_appender_record_appended_total counter
zeebe_log_appender_record_appended_total{partition="1",valueType="JOB",} 5.0
zeebe_log_appender_record_appended_total{partition="2",valueType="JOB"} 2
zeebe_log_appender_record_appended_total{partition="1",valueType="TIMER"} 1e1 1700000000000

process_cpu_time_ns_total 1.379E10
jvm_gc_max NaN
histogram_bucket{le="+Inf"} +Inf
"""


def test_totals_are_over_the_labels_that_are_not_named() -> None:
    metrics = parse_metrics(TEXT)
    name = "zeebe_log_appender_record_appended_total"
    assert metrics.total(name) == 17
    assert metrics.total(name, valueType="JOB") == 7
    assert metrics.total(name, valueType="JOB", partition="2") == 2
    assert metrics.total(name, valueType="MESSAGE") == 0
    assert metrics.total("process_cpu_time_ns_total") == 1.379e10
    assert metrics.total("nothing") == 0
    assert "nothing" not in metrics
    assert name in metrics
    assert math.isnan(metrics.samples("jvm_gc_max")[0].value)
    assert metrics.samples("histogram_bucket")[0].value == math.inf


@pytest.mark.parametrize(
    "line",
    ["what?", "name{a=1} 2", "name{", "name one", 'name{a="b} 1', 'name{a="b"c="d"} 1', "1 2"],
)
def test_another_format_is_refused(line: str) -> None:
    with pytest.raises(BrokerError, match="text format"):
        parse_metrics(f"fine 1\n{line}\n")


def written(sample: Sample) -> str:
    escaped = {
        name: value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        for name, value in sample.labels.items()
    }
    labels = ",".join(f'{name}="{value}"' for name, value in escaped.items())
    return f"{sample.name}{{{labels}}} {sample.value!r}\n"


_NAMES = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,9}", fullmatch=True)
_SAMPLES = st.builds(
    Sample,
    name=_NAMES,
    labels=st.dictionaries(_NAMES, st.text(), max_size=4),
    value=st.floats(allow_nan=False),
)


@given(st.lists(_SAMPLES, max_size=5))
def test_what_is_written_is_read(samples: list[Sample]) -> None:
    metrics = parse_metrics("".join(map(written, samples)))
    expected = Metrics(samples)
    for sample in samples:
        assert metrics.samples(sample.name) == expected.samples(sample.name)


async def test_no_endpoint_is_named() -> None:
    with pytest.raises(BrokerError, match=r"No metrics from http://127\.0\.0\.1:1/actuator"):
        await read_metrics("http://127.0.0.1:1")

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zbtrio import camel_case
from zbtrio.worker.names import python_name, variable_name


@pytest.mark.parametrize(
    ("python", "variable"),
    [
        ("order_id", "orderId"),
        ("paid", "paid"),
        ("a_b_c", "aBC"),
        ("line_2_total", "line2Total"),
        ("double__underscore", "doubleUnderscore"),
    ],
)
def test_python_names_become_camel_case(python: str, variable: str) -> None:
    assert camel_case(python) == variable


@pytest.mark.parametrize("name", ["orderId", "_private", "ORDER_ID", "order-id", "Order", ""])
def test_other_names_stay(name: str) -> None:
    assert camel_case(name) == name


@pytest.mark.parametrize(
    ("variable", "python"),
    [
        ("orderId", "order_id"),
        ("paid", "paid"),
        ("orderID", "order_id"),
        ("httpURLPath", "http_url_path"),
        ("order-id", "order-id"),
        ("OrderId", "OrderId"),
    ],
)
def test_variables_get_python_names(variable: str, python: str) -> None:
    assert python_name(camel_case, variable) == python


@given(st.from_regex(r"[a-z]{2,5}(_[a-z]{2,5}){0,3}", fullmatch=True))
def test_both_ways_is_the_same_name(name: str) -> None:
    assert python_name(camel_case, camel_case(name)) == name


@given(st.text())
def test_a_variable_name_is_left_alone_when_it_comes_back(name: str) -> None:
    assert camel_case(camel_case(name)) == camel_case(name)


def test_a_plain_function_is_used_one_way() -> None:
    assert variable_name(str.upper, "a") == "A"
    assert python_name(str.upper, "A") == "A"
    assert variable_name(None, "a_b") == "a_b"

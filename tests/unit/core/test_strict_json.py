from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keyturn.core.strict_json import NotStrictJson, parse, strings

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**19), 10**19)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


def read(data: bytes, max_depth: int = 8, max_members: int = 64) -> object:
    return parse(data, max_depth=max_depth, max_members=max_members)


@given(VALUES, st.booleans())
def test_what_the_standard_library_writes_is_read_back(value: object, ascii_only: bool) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert read(data, max_depth=100, max_members=1000) == value


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"\xef\xbb\xbf{}")
@example(b'"\\')
def test_any_bytes_are_read_or_refused_and_nothing_else_happens(data: bytes) -> None:
    try:
        value = read(data)
    except NotStrictJson:
        return
    assert json.loads(data) == value


@given(st.text('{}[],:"\\u0d8 ', max_size=60))
def test_text_made_of_signs_is_read_or_refused_and_nothing_else_happens(text: str) -> None:
    try:
        value = read(text.encode(), max_depth=3, max_members=5)
    except NotStrictJson:
        return
    assert json.loads(text) == value


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is not JSON in UTF-8"),
        (b"{", "it is not JSON in UTF-8"),
        (b"{} {}", "it is not JSON in UTF-8"),
        (b"\xef\xbb\xbf{}", "it is not JSON in UTF-8"),
        ('{"a":1}'.encode("utf-16"), "it is not JSON in UTF-8"),
        ('{"a":1}'.encode("utf-16-le"), "it is not JSON in UTF-8"),
        ('{"a":1}'.encode("utf-32"), "it is not JSON in UTF-8"),
        (b'"\xff"', "it is not JSON in UTF-8"),
        (b'"\xed\xa0\x80"', "it is not JSON in UTF-8"),
        (b'"\xc0\x80"', "it is not JSON in UTF-8"),
        (b'"a\nb"', "it is not JSON in UTF-8"),
        (b"{'a':1}", "it is not JSON in UTF-8"),
        (b"01", "it is not JSON in UTF-8"),
        (b'{"a":1,"a":1}', "two members have one name"),
        (b'[{"b":{"a":1,"\\u0061":2}}]', "two members have one name"),
        (b'"\\ud800"', "a string holds half a surrogate pair"),
        (b'{"\\udc00":1}', "a string holds half a surrogate pair"),
        (b'[["\\ud83d\\ud83d"]]', "a string holds half a surrogate pair"),
        (b"NaN", "NaN is not JSON"),
        (b"[Infinity]", "Infinity is not JSON"),
        (b'{"a":-Infinity}', "-Infinity is not JSON"),
        (b"1e400", "a number is out of range"),
        (b"-1e400", "a number is out of range"),
        (b"123456789012345678901", "a number has too many digits"),
        (b"-" + b"9" * 5000, "a number has too many digits"),
        (b"[" * 9 + b"]" * 9, "the nesting is too deep"),
        (b'{"a":' * 100_000, "the nesting is too deep"),
        (b"[" * 100_000, "the nesting is too deep"),
        (b"[" + b"0," * 64 + b"0]", "there are too many members"),
    ],
)
def test_what_is_not_strict_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(NotStrictJson) as refusal:
        read(data)
    assert str(refusal.value) == why


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'"\\ud83d\\ude00"', "😀"),
        (b"-12345678901234567890", -12345678901234567890),
        (b"1.5e3", 1500.0),
        (b" \t\r\n[ ] ", []),
        (b"[" * 8 + b"]" * 8, [[[[[[[[]]]]]]]]),
        (b"[" + b"0," * 63 + b"0]", [0] * 64),
        (b'{"a":"' + b'[{,\\"' * 500 + b'"}', {"a": '[{,"' * 500}),
    ],
)
def test_what_is_strict_is_read_up_to_the_very_bound(data: bytes, value: object) -> None:
    assert read(data) == value


@pytest.mark.timeout(10)
@pytest.mark.parametrize("data", [b'"' + b'\\"' * 400_000 + b"," * 100, b'"' * 400_001 + b"," * 100])
def test_the_time_it_takes_grows_with_the_size_and_no_faster(data: bytes) -> None:
    with pytest.raises(NotStrictJson):
        read(data)


def test_members_and_elements_are_counted_together() -> None:
    data = b'{"a":[1,2],"b":{"c":3}}'
    assert read(data, max_members=5) == {"a": [1, 2], "b": {"c": 3}}
    with pytest.raises(NotStrictJson):
        read(data, max_members=4)


@pytest.mark.parametrize("data", [b'{"password":"hunter2!', b'"hunter2!\xff"', b'{"hunter2!":1,"hunter2!":2}'])
def test_a_refusal_quotes_nothing(data: bytes) -> None:
    with pytest.raises(NotStrictJson) as refusal:
        read(data)
    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


def test_strings_are_found_wherever_they_are() -> None:
    assert list(strings({"a": ["b", {"c": "d"}], "e": 1})) == ["a", "e", "b", "c", "d"]

import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.identity import (
    canonical_email,
    canonical_login,
    canonical_username,
    clean_email,
    clean_full_name,
    clean_username,
    is_email,
)
from keyturn.errors import InvalidInput


@pytest.mark.parametrize(
    "same",
    [
        "ADA@example.org",
        "ada@EXAMPLE.ORG",
        "  ada@example.org\n",
        "ada@example.org.",
        "\uff41\uff44\uff41@example.org",
        "ada\uff20example\uff0eorg",
        "ada@example\u3002org",
    ],
)
def test_spellings_of_one_email_address_have_one_canonical_form(same: str) -> None:
    assert canonical_email(same) == "ada@example.org"


def test_the_kelvin_sign_is_a_k() -> None:
    assert canonical_email("\u212aim@example.org") == canonical_email("kim@example.org")
    assert canonical_username("\u212aim") == canonical_username("KIM") == "kim"


def test_a_dotless_i_and_a_dotted_capital_are_no_i() -> None:
    assert len({canonical_username(name) for name in ("ink", "\u0131nk", "\u0130nk")}) == 3


def test_composed_and_decomposed_letters_are_the_same() -> None:
    assert canonical_username("Zoe\u0308") == canonical_username("ZOË") == "zoë"


def test_a_domain_is_the_same_in_punycode() -> None:
    assert canonical_email("a@xn--mnchen-3ya.de") == canonical_email("a@MÜNCHEN.de") == "a@münchen.de"
    assert canonical_email("a@xn--\u00fc.de") == "a@xn--ü.de"


def test_a_full_stop_within_the_local_part_tells_addresses_apart() -> None:
    assert canonical_email("a.da@example.org") != canonical_email("ada@example.org")


def test_whatever_has_an_at_sign_is_looked_up_as_an_email_address() -> None:
    assert is_email("ada@example.org")
    assert canonical_email("a@xn--mnchen-3ya.de@example.org") == "a@xn--mnchen-3ya.de@example.org"
    assert is_email("ada\uff20example.org")
    assert not is_email("ada")


def test_attempts_are_counted_by_the_canonical_form_of_what_the_name_is() -> None:
    assert canonical_login(" ADA@xn--mnchen-3ya.de.") == "ada@münchen.de"
    assert canonical_login("ADA.") == "ada."


@given(st.text(st.characters()))
def test_a_canonical_form_can_be_made_of_anything_and_stored(text: str) -> None:
    for canonical in (canonical_email(text), canonical_username(text)):
        canonical.encode("utf-8")
        assert "\0" not in canonical


def test_what_no_database_stores_is_replaced_and_surrogates_that_belong_together_are_joined() -> None:
    assert canonical_username("a\ud800b\0c") == "a\ufffdb\ufffdc"
    assert canonical_username("\ud83d\ude00") == "😀"


def test_a_canonical_username_is_its_own_canonical_form() -> None:
    every = map(chr, range(sys.maxunicode + 1))
    moved = [
        letter for letter in every if unicodedata.normalize("NFKC", letter) != letter or letter.casefold() != letter
    ]
    once = [canonical_username(f"a{letter}b") for letter in moved]
    assert [canonical_username(name) for name in once] == once


@given(st.emails())
def test_a_clean_email_address_keeps_its_canonical_form(address: str) -> None:
    try:
        cleaned = clean_email(address)
    except InvalidInput:
        return  # RFC 5322 allows more than anybody has for an address
    assert canonical_email(cleaned) == canonical_email(address)
    assert clean_email(cleaned) == cleaned


def test_a_clean_email_address_keeps_the_case_that_its_owner_writes() -> None:
    assert clean_email(" Ada.Lovelace+k@Example.TEST. ") == "Ada.Lovelace+k@example.test"


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "ada@localhost",
        "a da@example.org",
        "a@b@example.org",
        "Ada <ada@example.org>",
        '"a b"@example.org',
        "ada@[192.0.2.1]",
        "a\u200db@example.org",
        "a\0@example.org",
        "\ud800@example.org",
        "ada@example.org..",
        "ada@-example.org",
        "a" * 300 + "@example.org",
        "ada@example.org\r\nBcc: eve@example.org",
    ],
)
def test_what_is_no_email_address_is_refused_and_not_repeated(bad: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        clean_email(bad)
    assert caught.value.field == "email"
    assert caught.value.__suppress_context__
    assert str(caught.value) == "Enter an e-mail address such as name@example.org."


def test_checking_an_email_address_loads_no_resolver() -> None:
    program = (
        "import sys; from keyturn.core.identity import clean_email; clean_email('a@example.org'); "
        "print([name for name in sys.modules if name.split('.')[0] == 'dns'])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


@pytest.mark.parametrize("name", ["a", "Ada.L_1-2", "Zoë", "李雷", "हिन्दी", "Ἀριάδνη", "x" * 64, "٣٤"])
def test_a_username_is_letters_and_digits_of_any_script(name: str) -> None:
    assert clean_username(f" {name} ") == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize("bad", ["", " ", "x" * 65])
def test_a_username_is_neither_empty_nor_long(bad: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        clean_username(bad)
    assert caught.value.field == "username"
    assert str(caught.value) == "A username has 1 to 64 characters."


@pytest.mark.parametrize("bad", ["a b", "a/b", "a@b", "a\uff20b", "²", "Ⅷ", "😀", "a‿b"])
def test_a_username_holds_nothing_else(bad: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        clean_username(bad)
    assert caught.value.field == "username"
    assert str(caught.value) == "A username is made of letters, digits, full stops, underscores and hyphens."


CONTROLS = ["\t", "\0", "\u00a0", "\u00ad", "\u200b", "\u202e", "\ud800", "\ue000"]
FILLERS = ["\u034f", "\u3164", "\uffa0", "\ufe0f", "\U000e0101"]


@pytest.mark.parametrize("invisible", [*CONTROLS, *FILLERS])
def test_nothing_invisible_hides_in_a_username(invisible: str) -> None:
    with pytest.raises(InvalidInput):
        clean_username(f"a{invisible}b")


def test_a_username_does_not_begin_with_a_combining_mark() -> None:
    with pytest.raises(InvalidInput):
        clean_username("\u0301a")


def test_a_username_is_kept_composed() -> None:
    assert clean_username("Zoe\u0308") == "Zo\u00eb"


@pytest.mark.parametrize("name", ["", "Ada Lovelace", "O’Neil, Jr. (née Müller)", "محمد", "👩\u200d🔬 Kim", "x" * 200])
def test_a_full_name_is_a_line_of_text(name: str) -> None:
    assert clean_full_name(f" {name}\n") == name


@pytest.mark.parametrize(
    "bad", ["a\nb", "a\0b", "a\x1bb", "a\x85b", "a\u2028b", "a\u2029b", "a\u202eb", "a\u2066b", "\ud800"]
)
def test_a_full_name_holds_no_control_characters(bad: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        clean_full_name(bad)
    assert caught.value.field == "full_name"
    assert str(caught.value) == "A name is one line of plain text, without control characters."


def test_a_full_name_is_not_longer_than_that() -> None:
    with pytest.raises(InvalidInput) as caught:
        clean_full_name("x" * 201)
    assert caught.value.field == "full_name"
    assert str(caught.value) == "A name has at most 200 characters."

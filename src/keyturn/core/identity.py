"""Who is who: the form of a name that is kept, and the canonical form that two names are compared by.

A canonical form is only ever compared, never shown: compatibility characters and case are folded away (NFKC, case folding,
NFKC again; Unicode Standard, chapter 3.13), so that no second account can be made from a look-alike encoding of a name.
"""

from __future__ import annotations

import re
import unicodedata

from keyturn.errors import InvalidInput

MAX_USERNAME = 64
MAX_FULL_NAME = 200

_INVISIBLE = re.compile(
    # Letters and marks that show nothing (Unicode: Default_Ignorable_Code_Point); the categories let them through.
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LINE_OR_CONTROL = frozenset(("Cc", "Cs", "Zl", "Zp"))


def _storable(value: str) -> str:
    """The text without what no database takes: a lone surrogate or a NUL becomes U+FFFD."""
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "\ufffd")


def _fold(value: str) -> str:
    folded = unicodedata.normalize("NFKC", _storable(value)).casefold()
    return unicodedata.normalize("NFKC", folded).strip()


def _unicode_label(label: str) -> str:
    """A label of a domain, as people read it: `xn--mnchen-3ya` is münchen (RFC 5890)."""
    if not label.startswith("xn--"):
        return label
    try:
        return _fold(label[4:].encode("ascii").decode("punycode"))
    except (UnicodeError, ValueError, OverflowError):
        return label


def is_email(login: str) -> bool:
    """Whether a login is to be looked up as an e-mail address: it contains an @, and no username does."""
    return "@" in _fold(login)


def canonical_email(value: str) -> str:
    """What an e-mail address is compared by. Takes any text, so that a login can be looked up unchecked.

    Case is folded in the local part too: RFC 5321 would tell such mailboxes apart, no mail provider does.
    """
    local, at, domain = _fold(value).rpartition("@")
    labels = domain.replace("\u3002", ".").rstrip(".").split(".")
    return f"{local}{at}{'.'.join(map(_unicode_label, labels))}"


def canonical_username(value: str) -> str:
    """What a username is compared by. Takes any text, so that a login can be looked up unchecked."""
    return _fold(value)


def canonical_login(value: str) -> str:
    """What attempts to sign in are counted by: the same for every way to write a name, whether or not anybody has it."""
    return canonical_email(value) if is_email(value) else canonical_username(value)


def clean_email(value: str) -> str:
    """An e-mail address in the form that is kept and written to: valid, normalised (RFC 5322, RFC 6531), no name server asked.

    Raises:
        InvalidInput: it is not an e-mail address.
    """
    # Only for a new address: its regular expressions over all of Unicode take long to compile.
    from email_validator import EmailNotValidError, validate_email

    address = value.strip().removesuffix(".")
    try:
        # `test_environment` lets the domain .test through, which RFC 6761 keeps for tests.
        return validate_email(address, check_deliverability=False, test_environment=True).normalized
    except (EmailNotValidError, UnicodeError):
        raise InvalidInput("email", "Enter an e-mail address such as name@example.org.") from None


def _is_username_character(character: str) -> bool:
    category = unicodedata.category(character)
    return character in "._-" or category[0] in "LM" or category == "Nd"


def clean_username(value: str) -> str:
    """A username in the form that is kept: NFC, 1 to 64 letters and digits of any script, full stops, underscores, hyphens.

    Raises:
        InvalidInput: it is empty, too long, or holds another character.
    """
    name = unicodedata.normalize("NFC", value.strip())
    if not 1 <= len(name) <= MAX_USERNAME:
        raise InvalidInput("username", f"A username has 1 to {MAX_USERNAME} characters.")
    starts_with_mark = unicodedata.category(name[0])[0] == "M"
    if starts_with_mark or _INVISIBLE.search(name) or not all(map(_is_username_character, name)):
        raise InvalidInput("username", "A username is made of letters, digits, full stops, underscores and hyphens.")
    return name


def clean_full_name(value: str) -> str:
    """A person's name in the form that is kept: NFC, one line, at most 200 characters; may be empty.

    Raises:
        InvalidInput: it is too long, or holds a control character, a line break or a change of the writing direction.
    """
    name = unicodedata.normalize("NFC", value.strip())
    if len(name) > MAX_FULL_NAME:
        raise InvalidInput("full_name", f"A name has at most {MAX_FULL_NAME} characters.")
    if any(character in _BIDI or unicodedata.category(character) in _LINE_OR_CONTROL for character in name):
        raise InvalidInput("full_name", "A name is one line of plain text, without control characters.")
    return name

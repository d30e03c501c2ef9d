"""What other systems call what we know of a user."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from keyturn.core.identity import canonical_email, is_email
from keyturn.errors import InvalidInput
from keyturn.hashing import foreign
from keyturn.service.records import COLUMNS, exact_moment

Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Preset:
    """How another system writes a user.

    Attributes:
        reads: the columns that mean something here, with spaces between.
        drops: those that mean nothing here, likewise.
        fields: our columns, of theirs.
        document: where it writes one JSON document, the member with the users; none: there is a line for each.
    """

    reads: str
    fields: Callable[[Fields], Fields]
    drops: str = ""
    document: str | None = None


OWN = Preset(reads=" ".join(COLUMNS), fields=lambda line: line)


def _django(line: Fields) -> Fields:
    """A row of `auth_user`. Many sites have the address in the place of the username as well."""
    username, email = str(line.get("username") or ""), str(line.get("email") or "")
    if is_email(username) and (not email or canonical_email(email) == canonical_email(username)):
        username, email = "", email or username
    names = (str(line.get(name) or "").strip() for name in ("first_name", "last_name"))
    password = str(line.get("password") or "")
    roles = [
        role for column, role in (("is_superuser", "admin"), ("is_staff", "staff")) if _django_yes(line.get(column))
    ]
    return {
        "id": line.get("id"),
        "email": email,
        "username": username,
        "full_name": " ".join(name for name in names if name),
        "roles": roles,
        "disabled": not _django_yes(line.get("is_active", True)),
        "created_at": line.get("date_joined"),
        # Django: an account that no password opens.
        "password_hash": "" if password.startswith("!") else password,
    }


def _django_yes(value: object) -> bool:
    text = str(value).strip().lower()
    if text in ("true", "t", "1"):
        return True
    if text in ("false", "f", "0"):
        return False
    raise InvalidInput("is_active, is_staff, is_superuser", "Write true or false.")


DJANGO = Preset(
    reads="id password is_superuser username first_name last_name email is_staff is_active date_joined",
    drops="last_login",
    fields=_django,
)


@dataclass(frozen=True, slots=True)
class FirebaseParameters:
    """What the hashes of a Firebase project were made with."""

    signer_key: str = field(repr=False)
    salt_separator: str
    rounds: int
    memory: int

    @classmethod
    def read(cls, path: Path) -> FirebaseParameters:
        """From a file with what the console shows: `base64_signer_key: …,` and so on, or the same as JSON.

        Raises:
            InvalidInput: one of them is missing. It says which, and no value.
        """
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise InvalidInput("firebase-parameters", f"{path} cannot be read as text.") from None
        found = dict(re.findall(r'"?\b(base64_\w+|rounds|mem_cost)"?\s*[:=]\s*"?([A-Za-z0-9+/=_-]*)', text))
        names = ("base64_signer_key", "base64_salt_separator", "rounds", "mem_cost")
        for name in names:
            if name not in found or (name in names[2:] and not re.fullmatch("[0-9]{1,2}", found[name])):
                raise InvalidInput("firebase-parameters", f"{path} does not say {name}, or not as the console does.")
        return cls(found[names[0]], found[names[1]], int(found["rounds"]), int(found["mem_cost"]))


def firebase(parameters: FirebaseParameters | None) -> Preset:
    """A user of `firebase auth:export users.json`.

    Args:
        parameters: of the project; none: nobody has a password.
    """

    def fields(line: Fields) -> Fields:
        return {
            "id": line.get("localId"),
            "email": line.get("email"),
            "email_verified": line.get("emailVerified"),
            "full_name": line.get("displayName"),
            "disabled": line.get("disabled"),
            "created_at": _milliseconds(line.get("createdAt")),
            "password_hash": _firebase_hash(line, parameters),
            "identities": _firebase_identities(line.get("providerUserInfo")),
        }

    return Preset(
        reads="localId email emailVerified passwordHash salt displayName createdAt disabled providerUserInfo",
        drops="""
        lastSignedInAt lastLoginAt lastRefreshAt photoUrl phoneNumber customAttributes validSince passwordUpdatedAt
        version mfaInfo tenantId
        """,
        fields=fields,
        document="users",
    )


def _milliseconds(value: object) -> str | None:
    if value is None:
        return None
    try:
        return exact_moment(int(str(value)) * 1000)
    except (ValueError, OverflowError):
        raise InvalidInput("createdAt", "This is no time in milliseconds.") from None


def _firebase_identities(value: object) -> list[dict[str, object]]:
    """Those of Google: Firebase names them by the same number as Google's own tokens do."""
    # What asks over the network comes with it.
    from keyturn.providers import google

    found = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    return [
        {"issuer": google.ISSUER, "subject": one.get("rawId"), "email": one.get("email")}
        for one in found
        if one.get("providerId") == "google.com"
    ]


def _firebase_hash(line: Fields, parameters: FirebaseParameters | None) -> str | None:
    made, salt = line.get("passwordHash"), line.get("salt")
    if not made:
        return None
    if parameters is None:
        raise InvalidInput("passwordHash", "To verify it, --firebase-parameters has to name the project's parameters.")
    return foreign.firebase(
        str(made),
        str(salt or ""),
        signer_key=parameters.signer_key,
        salt_separator=parameters.salt_separator,
        rounds=parameters.rounds,
        memory=parameters.memory,
    )


def _supabase(line: Fields) -> Fields:
    """A row of `auth.users`."""
    try:
        about = json.loads(str(line.get("raw_user_meta_data") or "{}"))
    except ValueError:
        about = {}
    names = (about.get(key) for key in ("full_name", "name")) if isinstance(about, dict) else ()
    return {
        "id": line.get("id"),
        "email": line.get("email"),
        "email_verified": bool(line.get("email_confirmed_at")),
        "full_name": next((name for name in names if name), None),
        "disabled": bool(line.get("banned_until") or line.get("deleted_at")),
        "created_at": line.get("created_at"),
        "password_hash": line.get("encrypted_password"),
    }


SUPABASE = Preset(
    reads="id email encrypted_password email_confirmed_at raw_user_meta_data banned_until deleted_at created_at",
    drops="""
    instance_id aud role invited_at confirmation_token confirmation_sent_at recovery_token recovery_sent_at
    email_change_token_new email_change_token_current email_change email_change_sent_at email_change_confirm_status
    last_sign_in_at raw_app_meta_data is_super_admin updated_at phone phone_confirmed_at phone_change phone_change_token
    phone_change_sent_at confirmed_at reauthentication_token reauthentication_sent_at is_sso_user is_anonymous
    """,
    fields=_supabase,
)

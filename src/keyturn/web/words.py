"""What the pages say to people where the API says it to programs: why a session ended, what was saved, what went wrong."""

from __future__ import annotations

from collections.abc import Mapping

from keyturn.core.model import EndReason
from keyturn.web.views import Notice

_NOT_YOU = "If that was not you, sign in, sign out the devices that you do not know, and change your password."

ENDED: Mapping[str, Notice] = {
    EndReason.SIGNED_OUT: Notice("You were signed out because you asked for it, here or in another tab."),
    EndReason.SIGNED_OUT_EVERYWHERE: Notice("You were signed out because all your devices were signed out.", _NOT_YOU),
    EndReason.REPLACED: Notice("You were signed out because somebody has signed in anew with this browser since."),
    EndReason.PASSWORD_CHANGED: Notice(
        "You were signed out because your password was changed. Sign in with the new one.",
        "If it was not you who changed it, ask an administrator for help now.",
    ),
    EndReason.REUSE_DETECTED: Notice(
        "You were signed out because the token of your session was used twice: somebody may have copied it.",
        "Sign in again, sign out the devices that you do not know, and change your password. If it happens again, something on "
        "this device may be reading along.",
    ),
    EndReason.REVOKED: Notice(
        "You were signed out because this device was signed out from another one, or by an administrator.", _NOT_YOU
    ),
    EndReason.ACCOUNT_DISABLED: Notice(
        "You were signed out because this account is disabled.", "Ask an administrator if you think that this is wrong."
    ),
    EndReason.ACCOUNT_DELETED: Notice("You were signed out because this account was closed."),
    EndReason.EXPIRED: Notice("You were signed out because your last sign-in here was too long ago. Sign in again."),
    EndReason.IDLE: Notice("You were signed out because you had not been here for a long time. Sign in again."),
}
"""By the reason of the end."""

ARRIVED: Mapping[str, Notice] = {
    **ENDED,
    "refresh_token_missing": Notice(
        "You are not signed in any more: you signed out in another tab, or the cookie of your session is gone. Sign in to go on."
    ),
    "refresh_token_invalid": Notice(
        "You are not signed in any more: the cookie of your session was replaced by something else. Sign in to go on."
    ),
    "password_set": Notice("Your password is set, and all your devices are signed out. Sign in with the new password."),
}
"""Why somebody comes to the sign-in page, by what their link says."""

ELSEWHERE = Notice(
    "An application of this site is signed in here, but this page is not.",
    "Signing in on this page signs that application out.",
)
"""For a session whose access token never comes in a cookie, so that no page of ours can see it."""

SAVED: Mapping[str, str] = {
    "profile": "Your name and username are saved.",
    "email": "Your e-mail address is changed. Sign in with it from now on.",
    "password": "Your password is changed, and every other device is signed out.",
}
"""What was changed a moment ago, by the code in the address; a code that is not here says nothing."""

FAILURES: Mapping[str, tuple[str, str]] = {
    "cross_origin": ("Nothing was done", "This form was sent from another site, so nothing was done."),
    "duplicate_cookie": (
        "One cookie too many",
        "Your browser sent one of our cookies twice. Delete the cookies of this site, then sign in.",
    ),
    "sign_in_state_invalid": (
        "Begin again",
        "This sign-in did not begin in this browser, took more than ten minutes, or was used before.",
    ),
    "provider_denied": ("You are not signed in", "You went back, or the other site did not let you in."),
    "provider_invalid": (
        "That did not work",
        "What the other site answered cannot be believed, so nobody was signed in. Begin again.",
    ),
    "provider_unavailable": (
        "Not available just now",
        "The other site does not answer. Try again in a moment, or sign in another way.",
    ),
    "provider_email_missing": (
        "An address is missing",
        "The other site did not tell an e-mail address, which an account needs. Sign up with an address instead.",
    ),
    "account_exists": (
        "You have an account already",
        "There is an account with this e-mail address. Sign in to it as before; then connect the other one there.",
    ),
    "identity_taken": (
        "Connected elsewhere",
        "That opens another account here already. Disconnect it there first.",
    ),
    "headers_too_large": (
        "Too many cookies",
        "Your browser sent more than we can read. Delete the cookies of this site, then try again.",
    ),
    "invalid_request": ("That did not work", "The form holds something that we do not know. Go back and try again."),
    "method_not_allowed": ("This page cannot be opened like that", "It only takes what a form sends to it."),
    "not_found": ("There is no such page", "The address may be mistyped, or what it named is gone."),
    "overloaded": ("Busy just now", "Too much is waiting already. Nothing was changed; try again in a moment."),
    "store_unavailable": ("Not available just now", "Nothing was changed; try again in a moment. You stay signed in."),
    "internal_error": (
        "Something went wrong on our side",
        "Try again. If it stays like this, report the number below.",
    ),
}
"""Title and text, by the code of the error; any other error has a sentence of its own."""

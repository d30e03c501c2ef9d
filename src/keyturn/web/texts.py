"""Every sentence of the templates, by a name; a translation is another table with the same names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

LANGUAGE = "en-GB"
"""Of the texts, as browsers and screen readers name it (RFC 5646)."""

TEXTS: Mapping[str, str] = {
    "skip": "Skip to the content",
    "home": "Go to the first page",
    "number": "Number:",
    "error": "Error: ",
    "optional": "(optional)",
    "show": "Show password",
    "hide": "Hide password",
    "sign_in": "Sign in",
    "login": "E-mail address or username",
    "password": "Password",
    "remember": "Stay signed in when the browser is closed",
    "to_sign_up": "New here? Sign up",
    "sign_up": "Sign up",
    "email": "E-mail address",
    "your_name": "Your name",
    "choose_password": "Choose a password",
    "password_rules": "{minimum} characters or more, of any kind; no common password, nor your name or address. A few words that "
    "do not belong together are easy to remember and hard to guess.",
    "to_sign_in": "I have an account: sign in",
    "moment": "Just a moment …",
    "asking": "We are looking whether you are signed in.",
    "trouble": "The server does not answer just now. We keep trying …",
    "no_cookies": "Your browser does not keep our cookies",
    "allow_cookies": "Allow cookies for this site, then",
    "try_again": "try again",
    "again": "Try again",
    "no_scripts": "Scripts are switched off in this browser.",
    "allow_scripts": "Without them this page cannot see whether you are still signed in. Switch them on, or sign in here.",
    "account": "Your account",
    "sign_out": "Sign out",
    "way_back": "Go back to where you were",
    "you": "You",
    "name": "Name",
    "username": "Username",
    "none": "none",
    "roles": "Roles",
    "member_since": "Member since",
    "devices": "Your devices",
    "devices_about": "Wherever you are signed in. Sign out what you do not know, and change your password.",
    "this_device": "this device",
    "unknown_address": "unknown address",
    "signed_in": "Signed in",
    "last_used": "Last used",
    "sign_out_everywhere": "Sign out everywhere",
    "settings": "Settings",
    "change_profile": "Change your name or username",
    "profile_about": "What you leave empty is removed.",
    "save": "Save",
    "change_email": "Change your e-mail address",
    "new_email": "New e-mail address",
    "email_about": "You sign in with it from then on.",
    "change_email_now": "Change address",
    "change_password": "Change your password",
    "current_password": "Current password",
    "new_password": "New password",
    "password_about": "Every other device is signed out.",
    "change_password_now": "Change password",
    "sign_in_with": "Sign in with {label}",
    "sign_up_with": "Sign up with {label}",
    "or": "or",
    "set_password": "Set a password",
    "set_password_about": "Then you can sign in with it too. Every other device is signed out.",
    "connections": "Connected accounts",
    "connections_about": "Accounts elsewhere that open this one.",
    "connected_since": "Connected since",
    "connect": "Connect {label}",
    "connect_about": "You can sign in with it from then on.",
    "connect_now": "Go to {label}",
    "disconnect": "Disconnect {label}",
    "disconnect_about": "It opens this account no longer. Devices that are signed in stay so.",
    "disconnect_now": "Disconnect",
    "fresh_sign_in": "What protects your account needs a sign-in of the last ten minutes:",
    "sign_in_again_with": "Sign in again with {label}",
    "leaving": "On the way …",
    "leaving_about": "You are going to another site to say who you are there.",
    "leave": "Go there",
    "close": "Close your account",
    "close_about": "Your account is deleted and all your devices are signed out. This cannot be undone.",
    "close_now": "Close my account",
    "to_forgot": "Forgot your password?",
    "forgot": "Forgot your password?",
    "forgot_about": "We send you a link with which you set a new one.",
    "forgot_now": "Send me a link",
    "forgot_sent": "Look into your mail",
    "forgot_sent_about": "If there is an account with this address, a mail with a link is on its way. If none comes within some "
    "minutes, look among the unwanted ones, or try another address that may be yours.",
    "back_to_sign_in": "Back to sign in",
    "reset_password": "Set a new password",
    "reset_password_about": "All your devices are signed out then.",
    "reset_password_now": "Set password",
    "verify_email": "Verify your e-mail address",
    "verify_email_about": "Confirm that you got our mail, and that the address is yours.",
    "verify_email_first": "Sign in to the account that the mail is about, so that nobody has your address verified for an "
    "account of theirs. If you made no account here, close this page: nothing has happened.",
    "verify_email_elsewhere": "You are signed in to another account than the one that the mail is about. Sign out here, and "
    "open the link of the mail again.",
    "verify_email_now": "Yes, this is my address",
    "verified": "Your address is verified",
    "verified_about": "Thank you. There is nothing else to do.",
    "was_it_you": "Was it not you?",
    "was_it_you_about": "If somebody else may be in your account, sign out all your devices, this one included.",
    "was_it_you_now": "Sign out all my devices",
    "all_ended": "All your devices are signed out",
    "all_ended_about": "Now set a new password: whoever knows the old one could sign in again.",
    "stale": "This link is not good any more",
    "stale_about": "It was used already, or it is too old, or your password or address has changed since.",
    "ask_again": "Ask for a new link",
    "unverified": "Your e-mail address is not verified.",
    "send_verification": "Send me a link",
    "verification_sent": "A mail with a link is on its way to your address.",
    "outbox": "Outbox",
    "outbox_about": "There is no mail server in the settings, so these mails were kept. This page is there in development only.",
    "outbox_empty": "No mail yet.",
    "mail_device": "Device",
    "mail_address": "Network address",
    "mail_when": "When",
}


@dataclass(frozen=True, slots=True)
class MailText:
    """The sentences of a mail. `{site}` is the host of this service, `{lasting}` how long the link is good.

    Attributes:
        text: what is so.
        button: what the link is called.
        advice: what to do, or not to do.
    """

    subject: str
    text: str
    button: str
    advice: str


_WAS_IT_YOU = (
    "If it was you, there is nothing to do. If it was not: the link leads to a page with a button that signs out all your "
    "devices, this one included. It works for {lasting}. Then set a new password."
)

_WAS_IT_YOU_AND_DISCONNECT = f"{_WAS_IT_YOU.removesuffix('.')}, and disconnect what you do not know."

_WAS_IT_YOU_AND_FORGOTTEN = (
    "If it was you, there is nothing to do. If it was not: the link leads to a page with a button that signs out whoever did it. "
    "It works for {lasting}. Then set a new password with \u201cForgot your password?\u201d, and change that of your mailbox "
    "too: whoever reads your mail can do this again."
)

MAILS: Mapping[str, MailText] = {
    "verification": MailText(
        "Verify your e-mail address",
        "Somebody, most likely you, has given this address at {site}. Please confirm that it is yours.",
        "Verify this address",
        "The link works for {lasting}. If this was not you, ignore this mail: without it nothing is verified.",
    ),
    "reset": MailText(
        "Set a new password",
        "Somebody, most likely you, has forgotten the password at {site}. With this link you set a new one.",
        "Set a new password",
        "The link works once, for {lasting}. If this was not you, ignore this mail: your password stays as it is.",
    ),
    "new_device": MailText(
        "A new device has signed in",
        "A device that we do not know has signed in to your account at {site}.",
        "It was not me",
        _WAS_IT_YOU,
    ),
    "token_reused": MailText(
        "Was it you? A session was ended",
        "Your session at {site} was ended because its token was used twice: somebody may have copied it. A browser profile that "
        "was restored from a backup looks the same.",
        "It was not me",
        _WAS_IT_YOU,
    ),
    "test": MailText(
        "A mail from {site}",
        "Mail from {site} gets through.",
        "The first page",
        "There is nothing to do.",
    ),
    "password_changed": MailText(
        "Your password was changed",
        "The password of your account at {site} was changed. Whoever was signed in until then is signed out.",
        "It was not me",
        _WAS_IT_YOU_AND_FORGOTTEN,
    ),
    "email_changed": MailText(
        "Your e-mail address was changed",
        "Your account at {site} has another e-mail address now; this one is no longer used.",
        "It was not me",
        _WAS_IT_YOU,
    ),
    "identity_connected": MailText(
        "Another account opens yours",
        "An account elsewhere was connected with your account at {site}, and opens it from now on. The account page says which.",
        "It was not me",
        _WAS_IT_YOU_AND_DISCONNECT,
    ),
    "identity_disconnected": MailText(
        "An account was disconnected from yours",
        "An account elsewhere that opened your account at {site} does so no longer.",
        "It was not me",
        _WAS_IT_YOU,
    ),
}
"""By the kind of the mail."""

_NOW, _HOURS, _YESTERDAY, _DAYS = "within the last hour", "{} hours ago", "yesterday", "{} days ago"
_DAY = timedelta(days=1)


def ago(time: datetime, now: datetime) -> str:
    """How long ago something was, in words.

    Args:
        time: known to the hour, rounded down.
        now: not before it.
    """
    passed = now - time
    if passed < timedelta(hours=2):
        return _NOW
    if passed < _DAY:
        return _HOURS.format(passed // timedelta(hours=1))
    return _YESTERDAY if passed < 2 * _DAY else _DAYS.format(passed // _DAY)


def lasting(seconds: int) -> str:
    """A duration in words, in the largest unit that it is a multiple of."""
    for unit, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= unit and seconds % unit == 0:
            count = seconds // unit
            return f"{count} {name}" if count == 1 else f"{count} {name}s"
    return f"{seconds} seconds"

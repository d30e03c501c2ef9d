"""Every sentence of the templates, by a name; a translation is another table with the same names."""

from __future__ import annotations

from collections.abc import Mapping
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
    "close": "Close your account",
    "close_about": "Your account is deleted and all your devices are signed out. This cannot be undone.",
    "close_now": "Close my account",
}

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

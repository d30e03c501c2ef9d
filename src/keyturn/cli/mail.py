"""`keyturn mail`: whether mails get through."""

from __future__ import annotations

from typing import Annotated

import typer

from keyturn.cli.opened import DataDir, settings_of
from keyturn.core.identity import clean_email
from keyturn.errors import InvalidInput, SettingsError
from keyturn.system import SystemClock, SystemEntropy

app = typer.Typer(help="Mail to the people who sign in.", no_args_is_help=True)

_REASONS = {
    "bad_address": "It was not asked: the address is none that a mail can go to, or come from.",
    "tls": "TLS failed, or its certificate is not good for its name. Name it as its certificate does; for an authority of your "
    "own set SSL_CERT_FILE.",
    "not_offered": "It does not offer STARTTLS, or no sign-in. See KEYTURN_SMTP_URL and KEYTURN_SMTP_STARTTLS.",
    "sign_in_refused": "It refuses the user of KEYTURN_SMTP_URL with KEYTURN_SMTP_PASSWORD.",
    "timeout": "It does not answer in time. Look at host and port in KEYTURN_SMTP_URL, and at firewalls.",
    "connection": "It cannot be reached, or hung up. Look at host and port in KEYTURN_SMTP_URL.",
}


@app.callback()
def _group() -> None:
    """A group of its own, though there is one command in it."""


@app.command("test")
def send(address: Annotated[str, typer.Argument(help="Where to send it.")], data_dir: DataDir = None) -> None:
    """Send one mail, at once, and say what came of it.

    It is not queued and not tried again. Without a mail server it is kept in the data directory like any other.
    """
    # What writes and sends mails is imported where one is sent: no other command needs it.
    from keyturn.server.mailing import send_test
    from keyturn.server.smtp import NotSent

    settings = settings_of(data_dir)
    try:
        to = clean_email(address)
        kept = send_test(settings, to, clock=SystemClock(), entropy=SystemEntropy())
    except InvalidInput as error:
        raise typer.BadParameter(str(error)) from None
    except NotSent as error:
        raise SettingsError(
            f"The mail server did not take it. {_REASONS.get(error.why, f'It answered {error.why}.')}"
        ) from None
    typer.echo(f"There is no mail server in the settings: kept in {kept}." if kept else "The mail server took it.")

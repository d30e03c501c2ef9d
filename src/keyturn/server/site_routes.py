"""The table of the pages: their addresses, those of their forms, and those of the static files."""

from __future__ import annotations

from functools import partial

from keyturn.core.model import SECOND, Delivery, Purpose
from keyturn.server.answers import HOME
from keyturn.server.api import Api
from keyturn.server.app import Page
from keyturn.server.calls import Call
from keyturn.server.postman import PATHS
from keyturn.server.provider_calls import ProviderApi
from keyturn.server.site import Site
from keyturn.web.assets import load_assets, load_client
from keyturn.web.pages import Pages, Shared
from keyturn.web.views import ProviderLink

_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_FIRST = "public, no-cache"


def open_site(api: Api, providers: ProviderApi, base_path: str) -> Site:
    """The pages of a server.

    Args:
        api: the handlers of its API.
        providers: those of the calls about providers.
        base_path: of the API.
    """
    context = api.context
    shared = Shared(
        refresh_path=f"{base_path}/refresh-token",
        refresh_timeout=context.policy.refresh_timeout / SECOND,
        password_min_length=context.password_min_length,
        providers=[
            ProviderLink(name, provider.label, f"{providers.start_path(name)}?delivery={Delivery.COOKIE}")
            for name, provider in providers.providers.items()
        ],
    )
    return Site(api, Pages(shared, load_assets()), base_path, providers)


def site_calls(site: Site) -> list[Call]:
    """The addresses of the pages and of their forms."""
    page, form = partial(Call, "GET"), partial(Call, "POST", takes_form=True)
    account, mail = site.account, site.mail
    answered = [
        form("/profile", "Change one's names", account.change_profile),
        form("/email", "Change one's e-mail address", account.change_email),
        form("/password", "Change one's password", account.change_password),
        form("/connect/{name}", "Connect a provider's account", account.connect),
        form("/disconnect/{id}", "Disconnect one", account.disconnect),
        form("/close", "Close one's account", account.close),
        form("/send-verification", "Send a link that verifies one's address", account.send_verification),
        form(PATHS[Purpose.RESET_PASSWORD], "Set a new password", mail.reset),
        form(PATHS[Purpose.VERIFY_EMAIL], "Verify an address", mail.verify),
        form(PATHS[Purpose.END_SESSIONS], "End every session of the user", mail.end_sessions),
    ]
    return [
        page(HOME, "The first page", site.home),
        page("/sign-in", "The first page", site.home),
        form("/sign-in", "Sign in", site.sign_in),
        page("/sign-up", "The page to sign up", site.sign_up_page),
        form("/sign-up", "Make an account and sign in to it", site.sign_up),
        form("/sign-out", "Sign out", site.sign_out),
        form("/sign-out-everywhere", "End every session of the user", account.sign_out_everywhere),
        form("/devices/{id}/end", "End one of one's sessions", account.end_device),
        page("/forgot-password", "The page for a forgotten password", mail.forgot),
        form("/forgot-password", "Send a link for a new password", mail.send_reset),
        *(
            page(f"{path}/{{token}}", "The page of a link in a mail", partial(mail.opened, purpose=purpose))
            for purpose, path in PATHS.items()
        ),
        *answered,
        # A page that such a form is answered with has the form's address: somebody may open it once more.
        *(page(one.path, "Back to the first page", site.back_home) for one in answered),
    ]


def static_pages(site: Site) -> list[Page]:
    """The static files, to be kept for ever: another content has another address."""
    return [Page(asset.path, asset.content, asset.media_type, cached=_FOR_EVER) for asset in site.pages.assets]


def client_pages() -> list[Page]:
    """The browser client, for our own pages and for those of listed origins, which are of the same site."""
    return [
        Page(module.path, module.content, module.media_type, cached=_ASK_FIRST, embedded="same-site")
        for module in load_client()
    ]

"""Receivers of notifications: a webhook, or any service that Apprise knows.

`https://` and `http://` are webhooks: the message is sent as JSON in a POST. Other URLs need
Apprise, an optional dependency. URLs contain secrets: they are in no log, state or error.
"""

from __future__ import annotations

import re
from base64 import b64encode
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from rover.errors import SettingError
from rover.telemetry.limits import Level
from rover.wire import dumps

if TYPE_CHECKING:
    from rover.telemetry.notices import Message

SEND_TIMEOUT_S = 10.0
"""Seconds for a connection, and then for the response, of a webhook."""

SETTING = "ROVER_NOTIFY"


class SendError(Exception):
    """A message was not sent; the text has no secrets."""


class Receiver(Protocol):
    """Sends messages to one address.

    Attributes:
        name: for people, without secrets.
    """

    name: str

    def send(self, message: Message) -> None:
        """Send a message. It may block, so it is called in a thread.

        Raises:
            SendError: the receiver has not accepted it.
        """
        ...


def open_receivers(urls: str) -> list[Receiver]:
    """The receivers of the setting `ROVER_NOTIFY`.

    Args:
        urls: separated by white space or by commas.

    Raises:
        SettingError: a URL is unusable, or needs Apprise and Apprise is not installed.
    """
    split = re.split(r"(?:\s+|,\s*)(?=[A-Za-z][A-Za-z0-9+.-]*://)", urls.strip())
    return [_receiver(number, url) for number, url in enumerate(filter(None, split), 1)]


def _receiver(number: int, url: str) -> Receiver:
    scheme, is_url, _ = url.partition("://")
    if not is_url:
        raise SettingError(SETTING, "…", f"part {number} must be a URL such as https://host/path")
    scheme = scheme.lower()
    is_webhook = scheme in ("http", "https")
    try:
        return Webhook(url) if is_webhook else AppriseReceiver(scheme, url)
    except ImportError:
        reason = f"{scheme}: needs Apprise: pip install 'cosmic-rover[notify]'"
        raise SettingError(SETTING, "…", reason) from None
    except ValueError:
        known = "such as https://user:password@host/path" if is_webhook else "that Apprise knows"
        reason = f"URL {number} (`{scheme}:`) must be an address {known}"
        raise SettingError(SETTING, "…", reason) from None


class Webhook:
    """POSTs messages as JSON to a URL. A redirect is an error.

    Args:
        url: `http:` or `https:`, with or without `user:password@`.

    Raises:
        ValueError: the URL has no host, or characters that a URL must not have.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.hostname or not url.isascii() or not url.isprintable() or " " in url:
            raise ValueError("not the URL of a webhook")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        host += f":{parts.port}" if parts.port else ""
        self.name = f"{parts.scheme.lower()}://{host}"
        self._url = parts._replace(netloc=host, fragment="").geturl()
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": "cosmic-rover",
        }
        if parts.username is not None:
            credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self._headers["Authorization"] = f"Basic {b64encode(credentials).decode()}"

    def send(self, message: Message) -> None:
        """Send a message.

        Raises:
            SendError: the status is not 2xx, or there is no response.
        """
        body = dumps(message.as_json()).encode()
        request = Request(self._url, body, self._headers)  # noqa: S310 # http or https only
        try:
            with build_opener(_NoRedirects).open(request, timeout=SEND_TIMEOUT_S):
                pass
        except HTTPError as exc:
            exc.close()
            raise SendError(f"the status of the response is {_status(exc.code)}") from None
        except TimeoutError:
            raise SendError(f"no response within {SEND_TIMEOUT_S:g} s") from None
        except URLError as exc:
            raise SendError(f"cannot connect: {exc.reason!s:.200}") from None
        except Exception as exc:  # its text may contain the URL
            raise SendError(f"no valid response ({type(exc).__name__})") from None


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow no redirect: it would become a GET without the message."""


class AppriseReceiver:
    """Sends messages with Apprise.

    Args:
        scheme: of the URL.
        url: see https://github.com/caronc/apprise/wiki.

    Raises:
        ImportError: Apprise is not installed.
        ValueError: Apprise does not know the URL.
    """

    def __init__(self, scheme: str, url: str) -> None:
        import apprise

        self.name = f"{scheme}:"
        self._types = {
            Level.RED: apprise.NotifyType.FAILURE,
            Level.YELLOW: apprise.NotifyType.WARNING,
            Level.NOMINAL: apprise.NotifyType.SUCCESS,
        }
        self._apprise = apprise.Apprise()
        if not self._apprise.add(url):
            raise ValueError("unknown to Apprise")

    def send(self, message: Message) -> None:
        """Send a message.

        Raises:
            SendError: the service has not accepted it.
        """
        try:
            sent = self._apprise.notify(
                title=message.title, body=message.text, notify_type=self._types[message.level]
            )
        except Exception as exc:  # its text may contain the URL
            raise SendError(f"Apprise raised {type(exc).__name__}") from None
        if not sent:
            raise SendError("the service did not accept the message")


def _status(code: int) -> str:
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)

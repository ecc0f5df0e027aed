"""Asking a receiver with HTTP: bounded in time and size, at no other place, no secret told."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
from aiohttp import ClientResponse, ClientSession, ClientTimeout

from processor.notifying.guard import AddressRefusedError, connector
from processor.notifying.notification import DeliveryError
from processor.settings import AlertmanagerReceiver, WebhookReceiver

_AGENT: Final = "cxpulse"
_REASON_BYTES: Final = 1_000
"""Read of an answer that says no; of others nothing."""

_REASON_S: Final = 1.0
_RETRY_AFTER_MAX_S: Final = 3600.0
_AGAIN: Final = frozenset({408, 425, 429})
_FULL: Final = frozenset({429, 503})
"""Asks all to wait, not this request alone."""

HIDDEN: Final = "***"


class HttpClient:
    """Sends JSON to one receiver.

    Nothing is redirected, no proxy of the environment is used, and no cookie is kept.

    Args:
        receiver: its settings.
        path: behind the address of the settings.
    """

    def __init__(self, receiver: AlertmanagerReceiver | WebhookReceiver, path: str = "") -> None:
        self._receiver = receiver
        self._url = receiver.url.get_secret_value()
        if path:
            parts = receiver.parts
            self._url = parts._replace(path=parts.path.rstrip("/") + path).geturl()
        host = receiver.parts.hostname or ""
        allowed = {name.lower().strip("[]") for name in receiver.allowed_hosts}
        self._guarded = not (receiver.allow_private or host in allowed)
        self._headers = {"User-Agent": _AGENT, "Content-Type": "application/json"}
        if receiver.bearer_token is not None:
            token = receiver.bearer_token.get_secret_value()
            self._headers["Authorization"] = f"Bearer {token}"
        elif receiver.username is not None and receiver.password is not None:
            password = receiver.password.get_secret_value()
            pair = b64encode(f"{receiver.username}:{password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"
        self._session: ClientSession | None = None

    async def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send a body and see that it is taken.

        Raises:
            DeliveryError: it was not taken, or there was no answer in time.
        """
        limit_s = self._receiver.timeout_s
        try:
            async with asyncio.timeout(limit_s):
                await self._post(body, {**self._headers, **(headers or {})})
        except TimeoutError:
            raise DeliveryError(f"no answer within {limit_s:g} s", unreachable=True) from None
        except AddressRefusedError as error:
            raise DeliveryError(str(error), retry=False) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Its text has the address, which may be a secret.
            raise DeliveryError(_plain(error), unreachable=True) from None

    async def close(self) -> None:
        """End the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> None:
        async with self._opened().post(
            self._url, data=body, headers=headers, allow_redirects=False
        ) as response:
            if response.status // 100 == 2:  # noqa: PLR2004 - taken
                response.close()  # what else it has to say may be without end
                return
            reason = await self._reason(response)
            status = response.status
            response.close()
        raise DeliveryError(
            f"HTTP {status}{reason}",
            retry=status in _AGAIN or status >= 500,  # noqa: PLR2004 - the server's own errors
            retry_after_s=_retry_after_s(response) if status in _FULL else None,
            unreachable=status in _FULL,
        )

    def _opened(self) -> ClientSession:
        if self._session is None:
            receiver = self._receiver
            context: ssl.SSLContext | bool = True
            if receiver.ca_file is not None:
                context = ssl.create_default_context(cafile=str(receiver.ca_file))
            self._session = ClientSession(
                connector=connector(guarded=self._guarded, ssl=context, limit=1),
                timeout=ClientTimeout(total=receiver.timeout_s, connect=receiver.connect_timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    async def _reason(self, response: ClientResponse) -> str:
        """The beginning of what a refusal says, in one line and without our secrets."""
        try:
            async with asyncio.timeout(_REASON_S):
                said = await response.content.read(_REASON_BYTES)
        except (TimeoutError, aiohttp.ClientError, OSError):
            return ""
        text = " ".join(said.decode(errors="replace").split())[:200]
        shown = "".join(letter if letter.isprintable() else "?" for letter in text)
        return f": {redacted(shown, self._secrets())}" if shown else ""

    def _secrets(self) -> Iterable[str]:
        receiver = self._receiver
        parts = receiver.parts
        yield from (self._url, parts.path, parts.query, self._headers.get("Authorization", ""))
        signs = receiver.secret if isinstance(receiver, WebhookReceiver) else None
        for secret in (receiver.password, receiver.bearer_token, signs):
            if secret is not None:
                yield secret.get_secret_value()


def redacted(text: str, secrets: Iterable[str]) -> str:
    """A text in which secrets are hidden, the longest first.

    >>> redacted("no such hook: /services/T0/B1", ["/services/T0/B1", "", "/"])
    'no such hook: ***'
    """
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) > 1:
            text = text.replace(secret, HIDDEN)
    return text


def _plain(error: Exception) -> str:
    """An error's kind and its system's words, without addresses."""
    cause = getattr(error, "os_error", error)
    words = getattr(cause, "strerror", None)
    certificate = getattr(error, "certificate_error", None)
    if certificate is not None:
        words = getattr(certificate, "verify_message", None) or words
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _retry_after_s(response: ClientResponse) -> float | None:
    """How long a receiver wants to be left alone, in seconds or until a date; an hour at most."""
    asked = response.headers.get("Retry-After", "").strip()
    try:
        if asked.isdigit():
            seconds = float(asked[:9])
        else:
            now = response.headers.get("Date")
            until = parsedate_to_datetime(asked)
            seconds = (until - parsedate_to_datetime(now or "")).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), _RETRY_AFTER_MAX_S)

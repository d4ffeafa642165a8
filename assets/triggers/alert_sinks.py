"""Alert sinks: deliver an alert to a log, a webhook or by email.

In: an `Alert` and the settings. Raises `UndeliveredError` if the sink did not take the alert. Delivery is at least
once: a sink that confirms too late gets the alert again, with the same `alert_id`.

Each sink is one function. The sentence of a failure names the machine that could not be reached. It never names the
address, because most webhook addresses are secrets.
"""

import json
import logging
import os
import smtplib
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from email.message import EmailMessage
from email.utils import formatdate
from http.client import HTTPException
from urllib.parse import urlsplit

from assets.triggers.operations import Alerts

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5.0
ATTEMPTS = 2  # to reach a webhook
TEMPORARY_STATUSES = (408, 425, 429)  # HTTP: a retry may help, as for 500 and above
SMTP_REFUSALS = 500  # codes from here on are permanent
FROM_ENVIRONMENT = "env:"
LEVELS = {"warn": logging.WARNING, "error": logging.ERROR}


class UndeliveredError(OSError):
    """An alert did not reach its sink. The message names the sink, the reason and a remedy."""


class RefusedError(UndeliveredError):
    """The sink was reached and refused the alert for good. Sending it again is useless."""


@dataclass(frozen=True)
class Alert:
    """The failures of one run, as text for people."""

    title: str  # one line
    lines: tuple[str, ...]  # one fact each: a summary, its evidence, the change to try
    url: str  # of the run in the UI; empty if no UI is known
    severity: str  # "warn" | "error": the worst of the failures
    asset: str  # such as mnist_mlp/report; several are joined by ", "
    partition: str  # joined like `asset`; empty without partitions
    run_id: str
    time: str  # ISO 8601, UTC
    alert_id: str  # the run and the position in the event log: a repeated alert has the same

    @property
    def text(self) -> str:
        """The whole alert as plain text."""
        return "\n".join((self.title, *(f"- {line}" for line in self.lines), *filter(None, [self.url])))


def send(alert: Alert, settings: Alerts) -> None:
    """Deliver an alert to the sink of the settings. Raises `UndeliveredError` or its subclass `RefusedError`."""
    SINKS[settings.sink](alert, settings)


def deliver(alert: Alert, settings: Alerts) -> bool:
    """Deliver an alert, or its title alone if the sink refuses the whole. If it refuses both, log the alert.

    Return whether the sink took either. Raises `UndeliveredError` if the sink was not reached and a retry may help.
    """
    shortened = replace(alert, lines=("the sink refused the whole alert: see the run",))
    try:
        send(alert, settings)
    except RefusedError:
        try:
            send(shortened, settings)
        except RefusedError as error:
            log.error("%s\n%s", error, alert.text)
            return False
    return True


def send_to_log(alert: Alert, settings: Alerts) -> None:  # noqa: ARG001
    """Write the alert to the log. `ganforge ui` keeps the process's output as `daemon.log`."""
    log.log(LEVELS[alert.severity], "%s", alert.text)


def send_to_webhook(alert: Alert, settings: Alerts) -> None:
    """Send the alert by POST as a JSON object: its fields, and `text`, which chat services show.

    It is sent again at once only if it cannot have arrived. After a read timeout it may have arrived.
    """
    request = _request(alert, settings.url)
    host = urlsplit(request.full_url).hostname
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with urllib.request.build_opener(_Undirected).open(request, timeout=TIMEOUT_SECONDS):
                return
        except (OSError, HTTPException, ValueError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # the error holds the connection
            # `from None`: the original error may quote the secret address.
            if _is_refusal(error):
                raise RefusedError(
                    f"the webhook at {host} refused the alert ({_reason(error)}), which is not sent again: "
                    "check [alerts] url in the operations file"
                ) from None
            if not _is_unsent(error) or attempt == ATTEMPTS:
                raise UndeliveredError(
                    f"the webhook at {host} did not take the alert ({_reason(error)}); "
                    "the next tick tries again: check [alerts] url in the operations file"
                ) from None


def _is_refusal(error: Exception) -> bool:
    """Return whether the server would refuse the same alert again."""
    if not isinstance(error, urllib.error.HTTPError):
        return False
    return 400 <= error.code < 500 and error.code not in TEMPORARY_STATUSES


def _is_unsent(error: Exception) -> bool:
    """Return whether the server cannot have the whole request: urllib raises `URLError` only until it is sent."""
    return isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError)


class _Undirected(urllib.request.HTTPRedirectHandler):
    """Makes a redirect an error: urllib would follow it without the body, and the alert would be lost silently."""

    def redirect_request(self, *_: object) -> None:
        """Follow no redirect: urllib then raises an error."""


def _request(alert: Alert, url: str) -> urllib.request.Request:
    address = _resolved(url)
    if not _is_address(address):
        raise UndeliveredError(
            f"[alerts] url{_origin(url)}: found no address of the form https://machine/path; correct it"
        )
    body = json.dumps({**asdict(alert), "text": alert.text}).encode()
    return urllib.request.Request(address, body, {"Content-Type": "application/json"}, method="POST")


def _is_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # the port is not a number
        return False


def _resolved(url: str) -> str:
    """Return the address, read from the environment variable if the settings name one."""
    return os.environ.get(url.removeprefix(FROM_ENVIRONMENT), "") if url.startswith(FROM_ENVIRONMENT) else url


def _origin(url: str) -> str:
    """Return the origin of the address for a message, without the address itself."""
    return f" (environment variable {url.removeprefix(FROM_ENVIRONMENT)})" if url.startswith(FROM_ENVIRONMENT) else ""


def send_to_email(alert: Alert, settings: Alerts) -> None:
    """Send one plain message to all recipients, through a relay without a password."""
    message = EmailMessage()
    message["Subject"] = alert.title
    message["From"] = settings.sender
    message["To"] = ", ".join(settings.recipients)
    message["Date"] = formatdate()
    message.set_content(alert.text)
    try:
        with smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_SECONDS) as relay:
            relay.send_message(message)
    except OSError as error:  # smtplib's errors are subclasses
        if _is_refused_mail(error):
            raise RefusedError(
                f"the mail server {settings.smtp_host}:{settings.smtp_port} refused the alert ({_reason(error)}), "
                "which is not sent again: check [alerts] in the operations file"
            ) from error
        raise UndeliveredError(
            f"the mail server {settings.smtp_host}:{settings.smtp_port} did not take the alert ({_reason(error)}); "
            "the next tick tries again: check [alerts] in the operations file"
        ) from error


def _is_refused_mail(error: Exception) -> bool:
    """Return whether the server refuses the mail, its sender or all recipients for good.

    A refused greeting may be temporary.
    """
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= SMTP_REFUSALS for code, _ in error.recipients.values())
    refusals = (smtplib.SMTPDataError, smtplib.SMTPSenderRefused)
    return isinstance(error, refusals) and error.smtp_code >= SMTP_REFUSALS


def _reason(error: Exception) -> str:
    """Return the reason in one line, without the address, which errors about an invalid address quote."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP status {error.code}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, OSError):
        return " ".join(f"{type(reason).__name__}: {reason}".split())
    return reason if isinstance(reason, str) else type(reason).__name__


SINKS: dict[str, Callable[[Alert, Alerts], None]] = {
    "log": send_to_log,
    "webhook": send_to_webhook,
    "email": send_to_email,
}

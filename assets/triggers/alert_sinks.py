"""Alert sinks: where an alert goes. In: an `Alert` and the settings. Out: nothing, or `UndeliveredError`.

At least once: a sink that is too slow to say that it has taken an alert is sent it again, with the same `alert_id`.

Each sink is one function; the sentence of a failure names the machine that could not be reached, never the address,
which for most webhooks is the secret.
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
ATTEMPTS = 2  # of a webhook that was not reached
TEMPORARY_STATUSES = (408, 425, 429)  # HTTP: another try may help, as after 500 and more
SMTP_REFUSALS = 500  # and more are for ever
FROM_ENVIRONMENT = "env:"
LEVELS = {"warn": logging.WARNING, "error": logging.ERROR}


class UndeliveredError(OSError):
    """An alert did not reach its sink; the message says which, why, and what to do."""


class RefusedError(UndeliveredError):
    """The sink was reached and wants none of this alert: the same again would be refused again."""


@dataclass(frozen=True)
class Alert:
    """What went wrong in one run, as a person reads it."""

    title: str  # one line
    lines: tuple[str, ...]  # one fact each: what was found, its evidence, what to try
    url: str  # of the run in the UI; empty where no UI is known
    severity: str  # "warn" | "error": the worst of them
    asset: str  # such as mnist_mlp/report; several are joined by ", "
    partition: str  # as `asset`; empty where there are none
    run_id: str
    time: str  # ISO 8601, UTC
    alert_id: str  # the run and the place in the event log: the same whenever the same is sent again

    @property
    def text(self) -> str:
        """All of it as plain text."""
        return "\n".join((self.title, *(f"- {line}" for line in self.lines), *filter(None, [self.url])))


def send(alert: Alert, settings: Alerts) -> None:
    """Deliver an alert as the settings say. Raises `UndeliveredError`, and of that `RefusedError`."""
    SINKS[settings.sink](alert, settings)


def deliver(alert: Alert, settings: Alerts) -> bool:
    """Whether the sink took an alert, or else its title alone; what it refuses for good goes to the log instead.

    Raises `UndeliveredError` where the sink was not reached, and a later try may help.
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
    """To the output of the process, which `ganforge ui` keeps as `daemon.log`."""
    log.log(LEVELS[alert.severity], "%s", alert.text)


def send_to_webhook(alert: Alert, settings: Alerts) -> None:
    """As a JSON object, by POST: the alert's fields, and `text`, which chat services show.

    Tried again at once only where it cannot have arrived: after a read timeout it may have.
    """
    request = _request(alert, settings.url)
    host = urlsplit(request.full_url).hostname
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with urllib.request.build_opener(_Undirected).open(request, timeout=TIMEOUT_SECONDS):
                return
        except (OSError, HTTPException, ValueError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it holds the connection
            # the error itself may quote the address: from None
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
    """Whether the server will answer the same to the same alert."""
    if not isinstance(error, urllib.error.HTTPError):
        return False
    return 400 <= error.code < 500 and error.code not in TEMPORARY_STATUSES


def _is_unsent(error: Exception) -> bool:
    """Whether the server cannot have got all of it: urllib names errors so until the request has left."""
    return isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError)


class _Undirected(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: urllib would follow it without the body, and the alert would be lost in silence."""

    def redirect_request(self, *_: object) -> None:
        """Nowhere."""


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
    except ValueError:  # no number where the port should be
        return False


def _resolved(url: str) -> str:
    """The address itself, where the settings name the environment variable that holds it."""
    return os.environ.get(url.removeprefix(FROM_ENVIRONMENT), "") if url.startswith(FROM_ENVIRONMENT) else url


def _origin(url: str) -> str:
    """Where the address comes from, fit to be shown."""
    return f" (environment variable {url.removeprefix(FROM_ENVIRONMENT)})" if url.startswith(FROM_ENVIRONMENT) else ""


def send_to_email(alert: Alert, settings: Alerts) -> None:
    """As one plain message to all recipients, through a relay that asks for no password."""
    message = EmailMessage()
    message["Subject"] = alert.title
    message["From"] = settings.sender
    message["To"] = ", ".join(settings.recipients)
    message["Date"] = formatdate()
    message.set_content(alert.text)
    try:
        with smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_SECONDS) as relay:
            relay.send_message(message)
    except OSError as error:  # smtplib's own errors are such too
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
    """Whether it is the mail or everyone it is for that the server refuses for good; a greeting may fail today only."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= SMTP_REFUSALS for code, _ in error.recipients.values())
    refusals = (smtplib.SMTPDataError, smtplib.SMTPSenderRefused)
    return isinstance(error, refusals) and error.smtp_code >= SMTP_REFUSALS


def _reason(error: Exception) -> str:
    """In one line, without an address: the errors of an unfit one quote it."""
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

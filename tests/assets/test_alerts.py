"""Alerts of real failing checks and runs, received by a web server and a mail relay on this machine."""

import json
import logging
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.orchestration import alerts as alerts_module
from assets.orchestration.alert_sinks import Alert, UndeliveredError, send
from assets.orchestration.alerts import EVENTS_A_TICK, build_alerts_sensor, read_cursor
from assets.orchestration.operations import Alerts

SECRET = "T0K3N"
NOWHERE = Alerts("none", "", "", 25, "", (), "warn")
ALERT = Alert("ganforge: failed: a check", ("it did", "to try: less"), "", "error", "a/b", "adam", "r1", "2026-01-01")
PARTITIONS = dg.StaticPartitionsDefinition(["adam", "sgd"])


@dg.asset(
    partitions_def=PARTITIONS,
    check_specs=[dg.AssetCheckSpec(name, asset="history") for name in ("mild", "grave", "sound")],
)
def history(context: dg.AssetExecutionContext) -> Iterator[object]:
    yield dg.MaterializeResult(metadata={"steps": 3})
    yield dg.AssetCheckResult(check_name="mild", passed=False, severity=dg.AssetCheckSeverity.WARN, description="a bit")
    metadata = {
        "summary": "member 1 diverged at step 7",
        "advice": "lower learning_rate from 0.1 to 0.05",
        "steps": 7,
        "evidence": dg.MetadataValue.json({"members": [1, 2], "kind": "not finite"}),
        "picture": dg.MetadataValue.md("x" * 500),
    }
    yield dg.AssetCheckResult(check_name="grave", passed=False, metadata=metadata)
    yield dg.AssetCheckResult(check_name="sound", passed=True)


@dg.asset
def broken() -> None:
    raise ValueError("found 3 images,\nexpected 10")


@dataclass
class Received:
    """What a server on this machine was sent."""

    bodies: list[dict[str, Any]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)  # HTTP statuses to answer with, before 200
    requests: int = 0
    mails: list[str] = field(default_factory=list)


@pytest.fixture
def received() -> Received:
    return Received()


@pytest.fixture
def webhook(received: Received, monkeypatch: pytest.MonkeyPatch) -> Iterator[Alerts]:
    """The settings of a webhook that works."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.requests += 1
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = received.answers.pop(0) if received.answers else 200
            if status == 200:
                assert self.headers["Content-Type"] == "application/json"
                received.bodies.append(body)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield replace(NOWHERE, sink="webhook", url=f"http://127.0.0.1:{server.server_address[1]}/{SECRET}")
        server.shutdown()


@pytest.fixture
def relay(received: Received) -> Iterator[Alerts]:
    """The settings of a mail server that speaks the least SMTP there is, and knows one recipient as unknown."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline().decode().strip():
                if line.upper().startswith("RCPT") and "nobody@" in line:
                    self.wfile.write(b"550 unknown\r\n")
                elif line.upper() == "DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = iter(lambda: self.rfile.readline().decode(), ".\r\n")
                    received.mails.append("".join(lines))
                    self.wfile.write(b"250 taken\r\n")
                else:
                    self.wfile.write(b"221 bye\r\n" if line.upper() == "QUIT" else b"250 yes\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        port = server.server_address[1]
        yield replace(
            NOWHERE, sink="email", smtp_host="127.0.0.1", smtp_port=port, sender="g@here", recipients=("a@b", "c@d")
        )
        server.shutdown()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """In memory."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """On disk in SQLite, as data folders have it: a database a run, and one across runs."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


class Watching:
    """A sensor through its ticks: what one leaves is the next one's cursor."""

    def __init__(self, settings: Alerts, instance: dg.DagsterInstance, cursor: str | None = None) -> None:
        self.settings, self.instance, self.cursor = settings, instance, cursor

    def tick(self) -> str:
        context = dg.build_sensor_context(self.instance, cursor=self.cursor)
        with context:
            result = build_alerts_sensor(self.settings)(context)
        assert isinstance(result, dg.SkipReason)
        self.cursor = context.cursor
        return str(result.skip_message)


def fail_checks(instance: dg.DagsterInstance, partition: str = "adam") -> str:
    return dg.materialize([history], instance=instance, partition_key=partition).run_id


def fail_run(instance: dg.DagsterInstance) -> str:
    return dg.materialize([broken], instance=instance, raise_on_error=False).run_id


def test_the_sensor_is_stopped_and_says_where_to_name_a_sink(instance: dg.DagsterInstance) -> None:
    assert build_alerts_sensor(NOWHERE).default_status == dg.DefaultSensorStatus.STOPPED
    assert "set [alerts] sink in the file that GANFORGE_OPERATIONS names" in Watching(NOWHERE, instance).tick()


def test_failed_checks_of_a_run_are_one_message_with_evidence_and_what_to_try(
    stored: dg.DagsterInstance, webhook: Alerts, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANFORGE_UI", "http://127.0.0.1:3000/")
    watching = Watching(webhook, stored)
    fail_checks(stored, "sgd")
    assert watching.tick() == "tells of what fails from now on"
    run = fail_checks(stored)
    assert watching.tick() == "told of 1 run"
    (body,) = received.bodies
    assert body["lines"] == [
        "history adam, check mild (warn): a bit",
        "history adam, check grave (error): member 1 diverged at step 7",
        "evidence: kind not finite; members [1, 2]; steps 7",
        "to try: lower learning_rate from 0.1 to 0.05",
    ]
    assert body["title"] == "ganforge: failed: check mild, grave of history adam"
    assert (body["severity"], body["asset"], body["partition"]) == ("error", "history", "adam")
    assert (body["run_id"], body["url"]) == (run, f"http://127.0.0.1:3000/runs/{run}")
    assert body["text"].splitlines()[1] == "- history adam, check mild (warn): a bit"
    assert body["time"].endswith("+00:00")
    assert watching.tick() == "nothing new failed"
    assert received.requests == 1


def test_checks_below_the_least_severity_are_not_told(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received
) -> None:
    watching = Watching(replace(webhook, least_severity="error"), instance, cursor='{"after": 0, "runs": {}}')
    fail_checks(instance)
    watching.tick()
    (body,) = received.bodies
    assert not any("mild" in line for line in body["lines"])
    assert body["title"].endswith("check grave of history adam")


def test_a_failed_run_is_told_with_what_its_asset_said(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received
) -> None:
    watching = Watching(replace(webhook, least_severity="error"), instance, cursor='{"after": 0, "runs": {}}')
    run = fail_run(instance)
    assert watching.tick() == "told of 1 run"
    (body,) = received.bodies
    assert (body["title"], body["severity"], body["url"]) == (f"ganforge: failed: run {run[:8]}", "error", "")
    assert body["lines"] == ["broken failed: found 3 images, expected 10"]


def test_a_run_that_was_failed_from_outside_is_told_with_the_reason_and_that_it_is_tried_again(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received
) -> None:
    watching = Watching(webhook, instance, cursor='{"after": 0, "runs": {}}')
    run = instance.create_run_for_job(dg.Definitions(assets=[broken]).resolve_implicit_global_asset_job_def())
    instance.add_run_tags(run.run_id, {"dagster/will_retry": "true"})
    instance.report_run_failed(run, "its process is gone")
    watching.tick()
    assert received.bodies[0]["lines"] == ["its process is gone", "it is tried again by itself"]


def test_a_sink_out_of_reach_loses_nothing_and_what_was_told_is_not_told_again(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received
) -> None:
    watching = Watching(webhook, instance, cursor='{"after": 0, "runs": {}}')
    first, second = fail_checks(instance), fail_checks(instance, "sgd")
    received.answers = [200, 404]
    said = watching.tick()
    assert said.startswith("the webhook at 127.0.0.1 did not take the alert (HTTP status 404); the next tick")
    assert SECRET not in said + str(watching.cursor)
    assert [body["run_id"] for body in received.bodies] == [first]
    third = fail_run(instance)
    assert watching.tick() == "told of 2 runs"
    assert [body["run_id"] for body in received.bodies] == [first, second, third]
    assert read_cursor(str(watching.cursor)).runs == {}
    assert watching.tick() == "nothing new failed"


def test_what_one_tick_has_no_time_for_is_told_by_the_next(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching = Watching(webhook, instance, cursor='{"after": 0, "runs": {}}')
    fail_checks(instance)
    monkeypatch.setattr(alerts_module, "LONGEST_TICK_SECONDS", -1.0)
    assert watching.tick() == "told of 0 of 1 runs; the next tick goes on"
    monkeypatch.undo()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert watching.tick() == "told of 1 run"


def test_a_long_log_is_read_in_parts_without_a_gap(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert EVENTS_A_TICK > 100
    monkeypatch.setattr(alerts_module, "EVENTS_A_TICK", 2)
    watching = Watching(webhook, instance, cursor='{"after": 0, "runs": {}}')
    run, failed = fail_checks(instance), fail_run(instance)
    while watching.tick() != "nothing new failed":
        pass
    assert [body["run_id"] for body in received.bodies] == [run, failed]


def test_a_check_evaluated_outside_a_run_names_its_own_partition(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received
) -> None:
    watching = Watching(webhook, instance, cursor='{"after": 0, "runs": {}}')
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(dg.AssetKey("history"), "grave", passed=False, metadata={}, partition="sgd")
    )
    assert watching.tick() == "told of 1 run"
    (body,) = received.bodies
    assert (body["lines"], body["partition"]) == (["history sgd, check grave (error): failed"], "sgd")


def test_a_check_of_several_partitions_is_told_for_each_that_failed_and_not_once_more_for_all(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received
) -> None:
    watching = Watching(webhook, instance, cursor='{"after": 0, "runs": {}}')
    for partition, passed in (("adam", False), ("rmsprop", True), ("sgd", False), (None, False)):
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                dg.AssetKey("history"), "grave", passed=passed, metadata={}, partition=partition, description="told"
            )
        )
    watching.tick()
    lines = ["history adam, check grave (error): told", "history sgd, check grave (error): told"]
    assert (received.bodies[0]["lines"], received.bodies[0]["partition"]) == (lines, "adam, sgd")


@pytest.mark.parametrize(("answers", "requests"), [([503], 2), ([503, 503], 2), ([404], 1), ([302], 1)])
def test_a_webhook_is_tried_twice_where_that_may_help(
    webhook: Alerts, received: Received, answers: list[int], requests: int
) -> None:
    received.answers = list(answers)
    if answers == [503]:
        send(ALERT, webhook)
        assert received.bodies[0]["lines"] == ["it did", "to try: less"]
    else:
        with pytest.raises(UndeliveredError, match=rf"did not take the alert \(HTTP status {answers[-1]}\)"):
            send(ALERT, webhook)
    assert received.requests == requests


def test_the_address_may_come_from_the_environment_and_is_never_shown(
    webhook: Alerts, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = replace(webhook, url="env:HOOK")
    monkeypatch.setenv("HOOK", webhook.url)
    send(ALERT, named)
    assert len(received.bodies) == 1
    for address in (
        "",
        SECRET,
        f"ftp://here/{SECRET}",
        f"http://127.0.0.1:9/{SECRET}",
        f"http://h:{SECRET}/",
        f"http://127.0.0.1/{SECRET} ä",
    ):
        monkeypatch.setenv("HOOK", address)
        with pytest.raises(UndeliveredError) as caught:
            send(ALERT, named)
        assert SECRET not in str(caught.value)
        assert caught.value.__cause__ is None


def test_a_mail_reaches_all_recipients(relay: Alerts, received: Received) -> None:
    send(ALERT, relay)
    (mail,) = received.mails
    assert "Subject: ganforge: failed: a check\r\n" in mail
    assert "From: g@here\r\n" in mail
    assert "To: a@b, c@d\r\n" in mail
    assert "- it did\r\n- to try: less" in mail


def test_a_mail_server_that_refuses_or_is_gone_is_one_sentence(relay: Alerts) -> None:
    for settings in (replace(relay, recipients=("nobody@b",)), replace(relay, smtp_port=9)):
        with pytest.raises(UndeliveredError, match=r"the mail server 127\.0\.0\.1:\d+ did not take the alert \(.+\); "):
            send(ALERT, settings)


def test_the_log_takes_an_alert_at_its_severity(caplog: pytest.LogCaptureFixture) -> None:
    send(ALERT, replace(NOWHERE, sink="log"))
    send(replace(ALERT, severity="warn"), replace(NOWHERE, sink="log"))
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]
    assert caplog.messages[0] == ALERT.text == "ganforge: failed: a check\n- it did\n- to try: less"

"""Alerts of real failing checks and runs, received by a web server and a mail relay on this machine."""

import json
import logging
import socketserver
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from assets.graph.partitions import RANGE_END_TAG, RANGE_START_TAG
from assets.publishing.results import Result, publish_partitions, read_provenance
from assets.triggers import alert_sinks
from assets.triggers import alerts as alerts_module
from assets.triggers.alert_sinks import Alert, RefusedError, UndeliveredError, send
from assets.triggers.alerts import EVENTS_PER_TICK, LONGEST_TEXT, build_alerts_sensor, read_cursor
from assets.triggers.operations import Alerts
from pipeline.findings import Finding, Severity, failing
from tests.assets.origins import FOREIGN, OWN, OWN_TAGS, job_origin

SECRET = "T0K3N"
NOWHERE = Alerts("none", "", "", 25, "", (), "warn")
LINES = ("it did", "to try: less")
ALERT = Alert("ganforge: failed: a check", LINES, "", "error", "a/b", "adam", "r1", "2026-01-01", "r1.7")
OUTSIDE_A_RUN = dg.AssetKey(["mnist_mlp", "history"])  # checked without a run
PARTITIONS = dg.StaticPartitionsDefinition(["adam", "sgd"])


@dg.asset(
    partitions_def=PARTITIONS,
    check_specs=[dg.AssetCheckSpec(name, asset="history") for name in ("mild", "grave", "sound")],
)
def history(context: dg.AssetExecutionContext) -> Iterator[object]:
    yield dg.MaterializeResult(metadata={"steps": 3})
    yield dg.AssetCheckResult(check_name="mild", passed=False, severity=dg.AssetCheckSeverity.WARN, description="a bit")
    metadata: dict[str, Any] = {
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


@dg.asset(
    partitions_def=PARTITIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[dg.AssetCheckSpec("grave", asset="report")],
    config_schema={"cached": bool, "adam": str, "sgd": str},
)
def report(context: dg.AssetExecutionContext) -> Iterator[object]:
    """Fail the check in each partition with the severity and the words of the run."""
    said = context.op_execution_context.op_config
    yield from publish_partitions(
        context,
        context.asset_key,
        {key: Result(key, {}, said["cached"], [finding(said[key])]) for key in context.partition_keys},
        read_provenance(context),
    )


def finding(said: str) -> Finding:
    severity: Severity = "error" if "error" in said else "warn"
    return failing("grave", severity, said, {}, "train it longer")


@dg.asset
def stopped() -> None:
    raise DagsterExecutionInterruptedError


@dataclass
class Received:
    """The requests that a server on this machine received."""

    bodies: list[dict[str, Any]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)  # HTTP statuses to answer with, before 200
    requests: int = 0
    slow: bool = False  # answers later than the sender waits
    ids: list[str] = field(default_factory=list)  # of all requests, taken or not
    answered: threading.Event = field(default_factory=threading.Event)
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
            received.ids.append(body["alert_id"])
            if received.slow:
                received.answered.wait(5)
                return
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
            """Write no log of requests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield replace(NOWHERE, sink="webhook", url=f"http://127.0.0.1:{server.server_address[1]}/{SECRET}")
        received.answered.set()
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
    """Open an instance in memory."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """Open an instance in SQLite on disk, like that of a data folder: one database per run, and one across runs."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


class Watching:
    """A sensor through its ticks: each tick gets the cursor of the tick before."""

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
    return dg.materialize([history], instance=instance, partition_key=partition, tags=OWN_TAGS).run_id


def fail_run(instance: dg.DagsterInstance) -> str:
    return dg.materialize([broken], instance=instance, raise_on_error=False, tags=OWN_TAGS).run_id


def register(
    instance: dg.DagsterInstance, adam: str, sgd: str, *, cached: bool = False, range_of: tuple[str, str] | None = None
) -> dg.ExecuteInProcessResult:
    """A run of `report`, of both partitions or of one."""
    first, last = range_of or ("adam", "sgd")
    tags = {**OWN_TAGS, RANGE_START_TAG: first, RANGE_END_TAG: last}
    config = {"ops": {"report": {"config": {"cached": cached, "adam": adam, "sgd": sgd}}}}
    return dg.materialize([report], instance=instance, tags=tags, run_config=config)


def test_the_sensor_is_stopped_and_its_description_names_the_place_of_the_sinks(instance: dg.DagsterInstance) -> None:
    assert build_alerts_sensor(NOWHERE).default_status == dg.DefaultSensorStatus.STOPPED
    assert "set [alerts] sink in the file that GANFORGE_OPERATIONS names" in Watching(NOWHERE, instance).tick()


def test_failed_checks_of_a_run_are_one_message_with_evidence_and_advice(
    stored: dg.DagsterInstance, webhook: Alerts, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANFORGE_UI", "http://127.0.0.1:3000/")
    watching = Watching(webhook, stored)
    fail_checks(stored, "sgd")
    assert watching.tick() == "reports failures from now on"
    run = fail_checks(stored)
    assert watching.tick() == "reported 1 run"
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
    assert watching.tick() == "no new failures"
    assert received.requests == 1


def test_checks_below_the_least_severity_are_not_sent(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received
) -> None:
    watching = Watching(replace(webhook, least_severity="error"), instance, cursor='{"after": 0, "runs": {}}')
    fail_checks(instance)
    watching.tick()
    (body,) = received.bodies
    assert not any("mild" in line for line in body["lines"])
    assert body["title"].endswith("check grave of history adam")


def test_the_alert_of_a_failed_run_has_the_error_of_its_asset(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received
) -> None:
    watching = Watching(replace(webhook, least_severity="error"), instance, cursor='{"after": 0, "runs": {}}')
    run = fail_run(instance)
    assert watching.tick() == "reported 1 run"
    (body,) = received.bodies
    assert (body["title"], body["severity"], body["url"]) == (f"ganforge: failed: run {run[:8]}", "error", "")
    assert body["lines"] == ["broken failed: found 3 images, expected 10"]


def test_the_alert_of_a_run_failed_from_outside_names_the_reason_and_the_retry(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received
) -> None:
    watching = Watching(webhook, instance, cursor='{"after": 0, "runs": {}}')
    job = dg.Definitions(assets=[broken]).resolve_implicit_global_asset_job_def()
    run = instance.create_run_for_job(job, tags=OWN_TAGS)
    instance.add_run_tags(run.run_id, {"dagster/will_retry": "true"})
    instance.report_run_failed(run, "its process is gone")
    watching.tick()
    assert received.bodies[0]["lines"] == ["its process is gone", "the run is retried automatically"]


def test_an_unreachable_sink_loses_no_alert_and_none_is_sent_twice(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received
) -> None:
    watching = Watching(webhook, instance, cursor='{"after": 0, "runs": {}}')
    first, second = fail_checks(instance), fail_checks(instance, "sgd")
    received.answers = [200, 503]
    said = watching.tick()
    assert said.startswith("the webhook at 127.0.0.1 did not take the alert (HTTP status 503); the next tick")
    assert SECRET not in said + str(watching.cursor)
    assert [body["run_id"] for body in received.bodies] == [first]
    third = fail_run(instance)
    assert watching.tick() == "reported 2 runs"
    assert [body["run_id"] for body in received.bodies] == [first, second, third]
    assert read_cursor(str(watching.cursor)).runs == {}
    assert watching.tick() == "no new failures"


def test_a_refused_alert_is_sent_shortened_or_logged_and_later_alerts_are_sent(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received, caplog: pytest.LogCaptureFixture
) -> None:
    watching = Watching(webhook, instance, cursor='{"after": 0, "runs": {}}')
    first, second, third = fail_checks(instance), fail_checks(instance, "sgd"), fail_run(instance)
    received.answers = [413, 200, 400, 400]
    assert watching.tick() == "reported 2 runs; the sink refused 1, which the log has"
    assert [body["run_id"] for body in received.bodies] == [first, third]
    assert received.bodies[0]["lines"] == ["the sink refused the whole alert: see the run"]
    (logged,) = [record for record in caplog.records if record.name == alert_sinks.log.name]
    assert logged.levelno == logging.ERROR
    assert logged.getMessage().startswith("the webhook at 127.0.0.1 refused the alert (HTTP status 400), which is not")
    assert "to try: lower learning_rate from 0.1 to 0.05" in logged.getMessage()
    assert SECRET not in logged.getMessage()
    assert second not in [body["run_id"] for body in received.bodies]
    assert watching.tick() == "no new failures"


def test_a_webhook_that_answers_too_late_gets_one_request_a_tick_with_the_id_of_the_one_before(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_sinks, "TIMEOUT_SECONDS", 0.3)
    watching = Watching(webhook, instance, cursor='{"after": 0, "runs": {}}')
    run = fail_checks(instance)
    received.slow = True
    assert "did not take the alert (TimeoutError: timed out); the next tick tries again" in watching.tick()
    assert len(received.ids) == 1
    received.slow = False
    assert watching.tick() == "reported 1 run"
    assert received.ids == [received.bodies[0]["alert_id"]] * 2
    assert received.ids[0].startswith(f"{run}.")
    fail_checks(instance)
    watching.tick()
    assert len(set(received.ids)) == 2


def test_a_message_fits_chat_services_and_counts_the_parts_that_it_leaves_out(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received
) -> None:
    watching = Watching(webhook, instance, cursor='{"after": 0, "runs": {}}')
    for number in range(30):
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                OUTSIDE_A_RUN, f"check_{number}", passed=False, metadata={}, description="x" * (5000 - number)
            )
        )
    watching.tick()
    (body,) = received.bodies
    assert len(body["text"]) < LONGEST_TEXT + 500
    assert (len(body["title"]), body["title"][-3:]) == (200, "...")
    assert ([len(line) for line in body["lines"][:-1]], body["lines"][-1]) == ([1000] * 3, "27 more: see the run")


def test_a_run_that_a_person_stopped_is_not_sent_but_its_failed_checks_are(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received
) -> None:
    watching = Watching(webhook, instance, cursor='{"after": 0, "runs": {}}')
    dg.materialize([stopped], instance=instance, raise_on_error=False, tags=OWN_TAGS)
    assert watching.tick() == "no new failures"
    both = [stopped, history]
    dg.materialize(both, instance=instance, partition_key="adam", raise_on_error=False, tags=OWN_TAGS)
    assert watching.tick() == "reported 1 run"
    assert received.bodies[0]["title"] == "ganforge: failed: check mild, grave of history adam"


def test_checks_of_several_partitions_are_sent_by_partition_with_the_worst_severity(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received
) -> None:
    watching = Watching(replace(webhook, least_severity="error"), instance, cursor='{"after": 0, "runs": {}}')
    (together,) = register(instance, "warn", "error").get_asset_check_evaluations()[-1:]
    assert (together.severity, together.description) == (dg.AssetCheckSeverity.ERROR, "failed for adam, sgd")
    (mild,) = register(instance, "warn", "warn too").get_asset_check_evaluations()[-1:]
    assert mild.severity == dg.AssetCheckSeverity.WARN
    assert watching.tick() == "reported 1 run"
    lines = ["report sgd, check grave (error): error", "evidence: judged true", "to try: train it longer"]
    assert received.bodies[0]["lines"] == lines


@pytest.mark.parametrize("only", [None, ("sgd", "sgd")])
def test_a_failure_that_is_registered_again_unchanged_is_sent_once(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received, only: tuple[str, str] | None
) -> None:
    watching = Watching(webhook, instance, cursor='{"after": 0, "runs": {}}')
    register(instance, "error", "FID 40", cached=True, range_of=only)
    assert watching.tick() == "reported 1 run"  # the run that made it died before it recorded the result
    for _ in range(2):
        register(instance, "error", "FID 40", cached=True, range_of=only)
        assert watching.tick() == "no new failures"
    register(instance, "error", "FID 50", cached=True, range_of=only)
    register(instance, "error", "FID 50", cached=False, range_of=only)
    assert watching.tick() == "reported 2 runs"
    assert [body["partition"] for body in received.bodies[1:]] == ["sgd", "sgd" if only else "adam, sgd"]
    assert received.bodies[1]["lines"][0] == "report sgd, check grave (warn): FID 50"


def test_a_failure_in_another_project_of_the_same_instance_is_not_sent(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received
) -> None:
    watching = Watching(webhook, instance, cursor='{"after": 0, "runs": {}}')
    job = dg.Definitions(assets=[broken]).resolve_implicit_global_asset_job_def()
    foreign = instance.create_run_for_job(job, tags=OWN_TAGS, remote_job_origin=job_origin(*FOREIGN))
    own_run = instance.create_run_for_job(job, remote_job_origin=job_origin(*OWN))
    for run in (foreign, own_run):
        instance.report_run_failed(run, "its process is gone")
    dg.materialize([broken], instance=instance, raise_on_error=False)
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(dg.AssetKey("elsewhere"), "grave", passed=False, metadata={})
    )
    assert watching.tick() == "reported 1 run"
    assert [body["run_id"] for body in received.bodies] == [own_run.run_id]
    assert watching.tick() == "no new failures"


def test_alerts_beyond_the_time_of_one_tick_are_sent_by_the_next(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching = Watching(webhook, instance, cursor='{"after": 0, "runs": {}}')
    fail_checks(instance)
    monkeypatch.setattr(alerts_module, "LONGEST_TICK_SECONDS", -1.0)
    assert watching.tick() == "reported 0 of 1 runs; the next tick continues"
    monkeypatch.undo()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert watching.tick() == "reported 1 run"


def test_a_long_log_is_read_in_parts_without_a_gap(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert EVENTS_PER_TICK > 100
    monkeypatch.setattr(alerts_module, "EVENTS_PER_TICK", 2)
    watching = Watching(webhook, instance, cursor='{"after": 0, "runs": {}}')
    first, second, failed = fail_checks(instance), fail_checks(instance, "sgd"), fail_run(instance)
    while watching.tick() != "no new failures":
        pass
    assert [body["run_id"] for body in received.bodies] == [first, second, second, failed]
    assert len(set(received.ids)) == 4
    checks = [line.split()[3] for body in received.bodies for line in body["lines"] if ", check " in line]
    assert checks == ["mild", "grave", "mild", "grave"]


def test_a_check_evaluated_outside_a_run_names_its_own_partition(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received
) -> None:
    watching = Watching(webhook, instance, cursor='{"after": 0, "runs": {}}')
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(OUTSIDE_A_RUN, "grave", passed=False, metadata={}, partition="sgd")
    )
    assert watching.tick() == "reported 1 run"
    (body,) = received.bodies
    assert (body["lines"], body["partition"]) == (["mnist_mlp/history sgd, check grave (error): failed"], "sgd")


def test_a_check_of_several_partitions_is_sent_once_per_failed_partition(
    instance: dg.DagsterInstance, webhook: Alerts, received: Received
) -> None:
    watching = Watching(webhook, instance, cursor='{"after": 0, "runs": {}}')
    sums: dict[str, Any] = {"partitions": dg.MetadataValue.table([dg.TableRecord({"partition": "adam"})])}
    for partition, passed in (("adam", False), ("rmsprop", True), ("sgd", False), (None, False)):
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                OUTSIDE_A_RUN,
                "grave",
                passed=passed,
                metadata={} if partition else sums,
                partition=partition,
                description="told",
            )
        )
    watching.tick()
    lines = [f"mnist_mlp/history {partition}, check grave (error): told" for partition in ("adam", "sgd")]
    assert (received.bodies[0]["lines"], received.bodies[0]["partition"]) == (lines, "adam, sgd")


@pytest.mark.parametrize(("status", "is_refusal"), [(503, False), (429, False), (302, False), (404, True), (413, True)])
def test_a_webhook_that_answered_is_not_called_again_at_once_and_refuses_with_400_to_499(
    webhook: Alerts, received: Received, status: int, is_refusal: bool
) -> None:
    received.answers = [status]
    with pytest.raises(UndeliveredError, match=rf"the alert \(HTTP status {status}\)") as caught:
        send(ALERT, webhook)
    assert (received.requests, isinstance(caught.value, RefusedError)) == (1, is_refusal)


def test_a_webhook_that_could_not_be_reached_is_tried_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    class Opener:
        ends: list[Exception | None]

        def open(self, request: urllib.request.Request, timeout: float) -> nullcontext[None]:
            if (error := self.ends.pop(0)) is not None:
                raise error
            return nullcontext()

    opener, refused = Opener(), urllib.error.URLError(ConnectionRefusedError("no one there"))
    monkeypatch.setattr(urllib.request, "build_opener", lambda _: opener)
    opener.ends = [refused, None]
    send(ALERT, replace(NOWHERE, url="http://here/", sink="webhook"))
    opener.ends = [refused, refused, None]
    with pytest.raises(UndeliveredError, match="ConnectionRefusedError: no one there"):
        send(ALERT, replace(NOWHERE, url="http://here/", sink="webhook"))
    assert opener.ends == [None]


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
    with pytest.raises(
        RefusedError, match=r"the mail server 127\.0\.0\.1:\d+ refused the alert \(.*nobody@b.*\), which"
    ):
        send(ALERT, replace(relay, recipients=("nobody@b",)))
    with pytest.raises(
        UndeliveredError, match=r"the mail server 127\.0\.0\.1:9 did not take the alert \(.+\); "
    ) as gone:
        send(ALERT, replace(relay, smtp_port=9))
    assert not isinstance(gone.value, RefusedError)


def test_the_log_takes_an_alert_at_its_severity(caplog: pytest.LogCaptureFixture) -> None:
    send(ALERT, replace(NOWHERE, sink="log"))
    send(replace(ALERT, severity="warn"), replace(NOWHERE, sink="log"))
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]
    assert caplog.messages[0] == ALERT.text == "ganforge: failed: a check\n- it did\n- to try: less"

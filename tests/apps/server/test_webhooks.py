"""Webhooks: signed as Standard Webhooks says, tried again, never into private networks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import json
import threading

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("starlette.testclient", reason="needs a client for tests")

import sqlalchemy as sql

from skyreels_avatar.apps.jobs.database import deliveries
from skyreels_avatar.apps.server import outbound
from skyreels_avatar.apps.server.webhooks import WebhookSender, signature_headers
from tests.apps.sending import serving


@pytest.fixture
def receiver():
    """Yield the address of a server, what it was sent, and a list of answers to give."""
    sent, answers = [], []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            sent.append((dict(self.headers), body))
            status = answers.pop(0) if answers else 200
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", sent, answers
    server.shutdown()


SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()


def _finished(client, state, url):
    webhook = {"url": url, "secret": SECRET}
    body = {"kind": "speak", "input": {"text": "x"}, "webhook": webhook}
    job_id = client.post("/v1/jobs", json=body).json()["id"]
    state.queue.finish(state.queue.claim("host:1"), "succeeded", {"duration_s": 1.0})
    return job_id


def _deliveries(state):
    with state.queue.database.read() as connection:
        return connection.execute(sql.select(deliveries)).all()


def _make_due(state):
    with state.queue.database.write() as connection:
        connection.execute(
            deliveries.update().where(deliveries.c.next_at.is_not(None)).values(next_at=0.0)
        )


def test_a_webhook_is_signed_and_sent_once(tmp_path, receiver):
    url, sent, _ = receiver
    with serving(tmp_path, private_addresses=True) as (client, state):
        client.app.state.webhooks.stop()
        job_id = _finished(client, state, url)
        sender = WebhookSender(state)
        assert sender.send_next() and not sender.send_next()
    (headers, body), *more = sent
    assert not more
    headers = {name.lower(): value for name, value in headers.items()}
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(b"k" * 24, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    told = json.loads(body)
    assert told["type"] == "job.succeeded" and told["data"]["id"] == job_id


def test_what_fails_is_tried_again_later_and_redirects_are_failures(tmp_path, receiver):
    url, sent, answers = receiver
    answers += [500, 302, 200]
    with serving(tmp_path, private_addresses=True) as (client, state):
        client.app.state.webhooks.stop()
        _finished(client, state, url)
        sender = WebhookSender(state)
        ids = set()
        for number, error in enumerate(("500", "302", None)):
            _make_due(state)
            assert sender.send_next() and not sender.send_next()
            (row,) = _deliveries(state)
            assert (row.num_attempts, row.last_error) == (number + 1, error)
            assert (row.next_at is None) == (error is None)
            ids.add(sent[-1][0]["webhook-id"])
        assert len(sent) == 3 and len(ids) == 1


def test_a_private_address_behind_a_name_is_not_called(tmp_path, receiver, monkeypatch):
    url, sent, _ = receiver
    port = url.rsplit(":", 1)[1]
    with serving(tmp_path) as (client, state):
        client.app.state.webhooks.stop()
        name = f"http://public.example:{port}"
        found = [(2, 1, 6, "", ("127.0.0.1", 80))]
        monkeypatch.setattr(outbound.socket, "getaddrinfo", lambda *_, **__: found)
        _finished(client, state, name)
        assert WebhookSender(state).send_next()
        (row,) = _deliveries(state)
        assert "private network" in row.last_error and sent == []


def test_a_secret_may_be_any_text():
    headers = signature_headers("msg_1", 5, b"{}", "secret")
    wanted = hmac.new(b"secret", b"msg_1.5.{}", hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(wanted).decode()}"

"""Calls that tell others of jobs: persisted in the queue's database, signed, tried again.

Source: Standard Webhooks (headers webhook-id, webhook-timestamp, webhook-signature; v1 is
HMAC-SHA256 over "id.timestamp.body", base64).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import http.client
import json
import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql

from skyreels_avatar.apps.jobs.database import deliveries
from skyreels_avatar.apps.jobs.records import Job, RequestError
from skyreels_avatar.apps.server.fal import result_json
from skyreels_avatar.apps.server.outbound import open_url
from skyreels_avatar.apps.server.present import job_json, timestamp
from skyreels_avatar.apps.server.replicate import default_secret, prediction_json
from skyreels_avatar.apps.server.state import ServerState

logger = logging.getLogger(__name__)

RETRIES_S = (5, 30, 120, 600, 3600, 6 * 3600, 24 * 3600)
_TAKEN_S = 60.0  # while one server tries, others leave it alone
_POLL_S = 1.0


@dataclass
class WebhookSender:
    """Calls what is due, one after the other, in a thread."""

    state: ServerState

    def __post_init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="webhooks")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is not delivered stays in the database."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=15)

    def _run(self) -> None:
        while not self._stopped.wait(_POLL_S):
            with contextlib.suppress(sql.exc.SQLAlchemyError):  # a busy database: later
                while not self._stopped.is_set() and self.send_next():
                    pass

    def send_next(self) -> bool:
        """Call the webhook that has been due the longest; return False if none is."""
        taken = self._take()
        if taken is None:
            return False
        job = self.state.queue.find(taken.job)
        if job is None or job.webhook is None:
            self._note(taken.id, None, "the job is gone")
            return True
        error = self._call(job, taken)
        after = RETRIES_S[taken.num_attempts] if taken.num_attempts < len(RETRIES_S) else None
        if error is None or error == "410":
            after = None
        self._note(taken.id, None if after is None else time.time() + after, error)
        if error is not None:
            logger.warning("the webhook of job %s failed: %s", job.id, error)
        return True

    def _take(self) -> Any:
        now = time.time()
        query = sql.select(deliveries).where(deliveries.c.next_at <= now)
        with self.state.queue.database.write() as connection:
            found = connection.execute(query.order_by(deliveries.c.next_at).limit(1)).first()
            if found is None:
                return None
            taken = connection.execute(
                deliveries.update()
                .where(deliveries.c.id == found.id, deliveries.c.next_at == found.next_at)
                .values(next_at=now + _TAKEN_S, num_attempts=deliveries.c.num_attempts + 1)
            )
            return found if taken.rowcount else None

    def _note(self, delivery_id: str, next_at: float | None, error: str | None) -> None:
        with self.state.queue.database.write() as connection:
            connection.execute(
                deliveries.update()
                .where(deliveries.c.id == delivery_id)
                .values(next_at=next_at, last_error=error)
            )

    def _call(self, job: Job, delivery: Any) -> str | None:
        """Call a webhook; return what went wrong."""
        webhook = job.webhook or {}
        body = json.dumps(_payload(self.state, job, delivery.event)).encode()
        secret = webhook.get("secret") or default_secret(self.state, job.user)
        headers = {
            "Content-Type": "application/json", "User-Agent": "skyreels-avatar",
            **signature_headers(delivery.id, int(time.time()), body, secret),
        }  # fmt: skip
        allowed = self.state.settings.private_addresses
        try:
            with open_url("POST", webhook["url"], body, headers, allowed) as response:
                response.read(1024)
                return None if 200 <= response.status < 300 else str(response.status)
        except RequestError as error:
            return error.message
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__


def _payload(state: ServerState, job: Job, event: str) -> dict[str, Any]:
    base_url = (job.webhook or {}).get("base_url") or state.base_url(None)
    if job.dialect == "replicate":
        return prediction_json(state, job, base_url)
    if job.dialect == "fal":
        content, status = result_json(state, job, base_url)
        found = {"request_id": job.id, "gateway_request_id": job.id, "payload": content}
        return found | {"status": "OK" if status == 200 else "ERROR"}
    return {
        "type": f"job.{job.status if event == 'completed' else event}",
        "timestamp": timestamp(time.time()),
        "data": job_json(state, job, base_url),
    }


def signature_headers(message_id: str, moment: int, body: bytes, secret: str) -> dict[str, str]:
    """Return the headers that sign a call.

    Args:
        secret: whsec_BASE64, or any text.
    """
    signed = f"{message_id}.{moment}.".encode() + body
    digest = hmac.new(_key_of(secret), signed, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(moment),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def _key_of(secret: str) -> bytes:
    if secret.startswith("whsec_"):
        with contextlib.suppress(binascii.Error, ValueError):
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    return secret.encode()

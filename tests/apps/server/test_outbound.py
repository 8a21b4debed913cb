"""Where the server itself connects to: public addresses, and nothing that changes on the way."""

from __future__ import annotations

import http.server
import ipaddress
import threading

import pytest

from skyreels_avatar.apps.jobs.records import RequestError
from skyreels_avatar.apps.server import outbound
from skyreels_avatar.apps.server.outbound import check_url, is_public, open_url


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("127.0.0.1", False), ("10.1.2.3", False),
        ("169.254.169.254", False), ("0.0.0.0", False), ("100.64.0.1", False), ("::1", False),
        ("::ffff:127.0.0.1", False), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False),
        ("fe80::1", False), ("fc00::1", False), ("224.0.0.1", False), ("192.168.0.1", False),
    ],
)  # fmt: skip
def test_only_addresses_of_the_internet_are_public(address, public):
    assert is_public(ipaddress.ip_address(address)) == public


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "gopher://a/", "http://", "http://a b/", "http://a:99999/"]
)
def test_other_addresses_are_not_opened(url):
    with pytest.raises(RequestError), open_url("GET", url):
        raise AssertionError


def test_a_name_with_one_private_address_is_refused(monkeypatch):
    found = [(2, 1, 6, "", (address, 80)) for address in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(outbound.socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(RequestError, match="private"), open_url("GET", "http://a.example/"):
        raise AssertionError


def test_a_name_is_looked_up_once_and_that_address_is_called(monkeypatch):
    """A second answer to the same question could be another one: DNS rebinding."""
    hosts, lookups = [], []

    class Told(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            hosts.append(self.headers["host"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Told)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port, real = server.server_port, outbound.socket.getaddrinfo

    def look_up(host, *arguments, **options):
        if host != "a.example":
            return real(host, *arguments, **options)
        lookups.append(host)
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(outbound.socket, "getaddrinfo", look_up)
    with open_url("GET", f"http://a.example:{port}/x", private_addresses=True) as response:
        assert response.status == 204
    assert lookups == ["a.example"] and hosts == [f"a.example:{port}"]
    server.shutdown()


def test_an_address_is_checked_as_far_as_it_can_be_before_a_call():
    check_url("https://example.com/hook")
    check_url("http://10.0.0.1/", private_addresses=True)
    for url in ("http://10.0.0.1/", "http://LOCALHOST/", "http://[::ffff:10.0.0.1]/"):
        with pytest.raises(RequestError, match="does not call"):
            check_url(url)

"""Requests as a browser sends them for a page that is not the server's own, and what a server has to answer."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field

EVIL = "https://evil.example"
SIMPLE = {"Content-Type": "text/plain;charset=UTF-8"}
"""What a page may send to anybody without asking first."""
CLICKED = {
    "Sec-Fetch-Site": "same-site",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-User": "?1",
}
"""What a browser sends when a person follows a link on a page of another port of this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserRequest:
    """One request. `host` is what the page's address bar says where that name resolves to this machine."""

    method: str = "GET"
    host: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None


def foreign_requests(port: int) -> dict[str, BrowserRequest]:
    """Return what a page elsewhere can have a browser send to a port of this machine, by what it is."""
    preflight = {
        "Origin": EVIL,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-amz-target",
    }
    rebound = f"evil.example:{port}"
    return {
        "a preflight": BrowserRequest(method="OPTIONS", headers=preflight),
        "a form": BrowserRequest(method="POST", headers={**SIMPLE, "Origin": EVIL}, body=b"Action=RunInstances"),
        "a sandboxed frame": BrowserRequest(method="POST", headers={**SIMPLE, "Origin": "null"}, body=b"{}"),
        "an image": BrowserRequest(headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}),
        "another port's page": BrowserRequest(headers={"Sec-Fetch-Site": "same-site"}),
        "another port's script that navigates": BrowserRequest(
            headers={name: value for name, value in CLICKED.items() if name != "Sec-Fetch-User"}
        ),
        "another port's frame": BrowserRequest(headers={**CLICKED, "Sec-Fetch-Dest": "iframe"}),
        "another port's form": BrowserRequest(method="POST", headers={**CLICKED, **SIMPLE}, body=b"{}"),
        "another site's link": BrowserRequest(headers={**CLICKED, "Sec-Fetch-Site": "cross-site"}),
        "another port's fetch": BrowserRequest(method="POST", headers={"Origin": "http://127.0.0.1:1"}, body=b"{}"),
        "a rebound name": BrowserRequest(host=rebound),
        "a rebound name's fetch": BrowserRequest(
            method="POST",
            host=rebound,
            headers={**SIMPLE, "Origin": f"http://{rebound}", "Sec-Fetch-Site": "same-origin"},
            body=b"{}",
        ),
        "a name that begins like ours": BrowserRequest(host=f"localhost.evil.example:{port}"),
        "our name without its port": BrowserRequest(host="127.0.0.1"),
    }


def send(port: int, request: BrowserRequest, *, timeout_seconds: float = 10) -> tuple[int, dict[str, str]]:
    """Return the status and the headers, by their names in lower case, of the answer to a request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_seconds)
    try:
        connection.putrequest(request.method, "/", skip_host=True)
        connection.putheader("Host", request.host or f"127.0.0.1:{port}")
        for name, value in request.headers.items():
            connection.putheader(name, value)
        if request.body is not None:
            connection.putheader("Content-Length", str(len(request.body)))
        connection.endheaders(request.body)
        answer = connection.getresponse()
        answer.read()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def taken(port: int) -> dict[str, str]:
    """Return what a server on `port` did with each foreign request that it did not refuse."""
    found: dict[str, str] = {}
    for what, request in foreign_requests(port).items():
        status, headers = send(port, request)
        shared = [name for name in headers if name.startswith("access-control-")]
        if status != http.HTTPStatus.FORBIDDEN or shared:
            found[what] = f"{status} {', '.join(shared)}".strip()
    return found

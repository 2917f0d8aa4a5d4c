"""The services on loopback that hand credentials to the SDK: a container's, an instance's, STS's and SSO's.

They speak as much of the documented protocols as the SDK needs, and say which of them was asked.
"""

from __future__ import annotations

import datetime as dt
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.served_in_thread import ServedInThread

CONTAINER_TOKEN = "container-token"


class CredentialService(ServedInThread):
    """One server that plays all of them.

    Attributes:
        keys: What is handed out: AccessKeyId, SecretAccessKey, Token.
        lifetime: Seconds until what is handed out ends.
        asked: The kinds of service that were asked, in order.
    """

    def __init__(self, keys: dict[str, str], *, lifetime: float = 3600) -> None:
        self.keys = keys
        self.lifetime = lifetime
        self.asked: list[str] = []
        service = self

        class Handler(_Handler):
            owner = service

        self._serve(ThreadingHTTPServer(("127.0.0.1", 0), Handler))

    @property
    def end(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.lifetime)

    def answer(self, method: str, path: str, authorization: str, body: str) -> tuple[int, str]:
        """Return status and body of an answer."""
        ends = self.end.strftime("%Y-%m-%dT%H:%M:%SZ")
        if path == "/container":
            self.asked.append("container")
            if authorization != CONTAINER_TOKEN:
                return 401, "{}"
            return 200, json.dumps({**self.keys, "Expiration": ends})
        if path == "/latest/api/token" and method == "PUT":
            return 200, "metadata-session"
        if path == "/latest/meta-data/iam/security-credentials/":
            return 200, "role"
        if path == "/latest/meta-data/iam/security-credentials/role":
            self.asked.append("instance")
            return 200, json.dumps({**self.keys, "Code": "Success", "Type": "AWS-HMAC", "Expiration": ends})
        if path.startswith("/federation/credentials"):
            self.asked.append("sso")
            return 200, json.dumps({"roleCredentials": self._sso_keys()})
        if method == "POST" and "Action=AssumeRoleWithWebIdentity" in body:
            self.asked.append("web identity")
            return 200, self._sts_answer(ends)
        return 404, "not found"

    def _sso_keys(self) -> dict[str, Any]:
        return {
            "accessKeyId": self.keys["AccessKeyId"],
            "secretAccessKey": self.keys["SecretAccessKey"],
            "sessionToken": self.keys["Token"],
            "expiration": int(self.end.timestamp() * 1000),
        }

    def _sts_answer(self, ends: str) -> str:
        named = {
            "AccessKeyId": self.keys["AccessKeyId"],
            "SecretAccessKey": self.keys["SecretAccessKey"],
            "SessionToken": self.keys["Token"],
            "Expiration": ends,
        }
        fields = "".join(f"<{name}>{value}</{name}>" for name, value in named.items())
        return (
            '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            f"<AssumeRoleWithWebIdentityResult><Credentials>{fields}</Credentials></AssumeRoleWithWebIdentityResult>"
            "</AssumeRoleWithWebIdentityResponse>"
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: CredentialService

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode() if length else ""
        status, text = self.owner.answer(self.command, self.path, self.headers.get("Authorization", ""), body)
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("x-aws-ec2-metadata-token-ttl-seconds", "21600")
        self.end_headers()
        self.wfile.write(data)

    def do_PUT(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_arguments: object) -> None:
        pass

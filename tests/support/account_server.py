"""SeaweedFS with accounts: users whose keys can be made and withdrawn, and roles whose temporary keys are checked."""

from __future__ import annotations

import base64
import json
import os
import textwrap
from typing import TYPE_CHECKING, Any

import boto3

from support.servers import ACCESS_KEY, SECRET_KEY, SeaweedFS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BUCKET = "recordfs-accounts"
ROLE = "arn:aws:iam::000000000000:role/trainer"
REGION = "us-east-1"
DOMAINS = (
    "s3.amazonaws.com",
    "s3.us-east-1.amazonaws.com",
    "s3.eu-west-1.amazonaws.com",
    "s3.cn-north-1.amazonaws.com.cn",
    "s3.dualstack.us-east-1.amazonaws.com",
    "s3-fips.us-east-1.amazonaws.com",
    "s3-accelerate.amazonaws.com",
    "store.example",
)
"""Requests to buckets below these hosts are understood too."""

_EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}]}


class AccountServer(SeaweedFS):
    """An S3 server that also answers the requests of IAM and STS, on the same port."""

    def command(self) -> list[str]:
        trust = {"Effect": "Allow", "Principal": "*", "Action": ["sts:AssumeRole"]}
        settings = {
            "sts": {
                "tokenDuration": "1h",
                "maxSessionLength": "12h",
                "issuer": "recordfs-tests",
                "signingKey": base64.b64encode(bytes(range(32))).decode(),
            },
            "policy": {"defaultEffect": "Deny", "storeType": "memory"},
            "policies": [{"name": "Everything", "document": _EVERYTHING}],
            "roles": [
                {
                    "roleName": ROLE.rpartition("/")[2],
                    "roleArn": ROLE,
                    "trustPolicy": {"Version": "2012-10-17", "Statement": [trust]},
                    "attachedPolicies": ["Everything"],
                }
            ],
        }
        path = os.path.join(self.directory, "iam.json")
        with open(path, "w") as file:
            json.dump(settings, file)
        return [
            *super().command(),
            "-s3.iam.readOnly=false",
            f"-s3.iam.config={path}",
            f"-s3.domainName={','.join(DOMAINS)}",
        ]

    def client(self, service: str) -> Any:
        """Return a client of the owner's."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )

    def temporary_keys(self) -> dict[str, str]:
        """Return keys of the role, with the session token without which they are refused."""
        answer = self.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="recordfs-tests", DurationSeconds=900)
        return keys_of(answer["Credentials"])

    def make_user(self, name: str, *statements: tuple[str, str]) -> None:
        """Make a user who may do everything with the store's objects, or only ``(action, resource)``."""
        allowed = [
            {"Effect": "Allow", "Action": [action], "Resource": [resource]} for action, resource in statements
        ] or _EVERYTHING["Statement"]
        policy = {"Version": "2012-10-17", "Statement": allowed}
        iam = self.client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=json.dumps(policy))

    def make_keys(self, user: str) -> dict[str, str]:
        """Return one more pair of keys of a user."""
        return keys_of(self.client("iam").create_access_key(UserName=user)["AccessKey"])

    def withdraw_keys(self, user: str, keys: Mapping[str, str]) -> None:
        """Have a pair of keys refused from now on."""
        self.client("iam").delete_access_key(UserName=user, AccessKeyId=keys["AccessKeyId"])


def keys_of(answer: Mapping[str, str]) -> dict[str, str]:
    """Return what belongs to the keys, under the names that credential services use."""
    return {
        "AccessKeyId": answer["AccessKeyId"],
        "SecretAccessKey": answer["SecretAccessKey"],
        "Token": answer.get("SessionToken", ""),
    }


def write_settings(home: Path, *, config: str = "", credentials: str = "") -> None:
    """Write the SDK's two files below a home directory."""
    (home / ".aws" / "config").write_text(textwrap.dedent(config))
    (home / ".aws" / "credentials").write_text(textwrap.dedent(credentials))

"""The other end of PeerProcess (peers.py): reads snippets from standard input, answers on the descriptor it is given.

It runs in a peer's environment, so it imports nothing but the standard library, and nothing of this project. A request
and its answer are one line of JSON each; what a snippet prints goes to the log, not between the answers.
"""

import base64
import json
import os
import sys
import traceback
from typing import Any


def bytes_to_json(value: object) -> object:
    """The `default` of json.dumps."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"base64": base64.b64encode(value).decode()}
    if hasattr(value, "item"):  # a NumPy scalar
        return value.item()
    raise TypeError(f"neither JSON nor bytes: {type(value).__name__}")


def bytes_from_json(value: dict[str, Any]) -> Any:
    """The `object_hook` of json.loads."""
    return base64.b64decode(value["base64"]) if value.keys() == {"base64"} else value


def run(request: bytes, state: dict[str, Any]) -> str:
    """Runs the snippet in one request and returns the answer."""
    source, arguments = json.loads(request, object_hook=bytes_from_json)
    variables = {"__name__": "snippet", "state": state, **arguments}
    try:
        exec(compile(source, "<snippet>", "exec"), variables)
        return json.dumps({"result": variables.get("result")}, default=bytes_to_json)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the other side raises it
        return json.dumps({"error": [type(error).__name__, str(error), traceback.format_exc()]})


def main() -> None:
    """Answers until standard input ends."""
    state: dict[str, Any] = {}
    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)  # else a program the snippet leaves behind would hide that this one ended
    with os.fdopen(descriptor, "wb") as answers:
        for request in sys.stdin.buffer:
            answers.write(run(request, state).encode() + b"\n")
            answers.flush()


if __name__ == "__main__":
    main()

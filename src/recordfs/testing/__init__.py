"""Test suites for whoever writes a filesystem, and a filesystem that fails on purpose.

``recordfs.testing.conformance`` has one scenario for every statement of the contract (needs pytest),
``recordfs.testing.stateful`` looks for sequences of calls that break it (needs hypothesis), and
``recordfs.testing.faulty`` fails, shortens and delays calls on a schedule (needs nothing).
``recordfs.testing.object_store`` is an object store in memory that loses answers, is late and tears calls by a seed
(needs nothing).
"""

import sys

# So that a failing scenario shows the values, as in a test file of one's own. Only a running pytest is interested.
if "pytest" in sys.modules:
    for _module in (
        "appending",
        "conformance",
        "moving",
        "names",
        "place",
        "processes",
        "reading",
        "stateful",
        "updating",
        "writing",
    ):
        sys.modules["pytest"].register_assert_rewrite(f"recordfs.testing.{_module}")

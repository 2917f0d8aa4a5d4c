# ruff: noqa: E501 (a row is read best as one line)
"""The table of operations that TensorFlow's gfile and recordfs's are both asked to do, and where they shall differ.

A row is Python that leaves its answer in ``result``. It finds ``gfile``, ``file_io``, ``GFile`` and ``os``, a fresh
directory ``D`` with the tree that `PREPARE` makes, ``put(name, data)`` and ``get(name)``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

# Runs rows; it is run by TensorFlow's process and by the tests' own. Answers are JSON: ["ok", value] or
# ["error", status code or class].
RUNNER = r"""
import os, tempfile

def plain(value, directory):
    if isinstance(value, (bytes, bytearray)):
        return "bytes " + bytes(value).decode("latin-1").replace(directory, "D")
    if isinstance(value, str):
        return value.replace(directory, "D")
    if isinstance(value, (list, tuple)):
        return [plain(one, directory) for one in value]
    return value

def run_row(source, directory, gfile, file_io):
    def put(name, data):
        with open(os.path.join(directory, name), "wb") as file:
            file.write(data)

    def get(name):
        with open(os.path.join(directory, name), "rb") as file:
            return file.read()

    os.makedirs(directory + "/d/sub")
    os.makedirs(directory + "/e")
    put("f", b"hello\nworld\n")
    put("t", "h\u00e9llo\n\u20ac\n".encode())
    put("d/a.txt", b"a")
    put("d/.h.txt", b"h")
    put("d/sub/b.txt", b"bb")
    os.symlink("nowhere", directory + "/dangling")
    os.makedirs(directory + "/odd")
    for name in ("a[b", "a[bc", "[x", "5", "q"):
        put("odd/" + name, b"")
    scope = {"D": directory, "GFile": gfile.GFile, "gfile": gfile, "file_io": file_io, "os": os, "put": put, "get": get}
    try:
        exec(source, scope)
    except Exception as error:
        code = getattr(error, "error_code", getattr(error, "code", None))
        return ["error", type(error).__name__ if code is None else int(code)]
    return ["ok", plain(scope.get("result", "nothing raised"), directory)]

def run_rows(rows, gfile, file_io):
    here = os.getcwd()
    try:
        with tempfile.TemporaryDirectory() as top:
            return [run_row(source, f"{top}/{number}", gfile, file_io) for number, source in enumerate(rows)]
    finally:
        os.chdir(here)
"""


class Row(NamedTuple):
    """A question, and the answers where they differ.

    Attributes:
        source: The Python to run.
        tensorflow: What TensorFlow answers, where recordfs answers otherwise on purpose.
        recordfs: What recordfs answers there.
    """

    source: str
    tensorflow: list[Any] | None = None
    recordfs: list[Any] | None = None


INVALID, NOT_FOUND, EXISTS, DENIED, PRECONDITION, OUT_OF_RANGE, UNIMPLEMENTED = (
    ["error", code] for code in (3, 5, 6, 7, 9, 11, 12)
)
TYPE_ERROR = ["error", "TypeError"]


def ok(value: Any) -> list[Any]:
    """The answer of a row that raises nothing."""
    return ["ok", value]


FILE_ROWS = {
    # Modes and laziness.
    **{f"mode {mode!r}": Row(f"result = GFile(D + '/f', {mode!r}).mode") for mode in ("rb", "br", "rbb", "b+a", "r+b")},
    **{f"mode {mode!r}": Row(f"GFile(D + '/f', {mode!r})") for mode in ("rt", "x", "U", "", "b", "rw")},
    "no path": Row("GFile(None).read()"),
    "constructor does nothing": Row("GFile(D + '/no/such', 'w'); GFile('no-such://x'); result = 1"),
    "w unwritten": Row(
        "GFile(D + '/n', 'w').close(); GFile(D + '/f', 'w').close(); result = [os.path.exists(D + '/n'), get('f')]"
    ),
    "w writes nothing": Row("f = GFile(D + '/f', 'w'); f.write(''); f.close(); result = get('f')"),
    "missing": Row("GFile(D + '/n').read()"),
    "missing r+": Row("GFile(D + '/n', 'r+').read()"),
    "unknown scheme": Row("GFile('nosuch://x').read()"),
    "read in w": Row("GFile(D + '/f', 'w').read()"),
    "seek in a": Row("GFile(D + '/f', 'a').seek(0)"),
    "write in r": Row("GFile(D + '/f').write('x')"),
    # Reading.
    "read text": Row("result = GFile(D + '/t').read()"),
    "read bytes": Row("result = GFile(D + '/t', 'rb').read()"),
    "read no text": Row("put('x', b'\\xff'); GFile(D + '/x').read()"),
    "read counts bytes": Row("f = GFile(D + '/t'); result = [f.read(3), f.tell(), f.read(3)]"),
    "read(0)": Row("result = GFile(D + '/f').read(0)"),
    "read(-2)": Row("GFile(D + '/f').read(-2)"),
    "read(1.0)": Row("GFile(D + '/f').read(1.0)"),
    "read at the end": Row("f = GFile(D + '/f'); f.read(); result = [f.read(), f.read(5)]"),
    "readline": Row("f = GFile(D + '/f'); result = [f.readline(), f.tell(), f.readline(), f.readline()]"),
    "readlines": Row("result = [GFile(D + '/t').readlines(), GFile(D + '/t', 'rb').readlines()]"),
    "iteration": Row("result = list(GFile(D + '/t'))"),
    "next": Row("f = GFile(D + '/f'); result = [next(f), f.tell()]"),
    "next by name": Row("f = GFile(D + '/f'); result = [f.next(), f.tell(), f.next()]"),
    "its own iterator": Row("f = GFile(D + '/f'); result = [iter(f) is f, next(iter(f)), list(f)]"),
    "next at the end": Row("f = GFile(D + '/f'); f.read(); next(f)"),
    "tell in a loop": Row("f = GFile(D + '/f')\nresult = []\nfor line in f: result.append(f.tell())"),
    "seek and tell": Row(
        "f = GFile(D + '/f'); f.seek(6); a = f.read(2); f.seek(-1, 1); b = f.tell(); f.seek(-3, 2); result = [a, b, f.read()]"
    ),
    "seek negative": Row("f = GFile(D + '/f'); f.seek(-1)"),
    "position after seek negative": Row(
        "f = GFile(D + '/f'); f.seek(2)\ntry: f.seek(-1)\nexcept Exception: pass\nresult = f.tell()"
    ),
    "seek past the end": Row(
        "f = GFile(D + '/f')\nf.seek(13)\nresult = [f.tell(), f.read()]", OUT_OF_RANGE, ok([13, ""])
    ),
    "seek whence": Row("GFile(D + '/f').seek(0, 3)"),
    "seek nothing": Row("GFile(D + '/f').seek()"),
    "seek both": Row(
        "import warnings\nwith warnings.catch_warnings():\n  warnings.simplefilter('ignore'); GFile(D + '/f').seek(1, position=1)"
    ),
    "size": Row("f = GFile(D + '/f'); a = f.size(); put('f', b'x'); result = [a, f.size()]"),
    "size missing": Row("GFile(D + '/n').size()"),
    "seekable": Row("result = GFile(D + '/f').seekable()"),
    "name and mode": Row("f = GFile(D + '/f', 'rb'); result = [f.name, f.mode]"),
    "directory": Row("GFile(D + '/d').read()"),
    "below a file": Row("GFile(D + '/f/x').read()"),
    "with": Row("with GFile(D + '/f') as f: result = f.read()"),
    # Writing.
    "write str and bytes": Row(
        "f = GFile(D + '/x', 'w'); f.write('\\u00e9\\r\\n'); f.write(b'\\xff'); f.write(bytearray(b'a')); t = f.tell(); f.close(); result = [t, get('x')]"
    ),
    "write str in binary": Row("f = GFile(D + '/x', 'wb'); f.write('\\u00e9'); f.close(); result = get('x')"),
    "write int": Row("GFile(D + '/x', 'w').write(1)"),
    "append": Row(
        "f = GFile(D + '/f', 'a'); t = f.tell(); f.write('x'); u = f.tell(); f.close(); result = [t, u, get('f')]"
    ),
    "append to nothing": Row("f = GFile(D + '/n', 'a'); f.write('x'); f.close(); result = get('n')"),
    "write by keyword": Row("f = GFile(D + '/x', 'w'); f.write(file_content='x'); f.close(); result = get('x')"),
    "a+ reads": Row("f = GFile(D + '/f', 'a+'); a = f.read(5); f.write('x'); f.close(); result = [a, get('f')]"),
    "a+ tells": Row("f = GFile(D + '/f', 'a+'); f.read(5); f.write('x'); result = f.tell(); f.close()", ok(5), ok(13)),
    "w+ reads what it wrote": Row(
        "f = GFile(D + '/f', 'w+'); f.write('testing'); f.flush(); result = [f.read(4), f.read(), f.read()]"
    ),
    "w+ reads and writes": Row(
        "f = GFile(D + '/x', 'w+'); f.write('testing'); f.flush(); a = f.read(4); f.write('more'); f.flush(); result = [a, get('x')]; f.close()"
    ),
    "a+ reads what it wrote": Row(
        "f = GFile(D + '/f', 'a+'); f.write('testing'); f.flush(); result = [f.read(4), f.read()]"
    ),
    "code and message": Row(
        "try: GFile(D + '/n').read()\nexcept Exception as e: result = [e.error_code, 'No such file' in e.message]"
    ),
    "flush": Row("f = GFile(D + '/x', 'w'); f.write('x'); f.flush(); result = get('x')"),
    "flush in r": Row("f = GFile(D + '/f'); f.flush(); result = f.read()"),
    "close twice": Row("f = GFile(D + '/f'); f.read(); f.close(); f.close(); result = 1"),
    "exception keeps": Row(
        "try:\n  with GFile(D + '/x', 'w') as f:\n    f.write('part'); 1 / 0\nexcept ZeroDivisionError: result = get('x')"
    ),
    "write without directory": Row("GFile(D + '/n/x', 'w').write('x')"),
    "write below a file": Row("GFile(D + '/f/x', 'w').write('x')"),
    "write a directory": Row("GFile(D + '/d', 'w').write('x')"),
    # Pickling and kinds of paths.
    "pickle unopened": Row("import pickle; result = pickle.loads(pickle.dumps(GFile(D + '/f'))).read()"),
    "pickle opened": Row("import pickle; f = GFile(D + '/f'); f.read(1); pickle.dumps(f)"),
    "bytes path": Row("result = GFile((D + '/f').encode()).read()"),
    "pathlib": Row("import pathlib; result = GFile(pathlib.Path(D) / 'f').read()"),
    "cleaned path": Row("result = GFile(D + '/missing/../f').read()"),
    "file://": Row("result = GFile('file://' + D + '/f').read()"),
    # Better on purpose.
    "carriage returns": Row(
        "put('x', b'a\\rb\\r\\n'); result = list(GFile(D + '/x', 'rb'))", ok(["bytes ab\n"]), ok(["bytes a\rb\r\n"])
    ),
    "cut character": Row("f = GFile(D + '/t'); result = f.read(2)", ["error", "UnicodeDecodeError"], ok("hé")),
    "read(None)": Row("result = GFile(D + '/f').read(None)", TYPE_ERROR, ok("hello\nworld\n")),
    "write returns": Row("f = GFile(D + '/x', 'w'); result = f.write('ab'); f.close()", ok(None), ok(2)),
    "seek returns": Row("result = GFile(D + '/f').seek(3)", ok(None), ok(3)),
    "write memoryview": Row(
        "f = GFile(D + '/x', 'w'); f.write(memoryview(b'ab')); f.close(); result = get('x')", TYPE_ERROR, ok("bytes ab")
    ),
    "seekable in w": Row("result = GFile(D + '/x', 'w').seekable()", ok(True), ok(False)),
    "growth": Row("f = GFile(D + '/f'); list(f); put('f', get('f') + b'more'); result = f.read()", ok(""), ok("more")),
    "use after close": Row(
        "f = GFile(D + '/f'); f.read(); f.close(); result = f.read()", ok("hello\nworld\n"), PRECONDITION
    ),
    "w after close": Row(
        "f = GFile(D + '/x', 'w'); f.write('a'); f.close(); f.write('b'); f.close(); result = get('x')",
        ok("bytes b"),
        PRECONDITION,
    ),
    "r+ in place": Row(
        "f = GFile(D + '/f', 'r+'); f.seek(6); f.write('W'); f.close(); result = get('f')",
        ok("bytes W"),
        ok("bytes hello\nWorld\n"),
    ),
    "r+ missing": Row(
        "f = GFile(D + '/n', 'r+'); f.write('x'); f.close(); result = get('n')", ok("bytes x"), NOT_FOUND
    ),
    "w+ reads": Row("f = GFile(D + '/f', 'w+'); result = f.read()", ok("hello\nworld\n"), ok("")),
    "w+ missing": Row("f = GFile(D + '/n', 'w+'); result = f.read()", NOT_FOUND, ok("")),
    "a+ missing": Row("f = GFile(D + '/n', 'a+'); result = f.read()", NOT_FOUND, ok("")),
    "lines of a directory": Row("result = list(GFile(D + '/d'))", ok([]), PRECONDITION),
    "deleted while open": Row(
        "f = GFile(D + '/f'); f.read(1); os.unlink(D + '/f'); result = f.read()", NOT_FOUND, ok("ello\nworld\n")
    ),
    "no size": Row("result = GFile('/proc/self/comm').read() != ''", ok(False), ok(True)),
    "NUL in a path": Row("result = GFile(D + '/f\\0x').read()", ok("hello\nworld\n"), INVALID),
}

PATH_ROWS = {
    **{
        f"exists {path!r}": Row(f"result = [gfile.exists({path}), gfile.isdir({path})]")
        for path in (
            "D + '/f'",
            "D + '/d'",
            "D + '/n'",
            "D + '/f/x'",
            "D + '/dangling'",
            "''",
            "D + '/n/../f'",
            "D + '/f/'",
        )
    },
    "exists with a long name": Row("result = gfile.exists(D + '/' + 'x' * 300)"),
    "exists, unknown scheme": Row("gfile.exists('nosuch://x')"),
    "isdir, unknown scheme": Row("result = gfile.isdir('nosuch://x')"),
    "listdir": Row("result = sorted(gfile.listdir(D + '/d'))"),
    **{f"listdir {path}": Row(f"gfile.listdir({path})") for path in ("D + '/n'", "D + '/f'", "''", "'nosuch://x'")},
    **{
        f"glob {pattern}": Row(f"result = sorted(gfile.glob(D + {pattern!r}))")
        for pattern in (
            "/*",
            "/d/*.txt",
            "/d/[!.]*",
            "/d/[^a]*",
            "/d/?.txt",
            "/d/\\a.txt",
            "/*/*",
            "/**",
            "/**/b.txt",
            "/n/*",
            "/n",
            "/f",
            "/{f,t}",
            "/F",
            "/[",
            "/d/a.txt/*",
            "/odd/a[b*",
            "/odd/[x",
            "/odd/*[",
            "/odd/[[:digit:]]",
            "/odd/[[:alpha:]]*",
            "/odd/[[:none:]]",
        )
    },
    "glob of several": Row("result = gfile.glob([D + '/f', D + '/n', D + '/f'])"),
    "glob of none": Row("result = gfile.glob([])"),
    "glob of None": Row("gfile.glob(None)"),
    "glob with a scheme": Row("result = gfile.glob('file://' + D + '/d/a*')"),
    "walk": Row("os.unlink(D + '/dangling'); result = sorted([a, sorted(b), sorted(c)] for a, b, c in gfile.walk(D))"),
    "walk upwards": Row("result = [a for a, b, c in gfile.walk(D + '/d', topdown=False)]"),
    "walk with a slash": Row("result = [a for a, b, c in gfile.walk(D + '/d/')]"),
    "walk nothing": Row("result = [list(gfile.walk(D + '/n')), list(gfile.walk(D + '/f'))]"),
    "walk and prune": Row("result = []\nfor a, b, c in gfile.walk(D + '/d'):\n  result.append(a); b.clear()"),
    "walk through a link": Row(
        "os.symlink(D + '/d', D + '/e/l'); result = sorted(a for a, b, c in gfile.walk(D + '/e'))"
    ),
    "mkdir": Row("gfile.mkdir(D + '/x'); gfile.mkdir(D + '/x'); gfile.mkdir(''); result = os.path.isdir(D + '/x')"),
    "mkdir without parent": Row("gfile.mkdir(D + '/n/x')"),
    "mkdir below a file": Row("gfile.mkdir(D + '/f/x')"),
    "makedirs": Row("gfile.makedirs(D + '/x/y'); gfile.makedirs(D + '/x/y'); result = os.path.isdir(D + '/x/y')"),
    "makedirs on a file": Row("gfile.makedirs(D + '/f')"),
    "makedirs below a file": Row("gfile.makedirs(D + '/f/x')"),
    "copy": Row(
        "os.chmod(D + '/f', 0o640); gfile.copy(D + '/f', D + '/x'); result = [get('x'), os.stat(D + '/x').st_mode & 0o777]"
    ),
    "copy onto a file": Row("gfile.copy(D + '/f', D + '/t')"),
    "copy onto a directory": Row("gfile.copy(D + '/f', D + '/d')"),
    "copy nothing onto a file": Row("gfile.copy(D + '/n', D + '/f')"),
    "copy over": Row("gfile.copy(D + '/f', D + '/t', overwrite=True); result = get('t')"),
    "copy over a directory": Row("gfile.copy(D + '/f', D + '/d', overwrite=True)"),
    "copy nothing": Row("gfile.copy(D + '/n', D + '/x')"),
    "copy into nothing": Row("gfile.copy(D + '/f', D + '/n/x')"),
    "rename": Row("gfile.rename(D + '/f', D + '/x'); result = [get('x'), os.path.exists(D + '/f')]"),
    "rename onto a file": Row("gfile.rename(D + '/f', D + '/t')"),
    "rename nothing onto a file": Row("gfile.rename(D + '/n', D + '/f')"),
    "rename over": Row("gfile.rename(D + '/f', D + '/t', overwrite=True); result = get('t')"),
    "rename nothing": Row("gfile.rename(D + '/n', D + '/x')"),
    "rename a directory": Row("gfile.rename(D + '/d', D + '/x'); result = sorted(os.listdir(D + '/x'))"),
    "rename a directory onto an empty one": Row(
        "gfile.rename(D + '/d', D + '/e', overwrite=True); result = sorted(os.listdir(D + '/e'))"
    ),
    "rename a directory onto a full one": Row("gfile.rename(D + '/e', D + '/d', overwrite=True)"),
    "rename a directory onto a file": Row("gfile.rename(D + '/d', D + '/f', overwrite=True)"),
    "rename a file onto a directory": Row("gfile.rename(D + '/f', D + '/e', overwrite=True)"),
    "rename between filesystems": Row("gfile.rename(D + '/f', 'ram://x')"),
    "remove": Row("gfile.remove(D + '/f'); gfile.remove(D + '/dangling'); result = sorted(os.listdir(D))"),
    "remove nothing": Row("gfile.remove(D + '/n')"),
    "remove a directory": Row("gfile.remove(D + '/e')"),
    "rmtree": Row("gfile.rmtree(D + '/d'); result = os.path.exists(D + '/d')"),
    "rmtree of a file": Row("gfile.rmtree(D + '/f'); result = os.path.exists(D + '/f')"),
    "rmtree of nothing": Row("gfile.rmtree(D + '/n')"),
    "rmtree below a file": Row("gfile.rmtree(D + '/f/x')"),
    "stat": Row(
        "s = gfile.stat(D + '/f'); d = gfile.stat(D + '/d'); result = [s.length, s.is_directory, d.is_directory, s.mtime_nsec // 10**9 == int(os.stat(D + '/f').st_mtime)]"
    ),
    "stat of nothing": Row("gfile.stat(D + '/n')"),
    "stat of a dangling link": Row("gfile.stat(D + '/dangling')"),
    "stat below a file": Row("gfile.stat(D + '/f/x')"),
    **{
        f"join {parts}": Row(f"result = gfile.join{parts}")
        for parts in ("('a', 'b')", "('a/', 'b', '')", "('a', '/b')", "('gs://b', 'c')", "(b'a', b'b')", "('a', b'b')")
    },
    # file_io's helpers.
    "strings": Row(
        "file_io.write_string_to_file(D + '/x', 'h\\u00e9'); result = [file_io.read_file_to_string(D + '/x'), file_io.read_file_to_string(D + '/x', True)]"
    ),
    "atomic write": Row(
        "file_io.atomic_write_string_to_file(D + '/f', 'new'); result = [get('f'), len(os.listdir(D))]"
    ),
    "atomic write, taken": Row("file_io.atomic_write_string_to_file(D + '/f', 'new', overwrite=False)"),
    "crc32": Row(
        "result = [file_io.file_crc32(D + '/f'), file_io.file_crc32(D + '/f', -1), file_io.file_crc32(D + '/f', 5)]"
    ),
    "filecmp": Row(
        "put('x', get('f')); result = [file_io.filecmp(D + '/f', D + '/x'), file_io.filecmp(D + '/f', D + '/t')]"
    ),
    "has_atomic_move": Row("result = [file_io.has_atomic_move(D + '/f'), file_io.has_atomic_move('nosuch://x')]"),
    "FileIO without mode": Row("file_io.FileIO(D + '/f')"),
    # Better on purpose.
    "mkdir on a file": Row("gfile.mkdir(D + '/f'); result = 1", ok(1), EXISTS),
    "self-copy": Row(
        "gfile.copy(D + '/f', D + '/f', overwrite=True); result = get('f')", ok("bytes "), ok("bytes hello\nworld\n")
    ),
    "copy a directory": Row(
        "try: gfile.copy(D + '/d', D + '/x')\nexcept Exception as e: result = [int(getattr(e, 'error_code', getattr(e, 'code', 0))), os.path.exists(D + '/x')]",
        ok([3, True]),
        ok([9, False]),
    ),
    "rename across spellings": Row(
        "gfile.rename(D + '/f', 'file://' + D + '/x'); result = get('x')", UNIMPLEMENTED, ok("bytes hello\nworld\n")
    ),
    "rmtree with a link inside": Row(
        "os.symlink(D + '/d', D + '/e/l')\ntry: gfile.rmtree(D + '/e')\nexcept Exception: pass\nresult = os.path.exists(D + '/d/a.txt')",
        ok(False),
        ok(True),
    ),
    "walk in circles": Row(
        "import itertools; os.symlink(D, D + '/e/back'); result = len(list(itertools.islice(gfile.walk(D), 60))) < 20",
        ok(False),
        ok(True),
    ),
    "walk with onerror": Row(
        "seen = []; list(gfile.walk(D + '/n', onerror=seen.append)); result = len(seen)",
        ["error", "UnboundLocalError"],
        ok(1),
    ),
    "glob, relative": Row("os.chdir(D); result = gfile.glob('f*')", ok(["./f"]), ok(["f"])),
    "glob of directories": Row(
        "result = sorted(gfile.glob(D + '/d/*/'))", ok(["D/d/.h.txt", "D/d/a.txt", "D/d/sub"]), ok(["D/d/sub/"])
    ),
    "glob of a pathlib path": Row(
        "import pathlib; result = gfile.glob(pathlib.Path(D) / 'f')", TYPE_ERROR, ok(["D/f"])
    ),
    "join at a root": Row("result = gfile.join('gs://b', '/x')", ok("/x"), ok("gs://b/x")),
    "join of two urls": Row("result = gfile.join('gs://b', 'gs://c')", ok("gs://b/gs://c"), ok("gs://c")),
    "crc32 of no block": Row("result = file_io.file_crc32(D + '/f', 0)", ok("0x0"), INVALID),
}

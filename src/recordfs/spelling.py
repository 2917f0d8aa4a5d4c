"""What people write where they mean a URL, a scheme or an option, and what they should have written.

A URL that is spelt wrong is a local name to every program, and what was meant for a bucket lands in a folder that is
called ``s3:``. So such names are told from local ones here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable
    from types import ModuleType

__all__ = ["did_you_mean", "explain_chain", "explain_misspelt_scheme", "explain_misspelt_url", "url_taken_for_folder"]

_SCHEME = r"[A-Za-z][A-Za-z0-9.+_-]*"

# Stores that recordfs, fsspec or Hadoop serve, whether or not what serves them is installed: nobody names a folder so.
_STORES = frozenset(
    {
        "abfs",
        "abfss",
        "adl",
        "az",
        "b2",
        "cos",
        "cosn",
        "dbfs",
        "ftp",
        "ftps",
        "gcs",
        "gs",
        "hdfs",
        "hf",
        "http",
        "https",
    }
    | {"memory", "minio", "obs", "oci", "oss", "r2", "recordfs", "s3", "s3a", "s3n", "sftp", "smb", "ssh", "swebhdfs"}
    | {"tos", "viewfs", "wasb", "wasbs", "webhdfs"}
)

# Those among them whose names alone, before one colon, begin no file's name.
_BUCKETS = frozenset({"abfs", "abfss", "az", "gcs", "gs", "hdfs", "http", "https", "s3", "s3a", "s3n", "viewfs"})

# A cache on disk may name its folders after URLs of the web.
_WEB = frozenset({"ftp", "ftps", "http", "https"})

_CHAINED_PROTOCOLS = frozenset(
    {"blockcache", "cached", "dir", "filecache", "libarchive", "reference", "simplecache", "tar", "zip"}
)


def explain_misspelt_url(path: str, known_schemes: Container[str]) -> str | None:
    """Return what is wrong with a path that is local by its spelling and a URL by its look; None if it is local.

    Args:
        path: Without ``scheme://`` at its beginning.
        known_schemes: The schemes that a filesystem serves, in lower case.
    """
    if ":" not in path:
        return None
    import re  # costs 5 ms of import, and hardly a local name has a colon

    # `s3:/bucket/x`: pathlib makes one slash of two.
    found = re.match(rf"({_SCHEME}):/+(?=[^/]|$)", path)
    if found is not None:
        scheme = found[1].lower().removeprefix("recordfs+")
        if scheme not in _STORES and scheme not in known_schemes:
            return None
        rest = path[found.end() :]
        right = f"{scheme}://{rest}"
        if scheme == "file":
            right = f"/{rest}"
        elif scheme == "recordfs":
            right = re.sub(rf"^({_SCHEME}):/+", r"\1://", rest)
        return (
            f"a URL has two slashes: write {right!r} (pathlib.Path takes one of them away; keep URLs as text). A local "
            f"folder of this name is './{path}'"
        )
    # `simplecache::s3://bucket/x`: fsspec's way to put one filesystem before another.
    chain = re.match(rf"({_SCHEME})::(.*)", path, re.DOTALL)
    if chain is not None and ("://" in chain[2] or chain[1].lower() in _CHAINED_PROTOCOLS):
        return f"{_chain_advice(path)}. A local file of this name is './{path}'"
    return _explain_slips(path, re)


def _explain_slips(path: str, re: ModuleType) -> str | None:
    """Return what is wrong with a path that only slips of the hand keep from being a URL."""
    # `s3:bucket/x` and `s3:\\bucket\\x`: no slash at all, or another.
    found = re.match(rf"({_SCHEME}):([^/:].*)?$", path, re.DOTALL)
    if found is not None and "://" not in path and found[1].lower() in _BUCKETS:
        rest = (found[2] or "").replace("\\", "/").lstrip("/")
        return f"a URL has two slashes: write '{found[1].lower()}://{rest}'. A local file of this name is './{path}'"
    # ` s3://bucket/x`, `"s3://bucket/x"`: what stands before the two slashes is no scheme.
    found = re.match(r"([^/]*)://", path)
    if found is None:
        # `data/s3://bucket/x`: os.path.join put a folder before a URL.
        found = re.search(rf"/({_SCHEME})://", path)
        if found is None or found[1].lower() not in _STORES - _WEB:
            return None
        return f"a folder stands before a URL: write {path[found.start() + 1 :]!r}"
    near = re.search(rf"({_SCHEME})\W*$", found[1])
    right = ""
    if near is not None and near[1].lower() in _STORES:
        quote = found[1][:1] if found[1][:1] in "\"'`" else ""
        right = f": write '{near[1].lower()}://{path[found.end() :].removesuffix(quote or ' ')}'"
    return (
        f"{found[1]!r} is no scheme of a URL, which is a letter followed by letters, digits and .+_-{right}. A local "
        f"folder of this name is './{path}'"
    )


def url_taken_for_folder(path: str, known_schemes: Container[str]) -> str | None:
    """Return the URL that a program took for a local folder, where a local path looks like that; else None.

    ``/home/me/recordfs+s3:/bucket/runs`` was ``recordfs+s3://bucket/runs`` before somebody made it absolute.

    Args:
        path: Without ``scheme://`` at its beginning.
        known_schemes: The schemes that a filesystem serves, in lower case.
    """
    if ":/" not in path:
        return None
    import re  # see explain_misspelt_url

    found = re.search(r"(?:^|/)(?:recordfs\+)?([A-Za-z][A-Za-z0-9._-]*):/+(.*)", path, re.DOTALL)
    scheme = "" if found is None else found[1].lower()
    return f"{scheme}://{found[2]}" if found is not None and scheme in known_schemes and scheme != "file" else None


def explain_misspelt_scheme(scheme: str, path: str) -> str | None:
    """Return what to write for a URL whose scheme is only fsspec's name for one of recordfs; None for any other."""
    if scheme == "recordfs":
        return f"recordfs:// is for fsspec; here write {path[len('recordfs://') :]!r}"
    if scheme.startswith("recordfs+"):
        return f"{scheme}:// is for fsspec; here write {path[len('recordfs+') :]!r}"
    return None


def explain_chain(scheme: str, path: str) -> str | None:
    """Return what to do with a URL that names one store inside another (``zip://a::s3://b``); None for any other."""
    return _chain_advice(path) if "::" in path and scheme in _CHAINED_PROTOCOLS else None


def _chain_advice(path: str) -> str:
    return f"a chain of filesystems is for fsspec: open it with fsspec.open({path!r}) and pass the file object"


def did_you_mean(name: str, candidates: Iterable[str], *, suffix: str = "") -> str:
    """Return `` (did you mean x?)`` with the candidate nearest to a name, or nothing if none is near."""
    import difflib  # only for what is misspelt

    # In a name of two or three letters half of them is near.
    known = sorted(set(candidates))
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6 if len(name) > 3 else 0.5)
    if not near:  # `region` for `region_name`: compare the beginnings, which are remembered best
        beginnings = {each[: len(name)]: each for each in reversed(known) if len(name) > 3}
        near = [beginnings[each] for each in difflib.get_close_matches(name, beginnings, n=1, cutoff=0.8)]
    return f" (did you mean {near[0]}{suffix}?)" if near else ""

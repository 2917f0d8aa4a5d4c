"""Where requests go: endpoints, regions, addressing, certificates and proxies, the same for boto3 and obstore."""

import re

import pytest

from recordfs.errors import InvalidArgumentError, UnavailableError
from recordfs.filesystems.s3 import S3FileSystem
from support.account_server import BUCKET, DOMAINS, write_settings
from support.recording_proxy import Authority, RecordingProxy, Reply, unused_port
from support.servers import ACCESS_KEY, SECRET_KEY

pytestmark = pytest.mark.service

DATA = bytes(range(256)) * 64


@pytest.fixture
def keys(home, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    return home


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    hosts = [name for domain in DOMAINS for name in (domain, f"*.{domain}")]
    hosts += ["*.s3-accesspoint.us-east-1.amazonaws.com", "127.0.0.1"]
    return Authority(str(tmp_path_factory.mktemp("authority")), hosts)


@pytest.fixture
def internet(keys, accounts, authority, monkeypatch):
    """A proxy in the environment behind which every host is the test server."""
    with RecordingProxy(accounts.port, authority=authority) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.endpoint)
        monkeypatch.setenv("HTTP_PROXY", proxy.endpoint)
        monkeypatch.setenv("AWS_CA_BUNDLE", authority.certificate)
        yield proxy


def use(file_system, path=f"s3://{BUCKET}/place"):
    """Write and look through boto3, read through obstore."""
    with file_system.new_writable_file(path) as file:
        file.append(DATA)
    with file_system.new_random_access_file(path) as file:
        assert file.read(1000, 5000) == DATA[1000:6000]
    assert file_system.statistics()["GetRange"].requests == 1, "this read did not go through obstore"


def signed_for(request):
    """Return the region in a request's signature."""
    return re.search(r"Credential=[^/]+/\d+/([^/]+)/s3/aws4_request", request.headers["authorization"])[1]


def places(proxy):
    """Return host, region and path of every request for the object."""
    paths = [(request, request.target.partition("?")[0]) for request in proxy.requests]
    return {(request.host, signed_for(request), path) for request, path in paths if path.endswith("/place")}


# Amazon's own endpoints

AMAZON = {
    "nothing said": ({}, {}, "", f"{BUCKET}.s3.amazonaws.com", "us-east-1", "/place"),
    "a region": ({}, {"AWS_REGION": "eu-west-1"}, "", f"{BUCKET}.s3.eu-west-1.amazonaws.com", "eu-west-1", "/place"),
    "boto3's variable": (
        {},
        {"AWS_DEFAULT_REGION": "eu-west-1"},
        "",
        f"{BUCKET}.s3.eu-west-1.amazonaws.com",
        "eu-west-1",
        "/place",
    ),
    "TensorFlow's variable": (
        {},
        {"S3_REGION": "eu-west-1"},
        "",
        f"{BUCKET}.s3.eu-west-1.amazonaws.com",
        "eu-west-1",
        "/place",
    ),
    "the option before the environment": (
        {"region_name": "eu-west-1"},
        {"AWS_REGION": "us-east-1"},
        "",
        f"{BUCKET}.s3.eu-west-1.amazonaws.com",
        "eu-west-1",
        "/place",
    ),
    "China": (
        {"region_name": "cn-north-1"},
        {},
        "",
        f"{BUCKET}.s3.cn-north-1.amazonaws.com.cn",
        "cn-north-1",
        "/place",
    ),
    "FIPS": (
        {"region_name": "us-east-1"},
        {"AWS_USE_FIPS_ENDPOINT": "true"},
        "",
        f"{BUCKET}.s3-fips.us-east-1.amazonaws.com",
        "us-east-1",
        "/place",
    ),
    "dual stack": (
        {"region_name": "us-east-1"},
        {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
        "",
        f"{BUCKET}.s3.dualstack.us-east-1.amazonaws.com",
        "us-east-1",
        "/place",
    ),
    "acceleration in the profile": (
        {"region_name": "us-east-1"},
        {},
        "s3 =\n  use_accelerate_endpoint = true",
        f"{BUCKET}.s3-accelerate.amazonaws.com",
        "us-east-1",
        "/place",
    ),
    "path style as option": (
        {"region_name": "eu-west-1", "addressing_style": "path"},
        {},
        "",
        "s3.eu-west-1.amazonaws.com",
        "eu-west-1",
        f"/{BUCKET}/place",
    ),
    "path style in the profile": (
        {"region_name": "eu-west-1"},
        {},
        "s3 =\n  addressing_style = path",
        "s3.eu-west-1.amazonaws.com",
        "eu-west-1",
        f"/{BUCKET}/place",
    ),
}


@pytest.mark.parametrize("case", list(AMAZON))
def test_both_clients_use_the_same_endpoint_of_amazon(internet, home, monkeypatch, case):
    options, variables, config, host, region, target = AMAZON[case]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    write_settings(home, config=f"[default]\n{config}\n")
    with S3FileSystem(**options) as file_system:
        use(file_system)
    assert places(internet) == {(host, region, target)}


def test_a_bucket_with_dots_is_addressed_by_path(internet, accounts):
    bucket = "recordfs.accounts.dotted"
    accounts.client("s3").create_bucket(Bucket=bucket)
    with S3FileSystem(region_name="eu-west-1") as file_system:
        use(file_system, f"s3://{bucket}/place")
    assert places(internet) == {("s3.eu-west-1.amazonaws.com", "eu-west-1", f"/{bucket}/place")}


def test_a_bucket_elsewhere_is_followed_to_its_region(internet):
    def elsewhere(request):
        if signed_for(request) == "eu-west-1":
            return None
        body = b"<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>"
        return Reply(301, {"x-amz-bucket-region": "eu-west-1", "Content-Type": "application/xml"}, body)

    internet.rule = elsewhere
    with S3FileSystem(region_name="us-east-1") as file_system:
        use(file_system)
    reads = [request for request in internet.requests if request.method == "GET"]
    assert [(request.host, signed_for(request)) for request in reads] == [
        (f"{BUCKET}.s3.eu-west-1.amazonaws.com", "eu-west-1")
    ]


def test_an_access_point_is_a_bucket(internet):
    whole = b"the object"

    def point(request):
        headers = {"ETag": '"1"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT", "Content-Length": str(len(whole))}
        if request.method == "GET":
            return Reply(206, {**headers, "Content-Range": f"bytes 0-{len(whole) - 1}/{len(whole)}"}, whole)
        return Reply(200, headers)

    internet.rule = point
    with (
        S3FileSystem() as file_system,
        file_system.new_random_access_file("s3://arn:aws:s3:us-east-1:123456789012:accesspoint:mine/place") as file,
    ):
        assert file.read(0, 100) == whole
        assert file_system.statistics()["GetRange"].requests == 1
    assert places(internet) == {("mine-123456789012.s3-accesspoint.us-east-1.amazonaws.com", "us-east-1", "/place")}


# Endpoints that people name


def test_variables_in_their_order(keys, s3_server, root, monkeypatch):
    wrong = f"http://127.0.0.1:{unused_port()}"
    order = ["S3_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"]
    for position, name in enumerate(order):
        for before in order[:position]:
            monkeypatch.setenv(before, wrong)
        monkeypatch.setenv(name, s3_server.endpoint)
        with S3FileSystem() as file_system:
            use(file_system, f"{root}/{name}")
            assert name in file_system.describe()["endpoint"]


def test_an_endpoint_without_scheme_is_as_in_tensorflow(keys, s3_server, root, monkeypatch):
    monkeypatch.setenv("S3_USE_HTTPS", "0")
    for name in ("S3_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, f"127.0.0.1:{s3_server.port}/")
        with S3FileSystem() as file_system:
            use(file_system, f"{root}/{name}")
        monkeypatch.delenv(name)
    monkeypatch.delenv("S3_USE_HTTPS")
    with S3FileSystem(endpoint_url="127.0.0.1:1") as file_system:
        assert file_system.describe()["endpoint"].startswith("https://127.0.0.1:1 ")


def test_the_option_wins_over_what_obstore_would_find_in_the_environment(keys, s3_server, root, monkeypatch):
    wrong = f"http://127.0.0.1:{unused_port()}"
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "S3_ENDPOINT", "AWS_ENDPOINT"):
        monkeypatch.setenv(name, wrong)
    for name in ("AWS_SKIP_SIGNATURE", "AWS_S3_EXPRESS", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "AWS_REQUEST_PAYER"):
        monkeypatch.setenv(name, "true")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "false")
    monkeypatch.setenv("AWS_BUCKET", "another")
    with S3FileSystem(endpoint_url=s3_server.endpoint) as file_system:
        use(file_system, f"{root}/f")


@pytest.mark.parametrize("section", ["profile", "services"])
def test_an_endpoint_in_the_profile(keys, s3_server, root, section):
    said = f"endpoint_url = {s3_server.endpoint}"
    config = (
        f"[default]\n{said}\n" if section == "profile" else f"[default]\nservices=x\n[services x]\ns3 =\n  {said}\n"
    )
    write_settings(keys, config=config)
    with S3FileSystem() as file_system:
        use(file_system, f"{root}/f")


def test_configured_endpoints_can_be_ignored(keys, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    with S3FileSystem(region_name="eu-west-1") as file_system:
        assert file_system.describe()["endpoint"].startswith("https://s3.eu-west-1.amazonaws.com ")


def test_an_endpoint_with_virtual_hosts(internet):
    with S3FileSystem(endpoint_url="http://store.example", addressing_style="virtual") as file_system:
        use(file_system)
    assert places(internet) == {(f"{BUCKET}.store.example", "us-east-1", "/place")}


NOTHING_LISTED = b"<ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated></ListBucketResult>"


def test_an_endpoint_below_a_path(keys, accounts):
    with RecordingProxy(accounts.port) as proxy:
        proxy.rule = lambda request: (
            Reply(404, {}) if request.method == "HEAD" else Reply(200, {"ETag": '"1"'}, NOTHING_LISTED)
        )
        with S3FileSystem(endpoint_url=f"{proxy.endpoint}/gateway/") as file_system:
            assert not file_system.file_exists("s3://bucket/a/b")
        asked = {request.target.partition("?")[0] for request in proxy.requests}
        assert asked == {"/gateway/bucket/a/b", "/gateway/bucket"}


def test_what_can_be_no_endpoint_is_refused_without_repeating_it(home, monkeypatch):
    for wrong in ("ftp://host", "http://", "http://[::1", "http://host:99999", "https://me:secret@host", "h?secret"):
        monkeypatch.setenv("S3_ENDPOINT", wrong)
        with S3FileSystem() as file_system, pytest.raises(InvalidArgumentError, match="S3_ENDPOINT") as caught:
            file_system.stat("s3://bucket/key")
        assert "secret" not in str(caught.value)


def test_an_ipv6_endpoint(home):
    with S3FileSystem(endpoint_url="http://[::1]:9000/") as file_system:
        assert file_system.describe()["endpoint"].startswith("http://[::1]:9000 ")


# Certificates and proxies


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")  # what people get who ask for it
@pytest.mark.parametrize("by", ["AWS_CA_BUNDLE", "S3_CA_FILE", "profile", "option", "S3_VERIFY_SSL", "option off"])
def test_a_private_authority(keys, accounts, authority, monkeypatch, by):
    options = {}
    if by == "profile":
        write_settings(keys, config=f"[default]\nca_bundle = {authority.certificate}\n")
    elif by.startswith("option"):
        options["verify"] = False if by == "option off" else authority.certificate
    else:
        monkeypatch.setenv(by, "0" if by == "S3_VERIFY_SSL" else authority.certificate)
    with (
        RecordingProxy(accounts.port, authority=authority, tls=True) as server,
        S3FileSystem(endpoint_url=server.endpoint, **options) as file_system,
    ):
        use(file_system)


@pytest.mark.parametrize("tls", [True, False], ids=["TLS", "plain"])
def test_a_body_is_hashed_for_its_signature_only_without_tls(keys, accounts, authority, tls):
    """A SHA-256 of every byte costs more than all else that a client does with it."""
    with (
        RecordingProxy(accounts.port, authority=authority, tls=tls) as server,
        S3FileSystem(endpoint_url=server.endpoint, verify=authority.certificate) as file_system,
    ):
        use(file_system)
        with file_system.new_writable_file(f"s3://{BUCKET}/large") as file:
            file.append(bytes(6 << 20))
    uploads = [request for request in server.requests if request.method == "PUT"]
    bodies = [request for request in uploads if "x-amz-checksum-crc32c" in request.headers]  # a probe has none
    assert {"partNumber" in request.target for request in bodies} == {True, False}
    unsigned = [request.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD" for request in bodies]
    assert all(unsigned) if tls else not any(unsigned)


def test_a_certificate_of_nobody_is_refused(keys, accounts, authority, tmp_path):
    with (
        RecordingProxy(accounts.port, authority=authority, tls=True) as server,
        S3FileSystem(endpoint_url=server.endpoint, max_attempts=1) as file_system,
        pytest.raises(UnavailableError, match=r"(?i)certificate"),
    ):
        file_system.stat(f"s3://{BUCKET}/key")
    missing = str(tmp_path / "missing.pem")
    with (
        S3FileSystem(endpoint_url=server.endpoint, verify=missing) as file_system,
        pytest.raises(InvalidArgumentError, match=re.escape(missing)),
    ):
        file_system.stat(f"s3://{BUCKET}/key")


def test_no_proxy_for_some_hosts(internet, accounts, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with S3FileSystem(endpoint_url=accounts.endpoint) as file_system:
        use(file_system)
    assert not internet.requests
    monkeypatch.delenv("NO_PROXY")
    with S3FileSystem(endpoint_url=accounts.endpoint) as file_system:
        use(file_system)
    assert {request.method for request in internet.requests} == {"HEAD", "GET", "PUT"}

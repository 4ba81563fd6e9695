"""Downloads from a server on this machine that fails in the ways that servers do."""

import hashlib
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from medts.cli.main import main
from medts.core.errors import ConfigError
from medts.data.download import DownloadError, download, files_url, parse_sums
from medts.data.sources import find_source

FILES = {
    "RECORDS": b"records/1\nrecords/2\n",
    "records/1.dat": bytes(range(256)) * 2000,
    "records/2.dat": b"\x07" * 300_001,
    "empty.txt": b"",
}


class Server(ThreadingHTTPServer):
    """Serves `FILES`; ``faults`` maps a path to what goes wrong, in turn, before it goes right."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(FILES)
        self.faults: dict[str, list[str]] = {}
        self.has_ranges = True
        self.n_bytes: Counter[str] = Counter()
        self.url = f"http://127.0.0.1:{self.server_port}/x/1.0"

    def sums(self) -> bytes:
        lines = [f"{hashlib.sha256(v).hexdigest()}  {k}\n" for k, v in FILES.items()]
        return "".join(lines).encode()


class Handler(BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *_):
        pass

    def do_GET(self):
        path = self.path.removeprefix("/x/1.0/")
        body = self.server.sums() if path == "SHA256SUMS.txt" else self.server.files.get(path)
        waiting = self.server.faults.get(path, [])
        fault = waiting.pop(0) if waiting else ""
        if body is None or fault.isdigit():
            self.send_error(int(fault or 404))
            return
        start = 0
        wanted = self.headers.get("Range")
        if wanted and self.server.has_ranges:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        rest = body[start:]
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if fault == "wrong":
            rest = bytes(255 - byte for byte in rest)
        if fault == "drop":
            rest = rest[: len(rest) // 2]
        self.server.n_bytes[path] += len(rest)
        self.wfile.write(rest)
        if fault == "drop":
            self.wfile.flush()
            self.connection.close()
            self.close_connection = True


@pytest.fixture
def server():
    made = Server()
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def assert_complete(folder):
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}
    assert {k: v for k, v in FILES.items() if "." in k} == found
    assert (folder / "RECORDS").read_bytes() == FILES["RECORDS"]


def test_a_tree_is_fetched_once(server, tmp_path):
    done = download(server.url, tmp_path)
    assert (done.n_files, done.n_fetched, done.failed) == (4, 4, {})
    assert_complete(tmp_path)
    before = dict(server.n_bytes)
    assert download(server.url, tmp_path).n_fetched == 0
    assert {k: v for k, v in server.n_bytes.items() if k != "SHA256SUMS.txt"} == {
        k: v for k, v in before.items() if k != "SHA256SUMS.txt"
    }


def test_a_lost_connection_goes_on_where_it_was(server, tmp_path):
    server.faults = {"records/1.dat": ["drop", "503", "drop"]}
    assert download(server.url, tmp_path).failed == {}
    assert_complete(tmp_path)
    again = server.n_bytes["records/1.dat"] - len(FILES["records/1.dat"])
    assert 0 <= again <= 2 * 65536  # the block that was under way


def test_a_server_without_ranges_sends_everything_again(server, tmp_path):
    server.has_ranges = False
    server.faults = {"records/1.dat": ["drop"], "records/2.dat": ["drop"]}
    assert download(server.url, tmp_path).failed == {}
    assert_complete(tmp_path)


def test_wrong_bytes_are_fetched_anew(server, tmp_path):
    server.faults = {"records/1.dat": ["wrong"]}
    assert download(server.url, tmp_path).failed == {}
    assert_complete(tmp_path)
    (tmp_path / "records/2.dat").write_bytes(b"damaged later")
    assert download(server.url, tmp_path).n_fetched == 1
    assert_complete(tmp_path)


def test_a_killed_process_left_a_part(server, tmp_path):
    (tmp_path / "records").mkdir()
    for name, part in {"1.dat": FILES["records/1.dat"][:1000], "2.dat": b"of another file"}.items():
        (tmp_path / "records" / f"{name}.part").write_bytes(part)
    assert download(server.url, tmp_path).failed == {}
    assert_complete(tmp_path)
    assert server.n_bytes["records/1.dat"] == len(FILES["records/1.dat"]) - 1000


def test_one_bad_file_takes_no_other_along(server, tmp_path):
    server.files["records/1.dat"] = b"always wrong"
    del server.files["records/2.dat"]
    done = download(server.url, tmp_path, n_attempts=2)
    assert list(done.failed) == ["records/1.dat", "records/2.dat"]
    assert "SHA-256" in done.failed["records/1.dat"]
    assert "404" in done.failed["records/2.dat"]
    assert (tmp_path / "RECORDS").is_file()
    assert not (tmp_path / "records/1.dat").exists()


def test_the_command_line_says_what_failed(server, tmp_path, capsys):
    command = ["download", "mit-bih", "--to", str(tmp_path), "--mirror", server.url]
    del server.files["records/2.dat"]
    assert main(command) == 2
    assert "records/2.dat" in capsys.readouterr().out
    server.files = dict(FILES)
    assert main(command) == 0
    assert main([*command, "--only", "nothing/*"]) == 2
    assert "--only" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["../up", "/root", "a/../../b", "C:\\x", "a\x01b"])
def test_a_path_that_leads_out_is_refused(path):
    with pytest.raises(DownloadError):
        parse_sums(f"{'0' * 64}  {path}")


def test_lists_that_are_none(server, tmp_path):
    with pytest.raises(DownloadError, match="line 1"):
        parse_sums("<html>Not found</html>")
    with pytest.raises(DownloadError, match="404"):
        download(server.url + "/elsewhere", tmp_path)
    server.shutdown()
    server.server_close()
    with pytest.raises(DownloadError):
        download(server.url, tmp_path, n_attempts=1, timeout_s=2)


def test_addresses_follow_from_cards():
    assert files_url(find_source("ptb-xl").card) == (
        "https://physionet.org/files/ptb-xl/1.0.3/",
        "",
    )
    assert files_url(find_source("cpsc-2018").card)[1] == "training/cpsc_2018"
    with pytest.raises(ConfigError) as refused:
        files_url(find_source("wisdm").card)
    assert "doi.org" in str(refused.value)

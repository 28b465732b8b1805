"""Runs to a Tiled server, through Bluesky's ``TiledWriter``, read back as the server sends them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from sdl.core.crashpoint import crashpoint
from sdl.core.extras import require_extra
from sdl.journal.exporters import tiled_rows
from sdl.journal.exporters.compare import compare
from sdl.journal.exporters.run import check_name
from sdl.journal.exporters.target import (
    Named,
    Run,
    RunFailedError,
    RunRefusedError,
    TargetDownError,
)

_ARROW = "application/vnd.apache.arrow.file"


class TiledRuns:
    """One container of runs on a Tiled server; the uid of a run is its key.

    The server is asked when the first run comes, and anew after it was away. A run that is there
    without its stop document was left by an exporter that was killed; it is written again.

    Args:
        uri: The container. A key in it is used and never shown; better give ``TILED_API_KEY`` in
            the environment.
        api_key: The key, if it is in neither.

    Raises:
        MissingExtraError: tiled or bluesky is not installed.
    """

    kind = "tiled"

    def __init__(self, uri: str, api_key: str | None = None) -> None:
        require_extra("tiled", "the export to Tiled", "tiled")
        require_extra("lab", "the export to Tiled", "bluesky")
        self._uri, self._key = uri, api_key
        self.address = without_secrets(uri)
        self._connected: Any = None

    def put(self, run: Run) -> bool:
        """Writes a run in batches; its stop document last.

        Raises:
            TargetDownError: No connection, no answer in time, no rights.
            RunFailedError: The server failed at this run.
            RunRefusedError: The server can never hold it, or holds another one of its uid.
        """
        documents = list(_unpacked(run.documents))
        for name, doc in documents:
            if name == "descriptor":
                tiled_rows.check_columns(run.uid, doc.get("data_keys", {}))
        with self._answers(run.uid):
            _check_start(documents)
            there = run.uid in self._client()
            if not there and self._try_to_write(documents):
                return True
            if self._is_whole(run.uid, documents):
                return False
            self._client().delete_contents(run.uid, recursive=True, external_only=False)
            return self._try_to_write(documents)

    def read(self, uid: str) -> list[Named] | None:
        """The parts of a run, see ``kept``; ``None`` when it is absent.

        Raises:
            TargetDownError: No connection, no answer in time, no rights.
            RunFailedError: The server cannot give it.
        """
        check_name(uid, "the uid of the run", uid)
        with self._answers(uid):
            client = self._client()
            if uid not in client:
                return None
            node = client[uid]
            streams, events = {}, {}
            for stream in node:
                base = getattr(node[stream], "base", node[stream])
                streams[stream] = _plain(base.metadata)
                keys = [k for k, s in streams[stream]["data_keys"].items() if "external" not in s]
                events[stream] = _rows(base["internal"], keys) if "internal" in base else []
            metadata = _plain(node.metadata)
            return tiled_rows.listed(
                metadata.get("start", {}), streams, events, metadata.get("stop", {})
            )

    def kept(self, documents: Sequence[Named]) -> list[Named]:
        """Values, timestamps and metadata; not the uids of events, which Tiled does not store."""
        return tiled_rows.kept(list(_unpacked(documents)))

    def close(self) -> None:
        """Lets go of the connection; the next run makes a new one."""
        if self._connected is not None:
            self._connected.context.http_client.close()
            self._connected = None

    def _client(self) -> Any:
        if self._connected is None:
            from tiled.client import from_uri

            words: dict[str, Any] = {} if self._key is None else {"api_key": self._key}
            self._connected = from_uri(self._uri, show_progress=False, **words)
        return self._connected

    def _try_to_write(self, documents: Sequence[Named]) -> bool:
        """False when a container of that name came meanwhile."""
        from bluesky.callbacks.tiled_writer import TiledWriter
        from tiled.client.utils import ClientError

        writer = TiledWriter(self._client())
        for name, doc in tiled_rows.prepared(documents):
            try:
                writer(name, doc)
                crashpoint("document-sent")
            except ClientError as err:
                if name == "start" and err.response.status_code == 409:
                    return False
                raise
        return True

    def _is_whole(self, uid: str, documents: Sequence[Named]) -> bool:
        """Whether the run on the server is ours and has its stop document.

        Raises:
            RunRefusedError: It is another run.
        """
        there = _plain(self._client()[uid].metadata)
        expected = tiled_rows.kept(documents)
        parts = [("start", there.get("start", {}))]
        wanted = [expected[0]]
        if "stop" in there:
            parts, wanted = [*parts, ("stop", there["stop"])], [*wanted, expected[-1]]
        differences = compare(wanted, parts)
        if differences:
            raise RunRefusedError(
                "another run of this uid is on the server",
                got=differences[0],
                do="look at it, remove it there, then export with --again",
                where=f"run {uid}",
            )
        return "stop" in there

    @contextmanager
    def _answers(self, uid: str) -> Iterator[None]:
        """Turns what client, writer and tables raise inside the block into our three errors."""
        import httpx
        from jsonschema.exceptions import ValidationError

        try:
            yield
        except httpx.HTTPStatusError as err:
            raise self._status(uid, err.response.status_code, _first_line(err)) from err
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as err:
            self.close()
            raise TargetDownError(
                "Tiled cannot be reached",
                got=f"{type(err).__name__}: {_first_line(err)}",
                do="start the server; the export goes on by itself",
                where=self.address,
            ) from err
        except (ValidationError, ValueError, TypeError, KeyError, RuntimeError) as err:
            asked_for_key = self._connected is None and not isinstance(err, ValidationError)
            if asked_for_key:  # the server wants a key and there is nobody to ask
                raise self._status(uid, 401, _first_line(err)) from err
            raise RunRefusedError(
                "this run cannot be stored in Tiled",
                got=f"{type(err).__name__}: {_first_line(err)}",
                do="export it as JSON lines",
                where=f"run {uid}",
            ) from err

    def _status(
        self, uid: str, status: int, words: str
    ) -> TargetDownError | RunFailedError | RunRefusedError:
        if self._connected is None or status in (401, 403, 429):
            return TargetDownError(
                "Tiled does not let us write there",
                got=words,
                allowed="a container this key may write to",
                do="check address and TILED_API_KEY; the export goes on by itself",
                where=self.address,
            )
        if status >= 500:
            return RunFailedError(
                "Tiled failed at this run",
                got=words,
                do="look into the server's log; it is tried again",
                where=f"run {uid}",
            )
        return RunRefusedError(
            "Tiled refuses this run",
            got=words,
            do="export it as JSON lines, or mend it on the server and export with --again",
            where=f"run {uid}",
        )


def _check_start(documents: Sequence[Named]) -> None:
    """Validates the start: when the writer refuses one, event-model's router warns of a defect."""
    import event_model

    event_model.schema_validators[event_model.DocumentNames.start].validate(documents[0][1])


def without_secrets(uri: str) -> str:
    """The address without user, password, key and fragment."""
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def _unpacked(documents: Sequence[Named]) -> Iterator[Named]:
    """The documents with pages as single events."""
    import event_model

    unpack: Any = event_model.unpack_event_page
    for name, doc in documents:
        if name == "event_page":
            yield from (("event", dict(event)) for event in unpack(doc))
        else:
            yield name, doc


def _rows(table: Any, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of a table by Arrow: the client's own data frames turn arrays and flags into text."""
    import pyarrow
    from tiled.client.utils import handle_error

    rows: list[dict[str, Any]] = []
    for index in range(table.structure().npartitions):
        link = table.item["links"]["partition"].format(index=index)
        answer: Any = handle_error(table.context.http_client.get(link, headers={"Accept": _ARROW}))
        data = pyarrow.BufferReader(answer.read())
        rows += pyarrow.ipc.open_file(data).read_all().to_pylist()
    return [
        {
            "seq_num": row["seq_num"],
            "time": row["time"],
            "data": {k: row[k] for k in keys if k in row},
            "timestamps": {k: row[f"ts_{k}"] for k in keys if f"ts_{k}" in row},
        }
        for row in rows
    ]


def _plain(value: Any) -> Any:
    """The client's read-only views as dictionaries and lists."""
    if hasattr(value, "items"):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return value
    return [_plain(v) for v in value]


def _first_line(err: Exception) -> str:
    lines = str(err).strip().splitlines()
    return lines[0] if lines else type(err).__name__

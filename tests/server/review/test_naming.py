"""A disease that no list has: one person writes its name, the next finds it in the list."""

from __future__ import annotations

import pytest
from tests.server.review.test_review import send
from tests.support import centre

from pikvani_server.review import queue
from pikvani_server.store import Store


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("New blight", "cotton/new_blight"),
        ("cotton: New  Blight!", "cotton/new_blight"),
        ("maize/rust", "maize/rust"),
    ],
)
def test_what_one_person_writes_the_next_finds_in_the_list(sqlite_store: Store, written: str, kept: str) -> None:
    # given a cotton case that waits for its name
    (key,) = send(sqlite_store, 1, crop="cotton")
    app = centre.build(sqlite_store)
    first, second = (centre.client_of(app, sqlite_store, "agronomist", name) for name in ("asha", "ravi"))
    case = {"device": key.device_id, "outbox": key.outbox.hex(), "seq": str(key.seq)}
    assert f'value="{kept}"' not in second.get("/review").text
    # when the first writes what no list has
    centre.send(first, "/review/label", condition="", other=written, **case)
    # then it is kept as a condition, and the second can choose it
    assert [label["condition"] for label in queue.labels_of(sqlite_store, key)] == [kept]
    assert f'value="{kept}"' in second.get("/review").text


@pytest.mark.parametrize("written", ["", "  ", "करपा", "x" * 200])
def test_what_is_no_name_is_not_kept(sqlite_store: Store, written: str) -> None:
    (key,) = send(sqlite_store, 1, crop="cotton")
    client = centre.client_of(centre.build(sqlite_store), sqlite_store, "agronomist")
    case = {"device": key.device_id, "outbox": key.outbox.hex(), "seq": str(key.seq)}
    centre.send(client, "/review/label", condition="", other=written, **case)
    assert queue.labels_of(sqlite_store, key) == []


def test_given_a_case_without_a_crop_then_the_page_asks_for_the_crop_too(sqlite_store: Store) -> None:
    (key,) = send(sqlite_store, 1, crop="")
    client = centre.client_of(centre.build(sqlite_store), sqlite_store, "agronomist")
    case = {"device": key.device_id, "outbox": key.outbox.hex(), "seq": str(key.seq)}
    assert "Crop: its name, in Latin letters" in client.get("/review").text

    centre.send(client, "/review/label", condition="", other="New blight", **case)
    assert queue.labels_of(sqlite_store, key) == []
    assert "with the crop before it" in client.get("/review").text

    centre.send(client, "/review/label", condition="", other="Cotton: new blight", **case)
    assert [label["condition"] for label in queue.labels_of(sqlite_store, key)] == ["cotton/new_blight"]

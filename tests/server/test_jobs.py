"""The work queue and the leader, on both databases: each job once at a time, none lost with its worker."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from pikvani_server.jobs import LEASE, MOST_ATTEMPTS, Jobs
from pikvani_server.store import Store, open_store
from pikvani_server.store.leading import Leadership

NOW = datetime(2026, 8, 1, tzinfo=UTC)


def test_a_job_waits_once_and_is_done_once(store: Store) -> None:
    one, two = Jobs(store, "one"), Jobs(store, "two")
    assert one.put("drift", NOW, "hourly", {"day": "2026-08-01"})
    assert not two.put("drift", NOW, "hourly")
    job = one.claim(NOW, ("drift",))
    assert job and (job.subject, job.payload, job.attempt) == ("hourly", {"day": "2026-08-01"}, 1)
    assert two.claim(NOW, ("drift",)) is None
    # while it runs, the next one may already wait
    assert two.put("drift", NOW, "hourly")
    one.finish(job, NOW)
    assert one.counts() == {("drift", "done"): 1, ("drift", "waiting"): 1}


def test_only_what_is_due_and_of_ones_kinds_is_claimed(store: Store) -> None:
    jobs = Jobs(store)
    jobs.put("drift", NOW + timedelta(hours=1))
    jobs.put("propose", NOW)
    assert jobs.claim(NOW, ("drift",)) is None
    found = jobs.claim(NOW + timedelta(hours=2), ("drift", "propose"))
    assert found and found.kind == "propose"


def test_a_dead_workers_job_goes_to_another_and_the_dead_one_cannot_end_it(store: Store) -> None:
    dead, other = Jobs(store, "dead"), Jobs(store, "other")
    dead.put("drift", NOW)
    lost = dead.claim(NOW, ("drift",))
    assert lost and other.claim(NOW + LEASE / 2, ("drift",)) is None
    later = NOW + LEASE + timedelta(seconds=1)
    again = other.claim(later, ("drift",))
    assert again and again.attempt == 2
    assert not dead.renew(lost, later)
    dead.finish(lost, later)
    assert other.counts() == {("drift", "claimed"): 1}
    assert other.renew(again, later)


def test_a_failing_job_is_tried_again_later_and_at_last_given_up(store: Store) -> None:
    jobs, now = Jobs(store), NOW
    jobs.put("propose", now)
    for attempt in range(1, MOST_ATTEMPTS + 1):
        now += timedelta(hours=1)
        job = jobs.claim(now, ("propose",))
        assert job and job.attempt == attempt
        jobs.fail(job, "the pipeline is not there", now)
        assert jobs.claim(now, ("propose",)) is None
    assert jobs.counts() == {("propose", "failed"): 1}
    assert jobs.latest()[0]["error"] == "the pipeline is not there"
    assert jobs.prune(now + timedelta(days=31)) == 1


def test_many_workers_share_many_jobs_and_none_is_done_twice(store: Store) -> None:
    for number in range(40):
        Jobs(store).put("drift", NOW, str(number))
    done: list[str] = []
    lock = threading.Lock()

    def work(name: str) -> None:
        jobs = Jobs(store, name)
        while job := jobs.claim(NOW, ("drift",)):
            with lock:
                done.append(job.subject)
            jobs.finish(job, NOW)

    threads = [threading.Thread(target=work, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(done) == sorted(map(str, range(40)))


def test_one_leads_at_a_time_and_the_next_when_it_lets_go(database_url: str) -> None:
    stores = [open_store(database_url) for _ in range(2)]
    first, second = (Leadership(store, "schedule") for store in stores)
    stores[0].migrate()
    assert first.held() and first.held()
    assert not second.held()
    assert Leadership(stores[1], "something else").held()
    first.resign()
    assert second.held()
    assert not first.held()
    for store in stores:
        store.close()


@pytest.mark.needs_postgres
def test_a_leader_whose_connection_is_cut_leads_no_more(postgres_server) -> None:
    url = postgres_server.new_database()
    stores = [open_store(url) for _ in range(2)]
    stores[0].migrate()
    first, second = (Leadership(store, "schedule") for store in stores)
    assert first.held()
    with stores[1].writing("testing") as connection:
        # Asked to wait: without a limit of time the signal is only sent, and the lock lives until it is heard.
        ended = connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid, 30000) FROM pg_locks WHERE locktype = 'advisory' AND classid = 28779"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        assert ended.scalars().all() == [True]
    assert second.held()
    assert not first.held()
    for store in stores:
        store.close()

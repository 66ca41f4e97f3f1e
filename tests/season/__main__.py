"""One season in three villages, on real processes and through public interfaces, told as an HTML page.

    scripts/season [--short] [--seed N] [--report FILE]

Exit 0 only where every promise held. Needs Mosquitto, and photographs below PIKVANI_DATASETS; PostgreSQL and Chromium
where they are (the page says when they are not).
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tests.season.alone import leave_the_internet
from tests.season.chapters import CHAPTERS
from tests.season.places import photographs
from tests.season.stage import Season
from tests.season.story import Story
from tests.support import mosquitto, postgres


def main() -> int:
    """The season."""
    parser = argparse.ArgumentParser(prog="scripts/season", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="minutes instead of hours: fewer cases, cuts and devices")
    parser.add_argument("--seed", type=int, default=1, help="of everything drawn by chance")
    parser.add_argument("--report", type=Path, default=Path("season.html"), help="where the page is written")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped then, too
    leaves = photographs("cotton_zade_field/fresh_cotton_leaf", 60)
    if mosquitto.MISSING or not leaves:
        print(
            mosquitto.MISSING or "no photographs: set PIKVANI_DATASETS to the folder that holds leaf/", file=sys.stderr
        )
        return 2
    story = Story("One season in three villages")
    connected = leave_the_internet()
    database = None if postgres.MISSING else postgres.Postgres()
    if database:
        database.start()
    # In /tmp itself: Mosquitto and PostgreSQL run as users of their own.
    with tempfile.TemporaryDirectory(prefix="pikvani-season-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        season = Season(Path(folder), story, database, leaves, options.seed, options.short, connected)
        try:
            season.run(CHAPTERS)
        finally:
            season.close()
            if database:
                database.close()
    store = "PostgreSQL" if database else "SQLite (no PostgreSQL here)"
    story.figure("minutes it took here", round(story.seconds / 60))
    story.write(
        options.report, f"Seed {options.seed}, {'short form' if options.short else 'whole'}, centre on {store}."
    )
    print(f"{options.report}: {'everything held' if story.held else 'NOT everything held'}")
    return 0 if story.held else 1


if __name__ == "__main__":
    sys.exit(main())

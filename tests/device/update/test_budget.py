"""What the month's budget is asked for: never for bytes that are here already, never passed by silently."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from tests.device.update.village import Village

from pikvani_contract.model.packing import difference_target, package_target
from pikvani_device.update.state import Phase


@pytest.fixture
def village(tmp_path: Path) -> Village:
    return Village(tmp_path)


@pytest.mark.parametrize("differ", [False, True], ids=["whole file", "difference"])
def test_given_a_file_that_came_in_part_then_the_budget_is_asked_for_the_rest_of_it_alone(
    village: Village, differ: bool
) -> None:
    # given a month's budget for the file once and a little more
    village.release("1.1.0", difference_from=village.birth if differ else None)
    path = difference_target("sample", "1.0.0", "1.1.0") if differ else package_target("sample", "1.1.0")
    limit = int(1.2 * village.repository.targets.targets[path].length)
    fetched = 0
    village.may_fetch = lambda size: fetched + size <= limit  # type: ignore[method-assign]
    whole = village.fetcher.inner

    class Breaking:
        broken = False

        def fetch(self, path: str, offset: int = 0) -> Generator[bytes, None, None]:
            nonlocal fetched
            for piece in whole.fetch(path, offset):
                if not path.startswith("targets/"):
                    yield piece
                    continue
                half = piece[: len(piece) * 7 // 10] if not self.broken else piece
                fetched += len(half)
                yield half
                if not self.broken:
                    self.broken = True
                    raise ConnectionResetError("the link broke")

    village.fetcher.inner = Breaking()
    # when the link breaks at seven tenths of it
    assert village.engine().run().phase == Phase.IDLE
    # then what is left is within the budget, which the whole again would not be
    assert village.engine().run().phase == Phase.WATCHING
    assert fetched <= limit

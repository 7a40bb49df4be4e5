"""What these tests share: a lakehouse to whose declared sources nothing has ever been sent."""

from collections.abc import Iterator

import pytest

from tests.conftest import Lakehouse, start


@pytest.fixture(scope="package")
def empty_lakehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    """A local AWS with everything deployed and no record."""
    yield from start(tmp_path_factory.mktemp("state"))

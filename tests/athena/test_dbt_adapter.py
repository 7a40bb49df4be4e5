"""dbt's own suites for adapters, on the embedded Athena, by the unmodified dbt-athena.

`make conformance` runs those that dbt-athena ships itself, snapshots and Iceberg among them: the base
suites' own have timestamps of milliseconds, which Athena's Iceberg tables refuse.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from dbt.tests.adapter.basic.test_adapter_methods import BaseAdapterMethod
from dbt.tests.adapter.basic.test_base import BaseSimpleMaterializations
from dbt.tests.adapter.basic.test_empty import BaseEmpty
from dbt.tests.adapter.basic.test_ephemeral import BaseEphemeral
from dbt.tests.adapter.basic.test_generic_tests import BaseGenericTests
from dbt.tests.adapter.basic.test_incremental import BaseIncremental
from dbt.tests.adapter.basic.test_singular_tests import BaseSingularTests
from dbt.tests.adapter.basic.test_singular_tests_ephemeral import BaseSingularTestsEphemeral
from dbt.tests.adapter.incremental.test_incremental_merge_exclude_columns import (
    BaseMergeExcludeColumns,
)
from dbt.tests.adapter.store_test_failures_tests.basic import StoreTestFailuresAsProjectLevelOff
from dbt.tests.adapter.unit_testing.test_case_insensitivity import BaseUnitTestCaseInsensivity
from dbt.tests.adapter.unit_testing.test_invalid_input import BaseUnitTestInvalidInput

from tests.athena.conftest import Gateway, new_athena

pytest_plugins = ["dbt.tests.fixtures.project"]


@pytest.fixture(scope="class")
def dbt_profile_target(gateway: Gateway) -> Iterator[dict[str, Any]]:
    """A target on a bucket of the class's own."""
    settings = {
        "AWS_ENDPOINT_URL": gateway.settings.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    athena = new_athena(gateway)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        yield {
            "type": "athena",
            "database": "awsdatacatalog",
            "schema": athena.database,
            "region_name": "us-east-1",
            "s3_staging_dir": f"s3://{athena.bucket}/results/",
            "s3_data_dir": f"s3://{athena.bucket}/data/",
            "threads": 2,
        }


class TestSimpleMaterializations(BaseSimpleMaterializations):
    pass


class TestSingularTests(BaseSingularTests):
    pass


@pytest.mark.slow
class TestSingularTestsEphemeral(BaseSingularTestsEphemeral):
    pass


class TestEmpty(BaseEmpty):
    pass


@pytest.mark.slow
class TestEphemeral(BaseEphemeral):
    pass


class TestGenericTests(BaseGenericTests):
    pass


class TestAdapterMethod(BaseAdapterMethod):
    pass


class TestIncremental(BaseIncremental):
    pass


class TestMergeExcludeColumns(BaseMergeExcludeColumns):
    @pytest.fixture(scope="class")
    def project_config_update(self) -> dict[str, Any]:
        return {"name": "iceberg", "models": {"+table_type": "iceberg"}}


@pytest.mark.slow
class TestStoreTestFailures(StoreTestFailuresAsProjectLevelOff):
    pass


class TestUnitTestCase(BaseUnitTestCaseInsensivity):
    pass


@pytest.mark.slow
class TestUnitTestInvalidInput(BaseUnitTestInvalidInput):
    pass

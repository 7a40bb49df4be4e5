"""`make bench`: the catalog over 1,000 sources, the embedded Athena beside DuckDB, dbt on both."""

from tests.bench import athena, catalog, dbt_build

if __name__ == "__main__":
    catalog.main()
    athena.main()
    dbt_build.main()

"""`make bench`: the catalog over 1,000 sources, ingestion, Athena beside DuckDB, dbt on both."""

from tests.bench import athena, catalog, dbt_build, ingestion

if __name__ == "__main__":
    catalog.main()
    ingestion.main()
    athena.main()
    dbt_build.main()

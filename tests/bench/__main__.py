"""`make bench`: the catalog over 1,000 sources, and the embedded Athena beside DuckDB itself."""

from tests.bench import athena, catalog

if __name__ == "__main__":
    catalog.main()
    athena.main()

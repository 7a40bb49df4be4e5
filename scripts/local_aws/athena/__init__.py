"""An embedded Athena: its JSON API, and Athena SQL run by DuckDB over Hive and Iceberg tables."""

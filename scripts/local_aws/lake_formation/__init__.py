"""Lake Formation: who may see which databases, tables, columns and rows."""

"""Files, tables and conversations as rows."""

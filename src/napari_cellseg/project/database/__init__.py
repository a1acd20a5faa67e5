"""The file of a project: tables, notes, who may write."""

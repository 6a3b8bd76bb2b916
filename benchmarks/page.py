"""The tables of the results in their places on a page; see `markdown_tables.placed`."""

from __future__ import annotations

from claims import claims_table
from markdown_tables import placed
from results import Results
from tables import growth_table, return_table, start_table, throughput_table


def filled(page: str, results: Results) -> str:
    """Return the page with the tables of the results; a table without runs stays as it is.

    Raises:
        ValueError: the page has no place for a table.
    """
    conditions = results.conditions
    versions = ", ".join(f"{name} {number}" for name, number in conditions["versions"].items() if number)
    machine = (
        f"{conditions['cores']} cores ({conditions['processor']}), {conditions['date']}, runs of "
        f"{conditions['seconds']:g} s, fsync {conditions['fsync_milliseconds']:g} ms. Python {conditions['python']}, "
        f"SQLite {conditions['sqlite']}, {versions}."
    )
    tables = {"machine": machine, "claims": claims_table(results)}
    if results.under_load:
        tables |= {"cost": throughput_table(results.under_load), "start": start_table(results.under_load)}
    if results.grown:
        tables["growth"] = growth_table(results.grown)
    if results.returned:
        tables["return"] = return_table(results.returned)
    return placed(page, tables)

"""`gridhub department list|check`: the departments the hub knows, and what is wrong with a new one's files."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.group(name="department")
def group() -> None:
    """The departments as data: which there are, and whether a new one's folder is right.

    Example: gridhub department list
    """


@group.command(name="list")
def list_departments() -> None:
    """Print every bundled department, one JSON object a line.

    Example: gridhub department list
    """
    from gridhub.connectors.sources.departments import DepartmentError, Departments

    try:
        departments = Departments.load()
    except DepartmentError as error:
        raise click.ClickException(str(error)) from error
    for department in departments:
        row = {
            "code": department.code,
            "name_zh": department.name_zh,
            "name_en": department.name_en,
            "aliases": department.aliases,
            "record": department.record,
            "topic": department.topic.name,
            "version": department.version,
        }
        click.echo(json.dumps(row, ensure_ascii=False))


@group.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
def check(folder: Path) -> None:
    """Check a department's folder, or a folder of such folders; exit 1 when something is wrong.

    Prints one JSON object per department on stdout, and a sentence per problem or note on stderr.

    Example: gridhub department check connectors/sources/power
    """
    from gridhub.connectors.sources.checks import check as check_one
    from gridhub.connectors.sources.departments import DepartmentError, Departments, department_folders
    from gridhub.streams.admissions import AdmissionError, Admissions
    from gridhub.streams.categories import Categories, CategoryError

    try:
        categories, known, admissions = Categories.load(), Departments.load(), Admissions.load()
        places = department_folders(folder.resolve())
    except (AdmissionError, CategoryError, DepartmentError) as error:
        raise click.ClickException(str(error)) from error
    wrong = False
    for place in places:
        report = check_one(place, known, categories, admissions)
        for sentence in report.problems:
            click.echo(sentence, err=True)
        for sentence in report.notes:
            click.echo(f"Note: {sentence}", err=True)
        wrong = wrong or bool(report.problems)
        row = {
            "folder": place.name,
            "code": report.department.code if report.department else None,
            "topic": report.department.topic.name if report.department else None,
            "examples": report.examples,
            "problems": len(report.problems),
            "ok": not report.problems,
        }
        click.echo(json.dumps(row, ensure_ascii=False))
    if wrong:
        raise click.exceptions.Exit(1)

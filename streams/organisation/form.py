"""The form of config/organisation/organisation.yaml: strict, so that a slip of the pen stops the start."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Text = Annotated[str, Field(min_length=1, max_length=60)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class WalkingFile(_Part):
    """How far people walk."""

    speed_kmh: Annotated[float, Field(gt=0, le=10)]
    detour: Annotated[float, Field(ge=1, le=3)]


class HoursFile(_Part):
    """Hours of a clock or a shift, on working days and on days off."""

    name: Text
    workday: list[str] = []
    day_off: list[str] = []


class CapabilityFile(_Part):
    """What units can do, and the categories and matter groups that need it."""

    name: Text
    categories: list[str] = []
    matter_groups: list[str] = []


class WaysFile(_Part):
    """What units of a role or of a department have in common."""

    clock: Name
    shifts: list[Name] = []
    capabilities: list[Name] = []
    checked_by: Name | None = None
    everywhere: bool = False


class InvitationFile(_Part):
    """The X of a council on these matters."""

    categories: list[str] = []
    matter_groups: list[str] = []
    invited: Annotated[list[Text], Field(min_length=1)]


class CouncilFile(_Part):
    """3+X: the three fixed parties of a community and of a village, and who is invited on which matter."""

    community: Annotated[list[Text], Field(min_length=3, max_length=3)]
    village: Annotated[list[Text], Field(min_length=3, max_length=3)]
    by_matter: list[InvitationFile] = []


class OrganisationFile(_Part):
    """The whole file."""

    version: Annotated[str, Field(min_length=1, max_length=40)]
    walking: WalkingFile
    clocks: dict[Name, HoursFile]
    shifts: dict[Name, HoursFile]
    capabilities: dict[Name, CapabilityFile]
    roles: dict[Name, WaysFile]
    departments: dict[Name, WaysFile]
    council: CouncilFile
    supervision: Name

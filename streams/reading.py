"""What whoever reads the hub's topics from outside the workers needs: the codec of all that lies on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.registry import connect, load_codec
from gridhub.streams import topics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gridhub.schemas.codec import Codec
    from gridhub.streams.settings import Settings


def codec_of(settings: Settings, further: Sequence[Path] = ()) -> Codec:
    """The codec by the registry and its copy on the disk, with the schemas of further departments.

    Records may be as large as the hub's own. Raises RegistryLater, UnknownSchema.
    """
    registry = connect(settings.registry, settings.data_dir / "schemas")
    return load_codec(registry, catalogue(further), further, topics.HUB_BYTES)

"""Files from the network: downloads go on where they stopped and prove their bytes; archives stay in their folder."""

from workbench.download.archives import is_archive, unpack
from workbench.download.listings import resolve
from workbench.download.transfer import digest, download, holds

__all__ = ["digest", "download", "holds", "is_archive", "resolve", "unpack"]

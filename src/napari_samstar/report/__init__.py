"""What a search leaves for people to read: a table, a picture, and a page with thumbnails."""

from napari_samstar.report.front import front_table, marks, write_front
from napari_samstar.report.wording import changes, describe

__all__ = ["changes", "describe", "front_table", "marks", "write_front"]

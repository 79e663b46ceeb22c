"""What a run leaves behind: tables, annotation formats, a list for review; and reading them back.

`Results` takes the records of a run, one by one and without pixels; `read_results` reads any of its formats.
`record_to_dict` and `record_from_dict` are the exact form of a record for a journal.
"""

from landmarks.formats.format import Format, Sink
from landmarks.formats.layout import Layout
from landmarks.formats.own.tables import ImagesCsv
from landmarks.formats.reading import formats_in, read_results
from landmarks.formats.records import record_from_dict, record_to_dict
from landmarks.formats.registry import FORMATS
from landmarks.formats.writing import Results, to_original

__all__ = [
    "FORMATS",
    "Format",
    "ImagesCsv",
    "Layout",
    "Results",
    "Sink",
    "formats_in",
    "read_results",
    "record_from_dict",
    "record_to_dict",
    "to_original",
]

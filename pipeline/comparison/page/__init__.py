"""Page: the comparison as one self-contained HTML file that opens from disk, without any network.

In: a `Ranking`, and the trainings, samples and reference features of its configurations. Out: one file below 15 MB. A
part that is missing, or that belongs to another training than the report, is never shown; a sentence names it.
"""

from pipeline.comparison.page.write import PageFacts, write_page

__all__ = ["PageFacts", "write_page"]

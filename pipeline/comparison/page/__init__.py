"""Page: the comparison as one self-contained HTML file that opens from disk, without any network.

In: a `Ranking`, and the trainings, samples and reference features it rests on. Out: one file below 15 MB. What is not
there, or belongs to another training than the report, is named in a sentence and never shown.
"""

from pipeline.comparison.page.write import PageFacts, write_page

__all__ = ["PageFacts", "write_page"]

"""Reports for folders of studies."""

from medvlm.reporting.run import Summary, write_reports

__all__ = ["Summary", "write_reports"]

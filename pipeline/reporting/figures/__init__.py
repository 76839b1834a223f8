"""The report's pictures, drawn by Matplotlib and coloured by the page's own style sheet."""

from pipeline.reporting.figures.figure import Figure, FigureTable

__all__ = ["Figure", "FigureTable"]

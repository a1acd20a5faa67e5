"""The tab "Measure": the table, the plot, colours of cells."""

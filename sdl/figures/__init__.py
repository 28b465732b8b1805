"""Pure functions from data to Plotly figures: titled, with units, for every colour vision."""

"""For a person at a screen: widgets for JupyterLab and voila, the live page, the report on a long recording."""

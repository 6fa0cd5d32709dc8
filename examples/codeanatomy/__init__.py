"""CodeAnatomy in small: the definitions, calls and imports of a Python source tree, as a graph in Parquet.

Run it with ``python -m codeanatomy PATH``. It uses Apache Hamilton for the pipeline, Apache DataFusion for the SQL
and Apache Arrow for the files. It knows nothing of telemetry: that is added from outside, with no line changed here.
"""

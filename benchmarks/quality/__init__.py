"""The search-quality benchmark in parts: problems, peers, runs, scores and the report; see `search_quality.py`."""

"""What `lite-opt report` and `lite-opt diff` show.

facts.py     gathers everything that is known of a model, as plain data; graph.py, program.py, source.py: parts of it
layout.py    places a graph's boxes; drawing.py, memory.py, charts.py: pictures; marks.py: their elements
details.py   what the panel beside the graph says; render.py: the page, of templates/
diff.py      what differs between two models
"""

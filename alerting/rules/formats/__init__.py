"""Files of other generators of objectives, read as they are: Sloth, OpenSLO and Pyrra.

Each file becomes what rules/objectives/ would say in the project's own format (docs/objectives.md).
"""

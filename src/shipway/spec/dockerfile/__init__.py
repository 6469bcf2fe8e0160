"""A Dockerfile -> what each of its lines becomes in a spec, and what is wrong with it.

Owns the grammar of Dockerfiles and the habits that people have in them. Pure: text and names of files in, values out;
nothing of a Dockerfile is ever run. Read `parse.py` (text -> instructions), then `convert.py` (instructions -> report).
"""

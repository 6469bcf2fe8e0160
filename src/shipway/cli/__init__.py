"""The command line: arguments, environment variables, rendering, exit codes. The only room that prints.

Owns what a person types and sees. Must not know how anything is done: it turns words into the plain values that a
verb takes, and the value that a verb returns into text or JSON. Data goes to standard output, talk to standard error.
One table in `options.py` drives the parser, the help, the completions and the reference pages; one table in
`environment.py` does the same for environment variables. Imports here are late on purpose: `shipway --version` and a
`run` with nothing to do must not load what they do not use. Read `main.py` and `options.py` first.
"""

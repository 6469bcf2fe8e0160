"""Start an environment: a `RunRequest` goes in, the child's exit code comes out.

Owns what a person expects inside a container: their own ids and name, a home that lasts, the project at its place, the
host's time zone, name servers and certificates, shared memory, limits, and a writable top that is thrown away or kept.
Must not know specs, locks, plans or how anything was built: an environment from anyone else must run. Verbs translate.

The data runs one way: `Environment` (what was built) + `Invocation` (what was asked) + `HostFacts` (what is here)
-> `RunRequest` -> `sandbox.Request` -> process. All of it but the two ends is pure.

Rooms of its own: `oci` (Docker and Podman), `network` (a network of the container's own, ports), `top` (what a container has
written), `life` (containers that outlive their command).

Read `model.py` and `request.py` first. A warm `run` imports this room on its way to the child, so values are tuples with
names: `dataclasses` would cost more than everything else here.
"""

"""A local ElevenLabs server for development, tests and demos. It imports nothing of the project.

Startup, switches, magic values and faults: docs/sandbox.md. Assumptions about the real service: docs/assumptions.md;
comments here refer to its lines as "assumption n".
"""

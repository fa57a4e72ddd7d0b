"""Runs on a Ray cluster: submitted, watched and stopped through Ray's Jobs API over HTTP, so that the dashboard needs no ray package.

The run directory lies on storage that every node sees; trainers write the same files there as on this computer.
"""
